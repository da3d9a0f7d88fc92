"""Transfer: every source prompt on every target task, by type of task, and one cell's confusion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard import picks
from dashboard.figures import matrix
from dashboard.figures.wide import is_wide, overview
from dashboard.gallery import arranged
from dashboard.gallery.arranged import Arranged
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.overview import evaluated
from dashboard.gallery.source import Source
from dashboard.theme import type_order
from dashboard.view import View
from dashboard.words import count
from ptlib.analysis import relative
from ptlib.analysis.relative import Mean
from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.published import scores as published
from ptlib.runs import tables
from ptlib.runs.tables import NO_PROMPT
from ptlib.tasks import metrics

RANDOM = "random prompts"
SCORE, RELATIVE = "score", "relative performance"
# The target's own prompt of another PLM, as it is or through a projector; prompts trained here, each a row of its own.
FOREIGN = ("direct", "projected", tables.TRAINED_HERE)


def rows_of(view: View, table: pd.DataFrame) -> pd.DataFrame:
    """The table with a column ``row``: source task, random prompts, no prompt, or own prompts of another PLM."""
    shown = table.copy()
    shown["row"] = np.select(
        [table.kind == "random", table.kind == "none", table.kind.isin(FOREIGN)], [RANDOM, NO_PROMPT, table.prompt], table.source
    )
    return shown


def by_type(library: Library, names: list[str]) -> matrix.Axis:
    """Tasks grouped by type, what is no task here after them."""
    tasks = list(library.tasks)
    types = {name: task.type for name, task in library.tasks.items()}
    order = type_order([*types.values(), "other"])
    names = sorted(
        names, key=lambda name: (order.index(types.get(name, "other")), tasks.index(name) if name in types else len(tasks), name)
    )
    return matrix.Axis(names, [types.get(name, "other") for name in names])


class Cells:
    """Cells of a table by row and target of a matrix."""

    def __init__(self, shown: pd.DataFrame, rows: list[str], columns: list[str]) -> None:
        row, column = pd.Index(rows).get_indexer(shown["row"]), pd.Index(columns).get_indexer(shown["target"])
        self.here = (row >= 0) & (column >= 0)
        self.place = (row * len(columns) + column)[self.here]
        self.shape, self.shown = (len(rows), len(columns)), shown
        lacking = np.bincount(self.place, shown["value"].isna().to_numpy()[self.here], len(rows) * len(columns))
        self.count = np.bincount(self.place, minlength=len(rows) * len(columns))
        self.whole = (self.count > 0) & (lacking == 0)

    def grid(self, column: str, how: str) -> np.ndarray:
        """(rows, columns) mean, min or max of a table column; NaN where any cell of the group is missing."""
        values = self.shown[column].to_numpy(dtype=float)[self.here]
        there = np.isfinite(values)
        place, values = self.place[there], values[there]
        if how == "mean":
            with np.errstate(invalid="ignore", divide="ignore"):
                found = np.bincount(place, values, len(self.count)) / np.bincount(place, minlength=len(self.count))
        else:
            found = np.full(len(self.count), np.nan)
            (np.fmin if how == "min" else np.fmax).at(found, place, values)
        return np.where(self.whole, found, np.nan).reshape(self.shape)

    def early(self) -> np.ndarray:
        """(rows, columns) bool: whether any cell of the group was stopped early."""
        stopped = (self.shown["stopped"] != "").to_numpy()[self.here] if "stopped" in self.shown else np.zeros(len(self.place), dtype=bool)
        return np.bincount(self.place, stopped, len(self.count)).reshape(self.shape) > 0


def axes_of(source: Source, view: View, table: pd.DataFrame) -> tuple[list[str], matrix.Axis, list[str]]:
    """Rows, targets, and the rows' types."""
    sources, targets = by_type(source.library(), view.sources), by_type(source.library(), view.tasks)
    there = source.derived(view, "rows that are no source", lambda table: extra_rows(view, table))
    return [*sources.names, *there], targets, [*sources.types, *("none" if name == NO_PROMPT else "random" for name in there)]


