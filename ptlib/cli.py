"""The command line: everything the dashboard does, in a shell, on the same store.

Errors a user can mend are one sentence on standard error and exit 2; Ctrl-C cancels the run it waits for and exits 130.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import pandas as pd

from ptlib import __version__
from ptlib.commands import mask, projector, runs, training
from ptlib.errors import PtlibError, Refused, RunError
from ptlib.library import Library, user_folder
from ptlib.neurons.states import States
from ptlib.plms.device import DTYPES
from ptlib.prompts.insertion import INSERTIONS
from ptlib.runs import (
    Cell,
    Selection,
    api,
    check_seeds,
    plan,
    precision,
    progress,
    select,
    tables,
    until_clear,
)
from ptlib.runs.study import embeddings
from ptlib.store import Store
from ptlib.tasks.catalogue import catalogue

AUTOMATIC = -1.0
"""What --until-clear without a number means to the parser."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments[:1] == ["zoo"] and len(arguments) > 1 and not arguments[1].startswith("-"):
            return _zoo(arguments[1:])
        if arguments[:1] == ["import"]:
            from ptlib.published.command import main as bring

            return bring(arguments[1:])
        if arguments[:1] in (["figure"], ["study"]):
            return _drawn(arguments)
        options = _parser().parse_args(arguments)
        return options.do(options) or 0
    except PtlibError as error:
        print(f"ptlib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ptlib: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ptlib", description="Which trained soft prompts transfer to which tasks, and why.",
        epilog="example: ptlib transfer --plm zoo-64-s1 --tasks laptop restaurant --limit 100",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"ptlib {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, do, text: str, example: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text, epilog=f"example: ptlib {example}")
        made.set_defaults(do=do)
        made.add_argument("--format", choices=("table", "csv", "json"), default="table", help="how to print")
        for form in ("csv", "json"):
            made.add_argument(f"--{form}", dest="format", action="store_const", const=form, help=f"short for --format {form}")
        return made

    plms = verb(
        "plms",
        _plms,
        "PLMs in the library, and items that could not be read; add: link one into it; test: which precision pays here",
        "plms add roberta-base",
    )
    plms.add_argument("action", choices=("list", "add", "test"), nargs="?", default="list")
    plms.add_argument("name", nargs="?", help="folder or hub id (add); id (test: times half precision against single precision)")
    plms.add_argument("--revision", help="branch, tag or commit of the hub (add)")
    prompts = verb("prompts", _prompts, "prompts in the library", "prompts --plm zoo-64-s1")
    prompts.add_argument("--plm")
    tasks = verb("tasks", _tasks, "tasks in the library; check FILE: all that is wrong with one", "tasks check my-task.toml")
    tasks.add_argument("action", choices=("list", "check", "fetch"), nargs="?", default="list")
    tasks.add_argument("file", nargs="?", help="TOML of a task (check); name of a task (fetch: reads its data sets from the hub)")
    transfer = verb(
        "transfer",
        _transfer,
        "source x target matrix; missing cells are evaluated first",
        "transfer --seeds 0 --limit 100",
    )
    transfer.add_argument("--cells", action="store_true", help="print one row a cell instead of the matrix")
    transfer.add_argument("--relative", action="store_true", help="relative performance instead of scores")
    neurons = verb("neurons", _neurons, "ON of every pair of prompts; missing stimulations are computed first", "neurons --seeds 0")
    correlate = verb("correlate", _correlate, "every indicator against transfer, with intervals and p", "correlate --layers 3 4")
    project = verb("project", _project, "prompts in two or three dimensions", "project --method pca --dimensions 2")
    project.add_argument("--method", choices=("pca", "umap", "tsne"), default="pca")
    project.add_argument("--dimensions", type=int, choices=(2, 3), default=2)
    project.add_argument("--of", choices=("embedding", "stimulation"), default="embedding")
    project.add_argument("--random-seed", type=int, default=0)
    projector.register(verb, _print, _progress)
    waiting = runs.register(verb, _wanted, _print, _progress)
    masked = mask.register(verb, _selection, _print, _progress)
    for command in (transfer, neurons, correlate, project, waiting, masked):
        command.add_argument("--plm", help="PLM id (default: the library's)")
        command.add_argument("--tasks", nargs="+", help="target tasks (default: all)")
        command.add_argument("--sources", nargs="+", help="tasks the prompts were trained on (default: all)")
        command.add_argument("--seeds", nargs="+", type=int, help="prompt seeds (default: all)")
        command.add_argument("--limit", type=int, help="first N test examples (default: all)")
        command.add_argument("--dtype", choices=(precision.AUTO, *DTYPES), default=precision.AUTO, help="precision of the PLM (default: half where a test found it "
                             "faster and in agreement, otherwise float32)")  # fmt: skip
        command.add_argument("--insertion", choices=INSERTIONS, help="another way to insert prompts than they were trained with")
    for command in (transfer, waiting):
        command.add_argument("--until-clear", nargs="?", type=float, const=AUTOMATIC, metavar="WIDTH", help="stop each cell when it is clear: when its 95 %% "
                             "interval is narrower than WIDTH (default: by the number of examples) and it cannot be the best source")  # fmt: skip
    for command in (neurons, correlate):
        command.add_argument("--layers", nargs="+", type=int, help="layers that count for ON, from 1 (default: all)")
    correlate.add_argument("--diagonal", action="store_true", help="count prompts on their own task too")
    for command in (transfer, correlate):
        command.add_argument("--published", action="store_true", help="results that came with an import, nothing is evaluated")
    training.register(verb, _print, _progress)
    verbs.add_parser("import", help="thunlp | prompts: bring foreign prompts and results in", add_help=False)
    for name, text in (
        ("figure", "figures from recipes: one, or a folder of them"),
        ("study", "html: a study as one file for any browser"),
    ):
        verbs.add_parser(name, help=text, add_help=False)
    zoo = verbs.add_parser("zoo", help="build | report: make the embedded zoo, or print the evidence from it",
                           epilog="example: ptlib zoo report")  # fmt: skip
    zoo.set_defaults(do=lambda options: zoo.print_help())
    return parser


def _zoo(arguments: list[str]) -> int:
    if arguments[0] == "build":
        from ptlib.zoo.build import main as build

        return build(arguments[1:])
    if arguments[0] == "report":
        from ptlib.zoo.report import main as report

        return report(arguments[1:])
    raise PtlibError("unknown zoo command", where="ptlib zoo", found=repr(arguments[0]), expected="build or report")


def _drawn(arguments: list[str]) -> int:
    """What needs plotly: the dashboard's own command, in a process of its own, since this library knows no dashboard."""
    if find_spec("dashboard") is None:
        raise PtlibError(
            "the dashboard is not beside the library", where=f"ptlib {arguments[0]}", mend="Run it in the checkout: ./run.sh ptlib ..."
        )
    return subprocess.run([sys.executable, "-m", "dashboard.command", *arguments], check=False).returncode


def _print(table: pd.DataFrame, form: str) -> None:
    if form == "csv":
        table.to_csv(sys.stdout, index=False)
    elif form == "json":
        print(json.dumps(json.loads(table.to_json(orient="records")), indent=1))
    else:
        with pd.option_context("display.max_rows", None, "display.max_columns", None, "display.width", 220):
            print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}", na_rep="-"))


