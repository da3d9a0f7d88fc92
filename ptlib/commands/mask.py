"""``ptlib mask``: neurons switched off, in a shell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import pandas as pd

from ptlib.analysis import ablation
from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.neurons.mask import MEANS
from ptlib.runs import Selection, api, progress, tables
from ptlib.runs.estimate import estimate
from ptlib.runs.masking import DRAWS, LIMIT, READERS, SHARES, Cut, Masking, masking, stored
from ptlib.store import Store

SHOWN = ["line", "layers", "share", "group", "masked", "score", "drop", "drop_low", "drop_high", "tasks", "masks", "scores", "over"]


def register(verb: Callable[..., argparse.ArgumentParser], choose: Callable, show: Callable, on_progress: Callable) -> argparse.ArgumentParser:  # fmt: skip
    """Adds the verb; those options that choose a selection come with the command line's own.

    Args:
        choose: library and options -> the selection. show: prints a table in a form. on_progress: hears of the run.
    """

    def do(options: argparse.Namespace) -> None:
        library = Library.open()
        if options.whole:
            options.limit = None
        show(run(Store(), library, choose(library, options, baselines=False), options, on_progress), options.format)

    parser = verb("mask", do, "switch neurons of prompts off and measure what that costs their own task, its type and other types",
                  "mask laptop --seeds 0 --shares 5 20")  # fmt: skip
    parser.add_argument("of", nargs="+", help="source tasks whose prompts' neurons are masked")
    parser.add_argument("--cut-seeds", nargs="+", type=int, help="seeds of the prompts whose neurons are masked (default: --seeds)")
    parser.add_argument("--shares", nargs="+", type=float, default=[100 * share for share in SHARES], metavar="PERCENT", help="of all neurons of the "
                        "chosen layers, up to 50 (default: 1 5 10 20 50)")  # fmt: skip
    parser.add_argument("--rules", nargs="+", choices=tuple(MEANS), default=list(MEANS), help="which neurons (default: all four choices)")
    parser.add_argument("--layers", nargs="+", type=int, help="mask in these layers together, from 1 (default: all)")
    parser.add_argument("--each-layer", action="store_true", help="mask one layer at a time")
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"of the random neurons (default: {DRAWS})")
    parser.add_argument("--read-with", choices=tuple(READERS), default="own", help="own: each task is read with its own prompt of the same seed; masked: "
                        "with the prompt whose neurons are off (default: own)")  # fmt: skip
    parser.add_argument("--whole", action="store_true", help=f"all test examples (default: the first {LIMIT}, or --limit)")
    parser.add_argument("--cells", action="store_true", help="print one row a score instead of means")
    parser.set_defaults(limit=LIMIT)
    return parser


def run(
    store: Store, library: Library, selection: Selection, options: argparse.Namespace, on_progress: Callable[[progress.Progress], None]
) -> pd.DataFrame:
    """Evaluates what is missing, says on standard error what it costs and whether the drop is specific, and gives the table.

    Raises:
        PtlibError: as :func:`ptlib.runs.masking.masking` and :func:`ptlib.runs.api.complete`.
    """
    if options.layers and options.each_layer:
        raise RunError("these two exclude each other", where="ptlib mask", found="--layers and --each-layer", mend="Leave one of them out.")
    count = library.plm(selection.plm).layers
    together = None if not options.layers else tuple(layer - 1 for layer in options.layers)
    layers = tuple((layer,) for layer in range(count)) if options.each_layer else (together,)
    cut = Cut(tuple(share / 100 for share in options.shares), tuple(options.rules), layers, options.draws, options.read_with)
    found = masking(library, selection, options.of, cut, options.cut_seeds)
    for note in found.notes:
        print(f"ptlib: {note}", file=sys.stderr)
    _say_cost(store, library, selection, found)
    api.complete(store, found.cells, f"{selection.plm}, neurons masked", "command line", on_progress)
    table = stored(store, found)
    if options.each_layer:
        return table if options.cells else ablation.curves(table)[SHOWN]
    told = ablation.findings(table, table["layers"].iloc[0])
    if "random" in options.rules:
        for (rule, share), specific in told.specific.items():
            print(ablation.in_words(specific, rule, share), file=sys.stderr)
    return table if options.cells else told.curves[SHOWN]


def _say_cost(store: Store, library: Library, selection: Selection, found: Masking) -> None:
    todo = tables.missing(store, found.cells)
    if todo:
        rows = {name: len(library.task(name).read(selection.split, selection.limit).labels) for name in selection.tasks}
        cost = estimate(store, todo, rows, library.plm(selection.plm).parameters)
        print(f"ptlib: {cost.cells} cells, {cost.examples:,} examples, about {cost.seconds:.0f} s on one worker", file=sys.stderr)
