"""Which source prompt works on which target task."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import arrange, components, data, detail
from dashboard.figures import matrix
from dashboard.figures.wide import is_wide, overview
from dashboard.selection import View
from dashboard.theme import type_order
from ptlib.analysis import relative
from ptlib.published import scores as published
from ptlib.published.scores import has_scores
from ptlib.runs import tables
from ptlib.runs.tables import NO_PROMPT

RANDOM = "random prompts"
AGAINST = "measured − published"
# The target's own prompt of another PLM, as it is or through a projector.
FOREIGN = ("direct", "projected")
# Columns of the table of all cells that are shown at first.
FIRST = ("prompt", "target", "value", "ci_low", "ci_high", "n", "relative", "source_type", "target_type", "kind", "seed", "stopped")
# Rows of it that are sent to the browser as a whole; of more, those in sight.
MOST_SENT = 5000


def rows_of(view: View, table: pd.DataFrame) -> pd.DataFrame:
    """The table with a column ``row``: source task, random prompts, no prompt, or own prompts of another PLM."""
    shown = table.copy()
    shown["row"] = np.select(
        [table.kind == "random", table.kind == "none", table.kind.isin(FOREIGN)], [RANDOM, NO_PROMPT, table.prompt], table.source
    )
    return shown


def by_type(names: list[str]) -> matrix.Axis:
    """Tasks grouped by type, what is no task here after them."""
    tasks = list(data.library().tasks)
    types = {name: task.type for name, task in data.library().tasks.items()}
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


def matrix_part(view: View, table: pd.DataFrame) -> None:
    both = has_scores(data.library(), view.plm.id) and not view.published
    choices = ["score", "relative performance", *([AGAINST] if both else [])]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what = st.segmented_control("Show", choices, default="score", key="show", bind="query-params", required=True)
        order, text = arrange.controls() if what != AGAINST else (arrange.ORDERS[0], "")
    if what == AGAINST:
        against_published(view, table)
        return
    relatively = what == "relative performance"
    everything = data.derived(view, ("order", order, relatively), lambda table: order_of(view, table, relatively, order))
    shown = arrange.zoomed(everything)
    picked = detail.picked(everything.rows.names, everything.columns.names, "transfer")
    drawn(view, table, relatively, shown, arrange.matches(text, shown), picked)
    if shown != everything:
        st.button("Whole matrix", key="whole", icon=":material/zoom_out_map:", shortcut="Shift+Backspace", on_click=arrange.whole)
    if picked:
        detail.header(picked, everything.rows.names, everything.columns.names)
        detail.panel(view, data.derived(view, ("cells of", *picked), lambda table: cells_of(view, table, *picked)), *picked)
    if not view.published and (table.kind == "zero-shot").any():
        best_sources(view)
    all_cells(view, table)
    blocks(view, picked)


def drawn(view: View, table: pd.DataFrame, relatively: bool, shown: arrange.Arranged, found: tuple, picked: detail.Pair | None) -> None:
    """The matrix, or where its cells would be too small an overview of it."""
    measure = "Score over the score of the target's own prompt of the same seed" if relatively else "Score"
    spread, wide = spread_of(view, relatively), is_wide(len(shown.rows.names), len(shown.columns.names))
    place = None
    if picked and picked[0] in shown.rows.names and picked[1] in shown.columns.names:
        place = (shown.rows.names.index(picked[0]), shown.columns.names.index(picked[1]))
    key = (
        "transfer figure",
        relatively,
        view.mode,
        place,
        found,
        tuple(shown.rows.names),
        tuple(shown.columns.names),
        shown.gaps,
        tuple(view.seeds),
    )
    fig = data.derived(view, key, lambda table: figure_of(view, table, relatively, shown, place, spread, found))
    caption = (f"{measure} of each source prompt (row) on each task (column), {view.n}, mean over prompt seeds {', '.join(map(str, view.seeds))}; "
               f"on hover the {spread}. ")  # fmt: skip
    if any(found):
        caption += f"Outlined: {components.count(len(found[0]), 'row')} and {components.count(len(found[1]), 'column')} found. "
    if wide:
        name, how = "transfer-overview", arrange.boxes("transfer-overview", shown)
        caption += f"{len(shown.rows.names)} × {len(shown.columns.names)} cells are too small to be clicked: draw a box over a block to open it. Grey: missing."
    else:
        name, how = "transfer-matrix", detail.clicks("transfer-matrix", lambda point: (shown.rows.names[int(point["y"])], shown.columns.names[int(point["x"])]))  # fmt: skip
        caption += "Framed: a task's own prompt. Crosses: not computed yet. Strips show the type of task. Click a cell for details."
    components.show(fig, name, caption, table=table, **how)


def order_of(view: View, table: pd.DataFrame, relatively: bool, order: str) -> arrange.Arranged:
    """Rows and columns of the matrix in an order."""
    rows, targets, types = axes_of(view, table)
    values = Cells(rows_of(view, table), rows, targets.names).grid("relative" if relatively else "value", "mean")
    return arrange.ordered(values, matrix.Axis(rows, types), targets, order)


def axes_of(view: View, table: pd.DataFrame) -> tuple[list[str], matrix.Axis, list[str]]:
    """Rows, targets, and the rows' types."""
    sources, targets = by_type(view.sources), by_type(view.tasks)
    there = data.derived(view, "rows that are no source", lambda table: extra_rows(view, table))
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
    return "95 % interval" if len(view.seeds) == 1 and not relatively else f"range over {components.count(len(view.seeds), 'seed')}"