def _refused(items: Sequence[Refused]) -> None:
    for item in items:
        print(f"ptlib: not read: {item.path}: {item.reason}", file=sys.stderr)


def _plms(options: argparse.Namespace) -> None:
    if options.action == "add":
        from ptlib.plms.hub import add

        if not options.name:
            raise PtlibError(
                "which PLM", where="ptlib plms add", expected="a folder or a hub id", mend="For example: ptlib plms add roberta-base"
            )
        found = add(options.name, user_folder(), revision=options.revision)
        print(f"{found.id}: {found.family}, {found.parameters:,} parameters, {found.folder}")
        return
    library = Library.open()
    if options.action == "test":
        import transformers

        transformers.utils.logging.disable_progress_bar()
        print(precision.try_out(Store(), library, options.name or str(library.default_plm())).words())
        return
    rows = [{"id": plm.id, "family": plm.family, "layers": plm.layers, "hidden": plm.hidden, "ffn": plm.ffn,
             "parameters": plm.parameters, "fingerprint": plm.fingerprint[:12] if plm.here else "no weights here", "default": plm.default}
            for plm in library.plms.values()]  # fmt: skip
    _print(pd.DataFrame(rows), options.format)
    _refused(library.refused)


def _prompts(options: argparse.Namespace) -> None:
    library = Library.open()
    if options.plm:
        library.plm(options.plm)
    rows = [{"name": entry.name, "task": entry.task or "-", "type": entry.type, "seed": entry.seed, "kind": entry.kind,
             "shape": f"{entry.length} x {entry.hidden}", "insertion": entry.insertion,
             "validation": entry.meta.get("validation"), "digest": entry.digest[:12], "note": library.flags.get(entry.name, "")}
            for entry in library.prompts(options.plm)]  # fmt: skip
    _print(pd.DataFrame(rows), options.format)
    _refused(library.refused)


