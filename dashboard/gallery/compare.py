"""Two PLMs, settings or runs: their difference cell by cell, one against the other, by target, and both sides' scores."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import pandas as pd

from dashboard import picks
from dashboard.figures import compare as figures
from dashboard.figures import matrix
from dashboard.figures.wide import is_wide
from dashboard.gallery import arranged, sides
from dashboard.gallery.arranged import Arranged
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.sides import Side
from dashboard.gallery.source import Source
from dashboard.gallery.transfer import pair_of
from dashboard.theme import type_order
from dashboard.view import View
from dashboard.words import p_value
from ptlib.analysis.paired import ALPHA, Difference
from ptlib.errors import RunError
from ptlib.runs import comparison

TESTS = (comparison.MCNEMAR, comparison.SEVERAL, comparison.TEXT)


class Compared(NamedTuple):
    """Two sides and what they differ in."""

    one: Side
    other: Side
    cells: pd.DataFrame
    """See :func:`ptlib.runs.comparison.paired_cells`; with the tests where they are there."""
    whole: Difference
    known: comparison.Comparison | None
    """None while cells are being tested."""
    tasks: tuple[str, ...]
    """The library's, in its order."""

    @property
    def names(self) -> tuple[str, str]:
        """The sides', for titles."""
        return self.one.name, self.other.name


def compared(source: Source, view: View, settings: Settings) -> Compared:
    """The comparison that the settings name.

    Raises:
        PtlibError: as :func:`dashboard.gallery.sides.of`, or where the sides have no cell in common.
    """
    chosen = tuple((name, settings[name]) for name in sides.CHOICE)
    key = (chosen, view.published, tuple(view.sources), tuple(view.seeds))
    one, other, cells, whole = source.of_store(view, ("compared", *key), lambda: _paired(*sides.of(source, view, settings)))
    known = None
    if whole.pairs and not sides.alike(one, other):
        pairs = comparison.examples(cells, one.table, other.table, source.snapshot())
        digest = hashlib.sha256(repr((pairs, cells["difference"].tolist())).encode()).hexdigest()
        known = source.found(f"compare {digest}", "the test of every cell", comparison.concluded, str(source.store().folder), cells, pairs,
                             name=("compare", one.name, other.name, view.selection))  # fmt: skip
        if known is not None and len(known.cells) == len(cells):
            cells = known.cells
    return Compared(one, other, cells, whole, known, tuple(source.library().tasks))


def _paired(one: Side, other: Side) -> tuple[Side, Side, pd.DataFrame, Difference]:
    cells = comparison.paired_cells(one.table, other.table)
    return one, other, cells, comparison.overall(cells)


def axes(found: Compared, order: str) -> Arranged:
    """Rows and columns of the difference in an order."""
    axis = []
    for side in ("source", "target"):
        types = dict(zip(found.cells[side], found.cells[f"{side}_type"], strict=True))
        kinds, place = type_order(types.values()), {name: at for at, name in enumerate(found.tasks)}
        names = sorted(types, key=lambda name: (kinds.index(types[name]), place.get(name, len(place)), name))
        axis.append(matrix.Axis(names, [types[name] for name in names]))
    return arranged.ordered(figures.grids(found.cells, *axis, "difference")[0], *axis, order)


def interval_of(whole: Difference) -> str:
    """The overall difference's 95 % interval in words."""
    return "unbounded: too few targets" if not np.isfinite(whole.ci_low) else f"{whole.ci_low:+.3f} to {whole.ci_high:+.3f}"


def in_words(found: Compared) -> str:
    """The overall difference with its interval and test, and how single cells were tested, as sentences."""
    whole, (first, second) = found.whole, found.names
    text = (f"{first} minus {second}: {whole.value:+.3f}, 95 % interval {interval_of(whole)}, {p_value(whole.p)} (two-sided sign-flip permutation over "
            f"{whole.n} targets, {whole.pairs} pairs of source and target, means over seeds).")  # fmt: skip
    if found.known is None:
        return text
    kinds, tested = found.known.cells["test"].value_counts(), int(found.known.cells["p_holm"].notna().sum())
    used = ", ".join(f"{name} ({count})" for name, count in kinds.items() if name in TESTS)
    why = ", ".join(f"{name or 'missing, stopped early or shared'} ({count})" for name, count in kinds.items() if name not in TESTS)
    return (text + (f" Single cells: {used}, over the same examples, adjusted by Holm over {tested} cells." if used else " No single cell could be tested.")
            + (f" Not tested: {why}." if why else ""))  # fmt: skip


