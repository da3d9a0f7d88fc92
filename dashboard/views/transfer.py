"""Which source prompt works on which target task."""

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import components, data, links, picks
from dashboard.figures import matrix
from dashboard.selection import View
from dashboard.theme import type_order
from ptlib.analysis import relative
from ptlib.errors import StoreError
from ptlib.published import scores as published
from ptlib.published.scores import has_scores
from ptlib.runs import tables
from ptlib.runs.tables import NO_PROMPT
from ptlib.tasks import Task, metrics

RANDOM = "random prompts"
AGAINST = "measured − published"
# The target's own prompt of another PLM, as it is or through a projector.
FOREIGN = ("direct", "projected")


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
    what = st.segmented_control("Show", choices, default="score", key="show", bind="query-params", required=True)
    if what == AGAINST:
        against_published(view, table)
        return
    relatively = what == "relative performance"
    rows, targets, row_types = axes_of(view, table)
    picked = _picked(rows, targets.names)
    measure = "Score over the score of the target's own prompt of the same seed" if relatively else "Score"
    spread = spread_of(view, relatively)
    fig = data.derived(view, ("transfer figure", relatively, view.mode, picked, tuple(view.seeds)),
                       lambda table: figure_of(view, table, relatively, rows, targets, row_types, picked, spread))  # fmt: skip
    event = components.show(
        fig, "transfer-matrix",
        f"{measure} of each source prompt (row) on each task (column), {view.n}, mean over prompt seeds {', '.join(map(str, view.seeds))}; "
        f"on hover the {spread}. Framed: a task's own prompt. Crosses: not computed yet. Strips show the type of task. Click a cell for details.",
        table=table, on_select="rerun", selection_mode="points",
    )  # fmt: skip
    points = event.selection.points if event else []
    if points:
        row, place = int(points[0]["y"]), int(points[0]["x"])
        wanted = picks.pair(rows[row], targets.names[place])
        if st.query_params.get("cell") != wanted:
            st.query_params["cell"] = wanted
            st.rerun()
    if picked:
        row, target = rows[picked[0]], targets.names[picked[1]]
        detail(view, data.derived(view, ("cells of", row, target), lambda table: cells_of(view, table, row, target)), row, target)
    if not view.published and (table.kind == "zero-shot").any():
        best_sources(view)
    blocks(view)


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
    view: View, table: pd.DataFrame, relatively: bool, rows: list[str], targets: matrix.Axis, types: list[str],
    picked: tuple[int, int] | None, spread: str,
) -> go.Figure:  # fmt: skip
    """The transfer matrix."""
    cells = Cells(rows_of(view, table), rows, targets.names)
    column, interval = "relative" if relatively else "value", len(view.seeds) == 1 and not relatively
    metrics_there = table["metric"].dropna().unique()
    own = [(rows.index(name), targets.names.index(name)) for name in targets.names if name in rows]
    return matrix.transfer_matrix(
        cells.grid(column, "mean"), matrix.Axis(rows, types), targets, low=cells.grid("ci_low" if interval else column, "min"),
        high=cells.grid("ci_high" if interval else column, "max"), count=cells.grid("n", "min"), own=own, relative=relatively, mode=view.mode,
        selected=picked, spread=spread, early=None if view.published else cells.early(),
        metric=str(metrics_there[0]).replace("_", " ") if len(metrics_there) == 1 else "score",
    )  # fmt: skip


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


def _picked(rows: list[str], columns: list[str]) -> tuple[int, int] | None:
    found = picks.unpair(st.query_params.get("cell", ""), rows, columns)
    links.answered("cell", "" if found else "not a row and a column of this matrix")
    return found