def _check(path: str | None) -> int:
    from ptlib.tasks.check import check

    if path is None:
        raise PtlibError(
            "which file", where="ptlib tasks check", expected="a task's TOML", mend="For example: ptlib tasks check my-task.toml"
        )
    problems = check(path)
    for item in problems:
        print(f"{item.file}{f':{item.line}' if item.line else ''}: {item.sentence}")
    print(f"{len(problems)} things to mend" if problems else f"{path} can be used")
    return 1 if problems else 0


def _tasks(options: argparse.Namespace) -> int:
    if options.action == "check":
        return _check(options.file)
    if options.action == "fetch":
        task = Library.open().task(options.file or "")
        for split in task.splits:
            print(f"{task.name}, {split}: {len(task.read(split).texts)} rows")
        return 0
    library = Library.open()
    rows, unread = [], []
    for task in library.tasks.values():
        row = {"name": task.name, "type": task.type, "metric": task.metric, "label words": " ".join(task.label_words)}
        try:
            # A data set of the hub is not fetched for a list.
            rows.append({**row, **{split: len(task.read(split).labels) if task.here(split) or task.name not in catalogue() else "not here" for split in task.splits}})  # fmt: skip
        except PtlibError as error:
            rows.append(row)
            unread.append(Refused(task.name, str(error)))
    _print(pd.DataFrame(rows), options.format)
    _refused(library.refused)
    _refused(unread)
    return 0


def _progress(item: progress.Progress) -> None:
    if sys.stderr.isatty():
        left = "" if item.seconds_left is None else f", {item.seconds_left:.0f} s left"
        print(
            f"\r{item.done}/{item.total} cells, {item.rate:.1f}/s{left}   ",
            end="" if item.open else "\n",
            file=sys.stderr,
            flush=True,
        )


def _transfer(options: argparse.Namespace) -> None:
    store, library = Store(), Library.open()
    selection = _selection(library, options)
    if options.published:
        _print_transfer(api.published_scores(library, selection.plm, options.tasks, options.sources), options)
        return
    cells = _cells(library, selection, options)
    try:
        api.complete(store, cells, selection.plm, "command line", _progress)
    except RunError:
        # Cells that failed or were cancelled are no reason to hide the others.
        _print_transfer(tables.scores(store, library, selection), options)
        raise
    _print_transfer(tables.scores(store, library, selection), options)


def _cells(library: Library, selection: Selection, options: argparse.Namespace) -> list[Cell]:
    cells = plan(library, selection)
    if options.until_clear is None:
        return cells
    return until_clear(library, cells, None if options.until_clear == AUTOMATIC else options.until_clear)


def _wanted(library: Library, options: argparse.Namespace) -> tuple[Selection, list[Cell]]:
    selection = _selection(library, options)
    return selection, _cells(library, selection, options)