def extra_rows(view: View, table: pd.DataFrame) -> list[str]:
    """Rows beside the source tasks: own prompts of another PLM, random prompts, no prompt."""
    shown = rows_of(view, table)
    there = set(shown["row"].unique())
    return sorted(shown.loc[shown.kind.isin(FOREIGN), "row"].unique()) + [name for name in (RANDOM, NO_PROMPT) if name in there]


def cells_of(view: View, table: pd.DataFrame, row: str, target: str) -> pd.DataFrame:
    """The cells of a matrix cell, and the target's own ones."""
    part = rows_of(view, table[table["target"] == target])
    return part[(part["row"] == row) | (part["kind"] == "own")]


def spread_of(view: View, relatively: bool) -> str:
    """What the ends of a cell's range are."""
    if view.published:
        return "one run, no interval published"
    return "95 % interval" if len(view.seeds) == 1 and not relatively else f"range over {count(len(view.seeds), 'seed')}"


def figure_of(
    view: View, table: pd.DataFrame, relatively: bool, shown: Arranged, picked: tuple[int, int] | None, spread: str, found: tuple,
) -> go.Figure:  # fmt: skip
    """The transfer matrix, or its overview."""
    rows, targets = shown.rows, shown.columns
    cells = Cells(rows_of(view, table), rows.names, targets.names)
    column, interval = "relative" if relatively else "value", len(view.seeds) == 1 and not relatively
    metrics_there = table["metric"].dropna().unique()
    told = {"low": cells.grid("ci_low" if interval else column, "min"), "high": cells.grid("ci_high" if interval else column, "max"),
            "count": cells.grid("n", "min"), "relative": relatively, "mode": view.mode, "selected": picked, "spread": spread, "found": found,
            "metric": str(metrics_there[0]).replace("_", " ") if len(metrics_there) == 1 else "score"}  # fmt: skip
    values = cells.grid(column, "mean")
    if is_wide(*values.shape):
        return overview(values, rows, targets, **told)
    own = [(rows.names.index(name), targets.names.index(name)) for name in targets.names if name in rows.names]
    early = None if view.published else cells.early()
    return matrix.transfer_matrix(values, rows, targets, own=own, early=early, gaps=shown.gaps, **told)


def order_of(view: View, table: pd.DataFrame, relatively: bool, order: str, axes: tuple[list[str], matrix.Axis, list[str]]) -> Arranged:
    """Rows and columns of the matrix in an order."""
    rows, targets, types = axes
    values = Cells(rows_of(view, table), rows, targets.names).grid("relative" if relatively else "value", "mean")
    return arranged.ordered(values, matrix.Axis(rows, types), targets, order)


def arranged_of(source: Source, view: View, settings: Settings) -> tuple[Arranged, Arranged]:
    """The whole matrix in its order, and the block of it that is drawn."""
    relatively, order = settings["show"] == RELATIVE, settings["order"]
    axes = axes_of(source, view, source.scores(view))
    everything = source.derived(view, ("order", order, relatively), lambda table: order_of(view, table, relatively, order, axes))
    return everything, arranged.zoomed(everything, settings["zoom"])


def pair_of(cell: str, rows: Sequence[str], columns: Sequence[str]) -> tuple[str, str] | None:
    """The names of the row and column that a setting names (:func:`dashboard.picks.joined`), if they are there."""
    found = picks.unjoined(cell, rows, columns)
    return None if found is None else (rows[found[0]], columns[found[1]])