def clear_of(found: Compared) -> tuple[int, int]:
    """Cells that differ clearly after Holm's adjustment, and cells that were tested."""
    if found.known is None:
        return 0, 0
    p = found.known.cells["p_holm"]
    return int((p <= ALPHA).sum()), int(p.notna().sum())


def difference_of(view: View, found: Compared, settings: Settings) -> Drawn:
    """First side minus second as a matrix, or where its cells would be too small an overview."""
    shown = arranged.zoomed(axes(found, settings["order"]), settings["zoom"])
    wide = is_wide(len(shown.rows.names), len(shown.columns.names))
    fig = figures.difference_matrix(
        found.cells, shown.rows, shown.columns, found.names, view.mode, gaps=shown.gaps,
        selected=picks.unjoined(settings["cell"], shown.rows.names, shown.columns.names), found=arranged.matches(settings["find"], shown),
    )  # fmt: skip
    return Drawn(
        fig, f"{found.one.name} minus {found.other.name}, each source prompt (row) on each task (column), means over seeds. Blue: the first is higher; red: "
        "the second is." + ("" if wide else " A stroke in the corner: not clear after Holm's adjustment. Crosses: not on both sides."),
        found.cells, in_words(found), hint="Draw a box over a block to open it." if wide else "Click a cell for its examples.",
    )  # fmt: skip


def against_of(view: View, found: Compared, settings: Settings) -> Drawn:
    """One side against the other, a point a cell."""
    names = [list(dict.fromkeys(found.cells[side])) for side in ("source", "target")]
    return Drawn(
        figures.against(found.cells, found.names, view.mode, pair_of(settings["cell"], *names)),
        f"Each point is a source prompt on a task, {int(found.cells['difference'].notna().sum())} pairs. Above the line {found.one.name} is higher. "
        "Colour and symbol: type of the target.", found.cells, in_words(found), hint="Click a point for its pair.",
    )  # fmt: skip


def by_target_of(view: View, found: Compared, settings: Settings) -> Drawn | None:
    """The mean difference on each target; None while it is computed."""
    if found.known is None:
        return None
    order = list(axes(found, settings["order"]).columns.names)
    table = found.known.by_target.sort_values("target", key=lambda targets: targets.map(order.index), kind="stable")
    return Drawn(
        figures.by_target(table, found.names, view.mode), "Mean difference on each target over its sources, with 95 % interval (sign flips over the sources, "
        "which share the target's examples; adjusted by Holm over targets).", table, in_words(found),
    )  # fmt: skip


def scores_of(view: View, found: Compared, settings: Settings) -> Drawn:
    """One side's scores. Raises RunError for a side that is none."""
    side = settings["side"]
    if side not in ("one", "other"):
        raise RunError("there is no such side", where="side", found=repr(side), expected="one or other")
    shown = arranged.zoomed(axes(found, settings["order"]), settings["zoom"])
    name = found.names[side == "other"]
    table = found.cells[["source", "source_type", "target", "target_type", side, f"n_{side}", f"seeds_{side}"]]
    return Drawn(
        figures.scores(found.cells, shown.rows, shown.columns, side, name, view.mode), f"Scores of {name}, means over seeds.", table
    )


def _kind(title: str, draw, **more: object) -> Figure:
    def drawn(source: Source, view: View, settings: Settings) -> Drawn | None:
        found = compared(source, view, settings)
        if not found.whole.pairs:
            raise RunError("no cell is there on both sides yet", where="compare", mend="Run the missing cells.")
        return draw(view, found, settings)

    return Figure(title, drawn, {**sides.CHOICE, **more})


FIGURES = {
    "difference": _kind("Difference", difference_of, cell="", **arranged.SETTINGS),
    "one-against-other": _kind("One against the other", against_of, cell=""),
    "difference-by-target": _kind("Difference by target", by_target_of, order=arranged.ORDERS[0]),
    "scores": _kind("Scores of one side", scores_of, side="one", **arranged.SETTINGS),
}