def _dtype(library: Library, options: argparse.Namespace) -> str:
    if options.dtype != precision.AUTO:
        return options.dtype
    plm = library.plms.get(options.plm or str(library.default_plm()))
    return precision.chosen(Store(), plm.fingerprint) if plm is not None and plm.here else DTYPES[0]


def _selection(library: Library, options: argparse.Namespace, baselines: bool = True) -> Selection:
    selection = select(library, options.plm, tasks=options.tasks, sources=options.sources, seeds=options.seeds,
                       limit=options.limit, baselines=baselines, insertion=options.insertion, dtype=_dtype(library, options))  # fmt: skip
    check_seeds(library, selection.plm, options.seeds)
    return selection


def _print_transfer(table: pd.DataFrame, options: argparse.Namespace) -> None:
    if options.cells:
        _print(table, options.format)
        return
    table["source"] = table["source"].where(
        table["source"] != "", table["kind"].map({"random": "random prompts", "none": tables.NO_PROMPT})
    )
    table["source"] = table["source"].where(~table["kind"].isin(["direct", "projected", tables.TRAINED_HERE]), table["prompt"])
    column = "relative" if options.relative else "value"
    # Not a pivot table: that drops sources of which every cell is missing.
    matrix = table.groupby(["source", "target"], sort=False)[column].mean().unstack(sort=False)
    _print(matrix.reset_index(), options.format)


def _stimulation(options: argparse.Namespace) -> tuple[list[str], States]:
    store, library = Store(), Library.open()
    states, cells = api.stimulations(store, library, _selection(library, options, baselines=False), "command line", _progress)
    return [cell.prompt_name for cell in cells], states


def _layers(options: argparse.Namespace, library: Library) -> list[int] | None:
    plm = library.plm(options.plm or str(library.default_plm()))
    for layer in options.layers or ():
        if not 1 <= layer <= plm.layers:
            raise PtlibError("no such layer; they count from 1", where="--layers", found=layer, expected=f"1 to {plm.layers}")
    return [layer - 1 for layer in options.layers] if options.layers else None


def _neurons(options: argparse.Namespace) -> None:
    from ptlib.neurons.overlap import overlap

    layers = _layers(options, Library.open())
    names, states = _stimulation(options)
    found = overlap(states.activated, layers)
    one, other = np.triu_indices(len(names), 1)
    _print(
        pd.DataFrame({"prompt": np.array(names)[one], "other": np.array(names)[other], "ON": found[one, other]}),
        options.format,
    )


def _correlate(options: argparse.Namespace) -> None:
    if options.sources and set(options.sources) != set(options.tasks or []):
        raise PtlibError(
            "a correlation needs the same tasks as sources and targets",
            where="--sources",
            mend="Name them with --tasks only.",
        )
    _print(
        api.correlate(
            options.plm,
            tasks=options.tasks,
            seeds=options.seeds,
            limit=options.limit,
            layers=_layers(options, Library.open()),
            published=options.published,
            diagonal=options.diagonal,
            insertion=options.insertion,
            dtype=_dtype(Library.open(), options),
            on_progress=_progress,
        ),
        options.format,
    )


def _project(options: argparse.Namespace) -> None:
    from ptlib.analysis.projection import project

    if options.of == "stimulation":
        names, states = _stimulation(options)
        values = states.values
    else:
        library = Library.open()
        names = list(_selection(library, options, baselines=False).prompts)
        values = embeddings([library.prompt(name) for name in names])
    found = project(values.reshape(len(names), -1), options.method, options.dimensions, options.random_seed)
    points = pd.DataFrame(
        {
            "prompt": names,
            **{axis: found.coordinates[:, place] for place, axis in enumerate("xyz"[: options.dimensions])},
        }
    )
    _print(points, options.format)
    print(f"{found.parameters}, trustworthiness {found.trustworthiness:.3f}. {found.note}".strip(), file=sys.stderr)