def transfer_matrix(source: Source, view: View, settings: Settings) -> Drawn:
    """The transfer matrix, of scores or relative performance, or where its cells would be too small an overview; one cell may be framed."""
    table = source.scores(view)
    relatively = settings["show"] == RELATIVE
    if settings["show"] not in (SCORE, RELATIVE):
        raise RunError(
            "the matrix cannot show this", where="transfer-matrix: show", found=repr(settings["show"]), expected=f"{SCORE} or {RELATIVE}"
        )
    _, shown = arranged_of(source, view, settings)
    picked = picks.unjoined(settings["cell"], shown.rows.names, shown.columns.names)
    found, spread = arranged.matches(settings["find"], shown), spread_of(view, relatively)
    key = (relatively, tuple(shown.rows.names), tuple(shown.columns.names), tuple(view.seeds))
    fig = source.derived(view, ("transfer figure", *key, view.mode, picked, found, shown.gaps),
                         lambda table: figure_of(view, table, relatively, shown, picked, spread, found))  # fmt: skip
    measure = "Score over the score of the target's own prompt of the same seed" if relatively else "Score"
    wide = is_wide(len(shown.rows.names), len(shown.columns.names))
    return Drawn(
        fig,
        f"{measure} of each source prompt (row) on each task (column), {view.n}, mean over prompt seeds {', '.join(map(str, view.seeds))}. "
        + ("Grey: not computed yet. " if wide else "Framed: a task's own prompt. Crosses: not computed yet. ") + "Strips show the type of task."
        + (f" Outlined: {count(len(found[0]), 'row')} and {count(len(found[1]), 'column')} with “{settings['find'].strip()}”." if any(found) else ""),
        table, source.derived(view, ("means in words", relatively, tuple(view.seeds)), lambda table: means_in_words(table, relatively)),
        source.derived(view, ("transfer sheet", *key), lambda table: sheet_of(view, table, relatively, shown)),
        spread, f"On hover the {spread}. " + ("Draw a box over a block to open it." if wide else "Click a cell for details."),
    )  # fmt: skip


def sheet_of(view: View, table: pd.DataFrame, relatively: bool, shown: Arranged) -> pd.DataFrame:
    """The matrix as a table: one row a source, one column a target, each cell with its spread and n."""
    rows, targets = shown.rows.names, shown.columns
    cells = Cells(rows_of(view, table), rows, targets.names)
    column, interval = "relative" if relatively else "value", len(view.seeds) == 1 and not relatively
    values, n = cells.grid(column, "mean"), cells.grid("n", "min")
    low, high = cells.grid("ci_low" if interval else column, "min"), cells.grid("ci_high" if interval else column, "max")
    return pd.DataFrame({"source prompt": rows, **{name: [
        Mean(values[row, at], low[row, at], high[row, at], int(n[row, at]) if np.isfinite(n[row, at]) else 0) for row in range(len(rows))]
        for at, name in enumerate(targets.names)}})  # fmt: skip


def means_in_words(table: pd.DataFrame, relatively: bool) -> str:
    """Means of own prompts and of those of other tasks, with intervals over the targets."""
    targets, words = list(dict.fromkeys(table["target"])), []
    for kind, what in (("own", "own prompts"), ("zero-shot", "prompts of other tasks")):
        part = table[table["kind"] == kind]
        values = tables.score_matrix(part, list(dict.fromkeys(part["prompt"])), targets, "relative" if relatively else "value")
        mean = relative.mean_over(values[None], np.ones(values.shape, dtype=bool))
        if mean.n and not (relatively and kind == "own"):
            words.append(f"{what} {mean.value:.3f} ({mean.ci_low:.3f} to {mean.ci_high:.3f}, {mean.n} cells)")
    return f"Mean {'relative performance' if relatively else 'score'} with 95 % interval over targets: {'; '.join(words)}." if words else ""