def figure_of(
    view: View, table: pd.DataFrame, relatively: bool, shown: arrange.Arranged, picked: tuple[int, int] | None, spread: str, found: tuple,
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


def best_sources(view: View) -> None:
    """Which prompt of another task to start each task from."""
    found = data.derived(view, "best sources", tables.best_sources)
    with st.expander("Best source for each task"):
        st.dataframe(found.drop(columns=["source"]).round(3), hide_index=True, width="stretch")
        st.caption("The prompt of another task with the highest score. Where cells were stopped early it is the prompt left in the race: each other one was "
                   "dropped when the evidence against its being better reached 14 to 1, example by example.")  # fmt: skip


def against_published(view: View, table: pd.DataFrame) -> None:
    """Measured and published scores of the same prompts, and their difference."""
    sources, targets = by_type(view.sources), by_type(view.tasks)
    told = published.scores(data.library(), view.plm.id, targets.names, sources.names)
    ours, theirs = (Cells(rows_of(view, part), sources.names, targets.names).grid("value", "mean") for part in (table, told))
    beside = pd.DataFrame([{"source": source, "target": target, "published": theirs[row, column], "measured": ours[row, column],
                            "difference": ours[row, column] - theirs[row, column]}
                           for row, source in enumerate(sources.names) for column, target in enumerate(targets.names)])  # fmt: skip
    components.show(matrix.difference(ours, theirs, sources, targets, view.mode), "measured-published",
                    f"Measured minus published score of each source prompt (row) on each task (column), {view.n}. Published values rest on "
                    "another n (a multiple of 64, the last batch dropped) and a random order; n was not recorded.", table=beside)  # fmt: skip
    st.dataframe(beside.round(4), hide_index=True, width="stretch")


def all_cells(view: View, table: pd.DataFrame) -> None:
    """Every cell of the selection as a table: search, sort, columns of one's choice. Drawn only when it is opened."""
    box = st.expander("All cells", on_change="rerun", key="table", bind="query-params")
    if not box.open:
        return
    with box:
        text = st.text_input("Rows with", key="table-find", bind="query-params", placeholder="words of prompt, target, type or kind")
        shown = data.derived(view, ("all cells", text), lambda table: cells_with(table, text))
        st.dataframe(shown, hide_index=True, width="stretch", height=420, column_order=[name for name in FIRST if name in shown],
                     lazy=True if len(shown) > MOST_SENT else None,
                     column_config={"created": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
                                    **{name: st.column_config.NumberColumn(format="%.3f") for name in ("value", "ci_low", "ci_high", "relative")}})  # fmt: skip
        st.caption(f"{len(shown):,} of {len(table):,} cells. A click on a heading sorts; the toolbar above the table shows further columns"
                   + ("." if len(shown) > MOST_SENT else ", searches and saves as CSV."))  # fmt: skip


def cells_with(table: pd.DataFrame, text: str) -> pd.DataFrame:
    """Rows in which every word of a text occurs, whatever its case."""
    here = np.ones(len(table), dtype=bool)
    words = text.casefold().split()
    if words:
        everything = table[["prompt", "target", "source_type", "target_type", "kind"]].astype(str).agg(" ".join, axis=1).str.casefold()
        for word in words:
            here &= everything.str.contains(word, regex=False).to_numpy()
    found = table[here].drop(columns=["key"], errors="ignore")
    return found.assign(created=pd.to_datetime(found["created"], unit="s")) if "created" in found else found


def blocks(view: View, picked: detail.Pair | None) -> None:
    study = data.study(view)
    if len(set(study.types)) < 2 or not np.isfinite(study.transfer).all():
        return
    st.subheader("By type of task")
    types, values, effect = data.of_study(view, "types", lambda study: (
        *relative.type_blocks(study.transfer, study.types, type_order(study.types)), relative.type_effect(study.transfer, study.types)))  # fmt: skip
    left, right = st.columns([3, 2], gap="large")
    with left:
        kinds = dict(zip(study.tasks, study.types, strict=True))
        block = tuple(types.index(kinds[name]) for name in picked) if picked and all(name in kinds for name in picked) else None
        components.show(matrix.type_blocks(values, types, view.mode, block), "type-blocks",
                        f"Mean relative performance by type of source (row) and target (column), own prompts left out; "
                        f"{len(study.tasks)} tasks, {components.count(len(study.seeds), 'seed')}. It need not be symmetric.",
                        table=pd.DataFrame(values, index=types, columns=types).reset_index(names="source type"))  # fmt: skip
    right.metric("same type", f"{effect.same.value:.3f}", border=True,
                 help=f"95 % interval {effect.same.ci_low:.3f} to {effect.same.ci_high:.3f}, {effect.same.n} pairs")  # fmt: skip
    right.metric("other types", f"{effect.other.value:.3f}", border=True,
                 help=f"95 % interval {effect.other.ci_low:.3f} to {effect.other.ci_high:.3f}, {effect.other.n} pairs")  # fmt: skip
    right.caption(f"Same type: 95 % interval {effect.same.ci_low:.3f} to {effect.same.ci_high:.3f}. Other types: {effect.other.ci_low:.3f} "
                  f"to {effect.other.ci_high:.3f}. Bootstrap over {len(study.tasks)} targets.")  # fmt: skip


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Transfer")
    lacking = data.missing(view)
    components.live_status(view)
    components.run_panel(view, lacking.missing, stopped=lacking.stopped)
    if not components.no_tasks(view):
        components.live(lambda: matrix_part(view, data.scores(view)))


components.guard(body)
