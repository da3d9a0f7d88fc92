"""``ptlib projector``: carries prompts to another PLM and prints what they are worth there."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields

import pandas as pd

from ptlib.analysis import cross_model as analysis
from ptlib.analysis.collapse import verdict
from ptlib.commands.training import print_starts
from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.prompts.insertion import INSERTIONS
from ptlib.runs import cross_model as plan
from ptlib.runs import initialisation
from ptlib.runs.carry import as_initialisation, carry_over, projector_cells, scored
from ptlib.store import Store
from ptlib.transfer.projector import ProjectorSettings

EXAMPLE = "projector zoo-128-s1 zoo-64-s1 --train laptop nli-scene duty event-paraphrase"
TEXT = "carry prompts to another PLM by projectors, score them there with controls; projected prompts stay in the library"


def register(verb: Callable[..., argparse.ArgumentParser], show: Callable[[pd.DataFrame, str], None], progress: Callable) -> None:
    """Adds the verb. ``verb`` makes a parser, ``show`` prints a table in a format, ``progress`` hears how far a run is."""
    parser = verb("projector", lambda options: _run(options, show, progress), TEXT, EXAMPLE)
    usual = ProjectorSettings()
    parser.add_argument("source", help="PLM that has the prompts")
    parser.add_argument("target", help="PLM that they are carried to")
    parser.add_argument("--train", nargs="+", action="append", metavar="TASK", required=True,
                        help="tasks a projector is trained on; given again, further projectors of other tasks")  # fmt: skip
    parser.add_argument("--way", choices=("tuning", "distance"), default=usual.way, help="tuning: the tasks' loss through the frozen target PLM; distance: to its own "
                        "prompts of these tasks (default: %(default)s)")  # fmt: skip
    parser.add_argument(
        "--form", choices=("flat", "token"), default=usual.form, help="whole prompts, or token by token (default: %(default)s)"
    )
    parser.add_argument("--activation", choices=("tanh", "leaky_relu"), default=usual.activation)
    parser.add_argument("--layer-norm", action="store_true", help="over every token that comes out")
    for name, kind, words in (("hidden", int, "width between the two layers"), ("steps", int, "training steps"), ("lr", float, "learning rate"),
                              ("batch", int, "examples a step")):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, default=getattr(usual, name), help=f"{words} (default: %(default)s)")
    parser.add_argument("--projector-seeds", nargs="+", type=int, default=[0, 1, 2], help="one projector each (default: 0 1 2)")
    parser.add_argument("--seeds", nargs="+", type=int, help="prompt seeds it is trained on (default: all)")
    parser.add_argument("--carry", nargs="+", type=int, help="prompt seeds it projects (default: one, another for each projector in turn)")
    parser.add_argument("--tasks", nargs="+", help="tasks to score on (default: all of the target PLM)")
    parser.add_argument("--limit", type=int, help="first N test examples (default: all)")
    parser.add_argument("--length", type=int, help="soft tokens of projected prompts (default: the own prompts', or the source's)")
    parser.add_argument("--insertion", choices=INSERTIONS, help="how projected prompts meet the target PLM")
    parser.add_argument("--everything", action="store_true", help="every projected prompt on every task, not only the own one and controls")
    parser.add_argument(
        "--as-initialisation", action="store_true", help="instead of scores: steps that training from unseen tasks' projected prompts saves"
    )
    for name, kind, words in (("lr", float, "learning rate"), ("steps", int, "steps")):
        parser.add_argument(
            f"--training-{name}", type=kind, help=f"{words} of those trainings (default: {getattr(initialisation.READABLE, name)})"
        )
    parser.add_argument("--cells", action="store_true", help="print one row a score, or a target")
    parser.add_argument("--relative", action="store_true", help="relative performance instead of scores")


def _run(options: argparse.Namespace, show: Callable[[pd.DataFrame, str], None], on_progress: Callable) -> None:
    """Trains, projects, scores and prints. Raises PtlibError for what cannot be done."""
    store = Store()
    chosen = ProjectorSettings(**{field.name: getattr(options, field.name) for field in fields(ProjectorSettings) if field.name != "seed"})
    repeated = len(set(options.projector_seeds)) < len(options.projector_seeds)
    if repeated:
        raise PtlibError("a projector seed is named twice", where="--projector-seeds", found=options.projector_seeds)
    cells = projector_cells(Library.open(), options.source, options.target, options.train, chosen, options.projector_seeds, seeds=options.seeds,
                            carry=options.carry, insertion=options.insertion, length=options.length)  # fmt: skip
    projectors = carry_over(store, cells, "command line", on_progress)
    if options.as_initialisation:
        _initialise(options, store, projectors, show, on_progress)
        return
    table = scored(store, projectors, options.tasks, options.limit, options.everything, "command line", on_progress)
    if options.cells:
        show(table, options.format)
        return
    rows = []
    for _, mine in table.groupby(table["trained_on"].str.count(" "), sort=True):
        # Sets of as many tasks are pooled: a mean over several one-task projectors is less of an accident than any of them.
        made = analysis.summary(mine, "relative" if options.relative else "value")
        rows.append(made.assign(trained_on=" | ".join(dict.fromkeys(mine["trained_on"]))))
    found = pd.concat(rows, ignore_index=True)
    found.insert(0, "direction", f"{options.source} > {options.target}")
    found.insert(1, "way", options.way)
    show(found, options.format)
    if options.format == "table":
        _words(found, projectors)


def _initialise(options: argparse.Namespace, store: Store, projectors: list[plan.Carried], show: Callable, on_progress: Callable) -> None:
    given = {name: value for name in ("lr", "steps") if (value := getattr(options, f"training_{name}")) is not None}
    found = as_initialisation(projectors, options.tasks, store=store, asked_by="command line", on_progress=on_progress, **given)
    print_starts(found, ("target", "group", "source") if options.cells else ("group",), show, options.format)


def _words(found: pd.DataFrame, projectors: list[plan.Carried]) -> None:
    library = Library.open()
    for trained, mine in found.groupby("trained_on", sort=False):
        print(f"\nTrained on {trained}: {analysis.finding(mine)}".rstrip(": "))
    for item in projectors:
        print(
            f"Projector {item.digest[:8]} ({', '.join(item.story['trained_on'])}, seed {item.story['seed']}): {verdict(*plan.spread_of(library, item))}"
        )