def measured_published(source: Source, view: View, settings: Settings) -> Drawn:
    """Measured minus published scores of the same prompts. Raises RunError where none are published."""
    if not published.has_scores(source.library(), view.plm.id) or view.published:
        raise RunError(
            "measured and published scores of this PLM are not both here",
            where=view.plm.id,
            mend="Bring published ones with: ptlib import thunlp FOLDER",
        )
    sources, targets = by_type(source.library(), view.sources), by_type(source.library(), view.tasks)
    told = published.scores(source.library(), view.plm.id, targets.names, sources.names)
    ours, theirs = (Cells(rows_of(view, part), sources.names, targets.names).grid("value", "mean") for part in (source.scores(view), told))
    beside = pd.DataFrame([{"source": one, "target": target, "published": theirs[row, column], "measured": ours[row, column],
                            "difference": ours[row, column] - theirs[row, column]}
                           for row, one in enumerate(sources.names) for column, target in enumerate(targets.names)])  # fmt: skip
    return Drawn(matrix.difference(ours, theirs, sources, targets, view.mode),
                 f"Measured minus published score of each source prompt (row) on each task (column), {view.n}. Published values rest on "
                 "another n (a multiple of 64, the last batch dropped) and a random order; n was not recorded.", beside)  # fmt: skip


def type_blocks(source: Source, view: View, settings: Settings) -> Drawn:
    """Mean relative performance by type of source and of target."""
    study = evaluated(source, view)
    types, values = source.of_study(view, "types", lambda study: relative.type_blocks(study.transfer, study.types, type_order(study.types)))
    pair = picks.unjoined(settings["cell"], study.tasks, study.tasks)
    block = tuple(types.index(study.types[at]) for at in pair) if pair else None
    return Drawn(matrix.type_blocks(values, types, view.mode, block),
                 f"Mean relative performance by type of source (row) and target (column), own prompts left out; "
                 f"{len(study.tasks)} tasks, {count(len(study.seeds), 'seed')}. It need not be symmetric.",
                 pd.DataFrame(values, index=types, columns=types).reset_index(names="source type"))  # fmt: skip


def confusion(source: Source, view: View, settings: Settings) -> Drawn:
    """One cell's confusion matrix.

    Raises:
        RunError: the selection has no such cell, it has no result, or its task writes free text.
    """
    table, arrays, generates = source.scores(view), None, False
    pair = pair_of(settings["cell"], table["prompt"].unique(), table["target"].unique())
    if pair is not None:
        prompt, target = pair
        task = source.library().task(target).for_family(view.plm.family)
        cell, generates = table[(table["prompt"] == prompt) & (table["target"] == target)].iloc[0], task.generates
        arrays = source.store().partial_arrays(cell.key) if cell.stopped else source.store().result_arrays(cell.key)
    if arrays is None or generates:
        raise RunError("this cell has no confusion matrix", where=f"confusion: {settings['cell']}",
                       found="a task of free text" if generates else "no result", mend="Run the cell, or name another: prompt~task.")  # fmt: skip
    labels, answers = arrays["labels"].astype(int), arrays["predictions"].astype(int)
    counts = metrics.confusion(labels, answers, len(task.labels))
    return Drawn(
        matrix.confusion(counts, task.label_words, view.mode), f"How often each label was answered with each word, n = {len(labels)}.",
        pd.DataFrame(counts, columns=list(task.label_words)).assign(label=list(task.label_words)).set_index("label").reset_index(),
        f"{prompt} on {target}: {cell.metric.replace('_', ' ')} {cell.value:.3f} (95 % interval {cell.ci_low:.3f} to {cell.ci_high:.3f}, n = {cell.n:.0f}).",
    )  # fmt: skip


FIGURES = {
    "transfer-matrix": Figure("Transfer matrix", transfer_matrix, {"show": SCORE, "cell": "", **arranged.SETTINGS}),
    "measured-published": Figure("Measured minus published scores", measured_published),
    "type-blocks": Figure("Relative performance by type of task", type_blocks, {"cell": ""}),
    "confusion": Figure("Confusion matrix", confusion, {"cell": ""}),
}