def detail(view: View, shown: pd.DataFrame, source: str, target: str) -> None:
    """One cell: value, interval, confusion, what it gets wrong and the own prompt gets right, where it came from."""
    st.divider()
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    left.subheader(f"{source} on {target}")
    if right.button("Close", key="close-cell", width="stretch"):
        del st.query_params["cell"]
        st.rerun()
    cells = shown[(shown.row == source) & (shown.target == target)].sort_values("seed")
    names = list(cells.prompt)
    chosen = (
        st.segmented_control("Prompt", names, default=names[0], key="cell-prompt", bind="query-params", required=True)
        if len(names) > 1
        else names[0]
    )
    cell = cells[cells.prompt == (chosen if chosen in names else names[0])].iloc[0]
    if view.published:
        st.markdown("not published" if np.isnan(cell.value) else f"{cell.metric.replace('_', ' ')} **{cell.value:.4f}**, relative performance "
                    f"{cell.relative:.3f}. Published as one number a cell: n, interval and examples were not.")  # fmt: skip
        if cell.metric == "bleu_floored":
            st.caption("BLEU summed over each batch of 64 and cut down to a whole number: an exact zero means less than one point in every batch, "
                       "not that nothing was right.")  # fmt: skip
        return
    if np.isnan(cell.value):
        st.info("This cell has not been computed yet. Run the missing cells above.")
        return
    task = data.library().task(target).for_family(view.plm.family)
    try:
        arrays = data.store().partial_arrays(cell.key) if cell.stopped else data.store().result_arrays(cell.key)
    except StoreError as error:
        st.error(components.plain(error))
        return
    if arrays is None:
        st.error("What this cell has seen was damaged. Finish it exactly above; it is read anew.")
        return
    if cell.stopped:
        why = {"narrow": "its interval is narrow enough", "below random": "it is certainly below the random prompts",
               "best source": "its prompt is the best source for this task"}  # fmt: skip
        st.info(f"Stopped early after {cell.n:.0f} of {cell.total:.0f} examples: {why.get(cell.stopped, cell.stopped)}. The score is an estimate; the "
                "interval holds the score on all examples with 95 % however often one looks.")  # fmt: skip
    own = shown[(shown.kind == "own") & (shown.target == target) & shown.value.notna() & (shown.stopped == "")]
    own = own[own.seed == cell.seed] if (own.seed == cell.seed).any() else own
    one, two, three, four = st.columns(4)
    one.metric(cell.metric.replace("_", " "), f"{cell.value:.3f}", border=True)
    two.metric("95 % interval", f"{cell.ci_low:.3f}–{cell.ci_high:.3f}", border=True,
               help="Valid whenever one looks (prior-posterior-ratio confidence sequence by class)." if cell.stopped else
              "Bootstrap over the examples." if task.generates else "Wilson score interval of the accuracy.")  # fmt: skip
    three.metric("examples", f"{cell.n:.0f}", border=True)
    four.metric("relative performance", f"{cell.relative:.3f}" if np.isfinite(cell.relative) else "unknown", border=True)
    if task.generates:
        free_text(view, task, arrays, cell)
    else:
        classes(view, task, arrays, own[:0] if cell.stopped else own, cell, f"{source}-{target}")
    made = pd.Timestamp(cell.created, unit="s", tz="UTC").strftime("%Y-%m-%d %H:%M UTC")
    st.caption(f"Computed {made} on {components.plain(cell.device)}, {view.selection.dtype}, in {cell.seconds:.2f} s. Prompt "
               f"{components.plain(cell.prompt)}, insertion {cell.insertion}, key {cell.key[:12]}.")  # fmt: skip


def free_text(view: View, task: Task, arrays: dict[str, np.ndarray], cell: pd.Series) -> None:
    """What was written beside what was right, worst first."""
    written, rows = json.loads(arrays["texts"].tobytes()), task.read("test", view.limit)
    table = pd.DataFrame({"text": [" ".join(parts) for parts in rows.texts], "written": written, "right": [" | ".join(right) for right in rows.references],
                          cell.metric.replace("_", " "): arrays["logits"][:, 0].round(3)})  # fmt: skip
    st.dataframe(table.sort_values(table.columns[-1], kind="stable"), hide_index=True, height=320, width="stretch")


def classes(view: View, task: Task, arrays: dict[str, np.ndarray], own: pd.DataFrame, cell: pd.Series, name: str) -> None:
    """Confusion matrix, and the examples it gets wrong."""
    labels, answers = arrays["labels"].astype(int), arrays["predictions"].astype(int)
    left, right = st.columns([2, 3], gap="large")
    with left:
        counts = metrics.confusion(labels, answers, len(task.labels))
        components.show(matrix.confusion(counts, task.label_words, view.mode), f"confusion-{name}",
                        f"How often each label was answered with each word, n = {len(labels)}.")  # fmt: skip
    with right:
        against_own(view, task, labels, answers, own, cell, arrays.get("rows"))


def against_own(
    view: View, task: Task, labels: np.ndarray, answers: np.ndarray, own: pd.DataFrame, cell: pd.Series, seen: np.ndarray | None
) -> None:  # fmt: skip
    if cell.kind == "own" or own.empty:
        wrong = np.flatnonzero(labels != answers)
        st.markdown(f"**Examples it gets wrong** ({len(wrong)} of {len(labels)})")
        picked = {"answered": [task.label_words[answers[row]] for row in wrong]}
    else:
        best = data.store().result_arrays(own.iloc[0].key)["predictions"].astype(int)
        wrong = np.flatnonzero((labels != answers) & (labels == best))
        p = metrics.mcnemar_p(labels == answers, labels == best)
        st.markdown(f"**Examples it gets wrong and the own prompt gets right** ({len(wrong)} of {len(labels)}; difference to the own "
                    f"prompt: exact McNemar {components.p_value(p)})")  # fmt: skip
        picked = {"answered": [task.label_words[answers[row]] for row in wrong]}
    if not len(wrong):
        st.caption("There are none.")
        return
    texts = task.read("test", view.limit).texts
    texts = texts if seen is None else [texts[row] for row in seen]
    rows = pd.DataFrame({**{field: [texts[row][place] for row in wrong] for place, field in enumerate(task.fields)},
                         "label": [task.label_words[labels[row]] for row in wrong], **picked})  # fmt: skip
    st.dataframe(rows, hide_index=True, height=280, width="stretch")


def blocks(view: View) -> None:
    study = data.study(view)
    if len(set(study.types)) < 2 or not np.isfinite(study.transfer).all():
        return
    st.subheader("By type of task")
    types, values, effect = data.of_study(view, "types", lambda study: (
        *relative.type_blocks(study.transfer, study.types, type_order(study.types)), relative.type_effect(study.transfer, study.types)))  # fmt: skip
    left, right = st.columns([3, 2], gap="large")
    with left:
        components.show(matrix.type_blocks(values, types, view.mode), "type-blocks",
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
