"""Does the overlap of activated neurons predict transfer, and do other similarities do it better?"""

from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import components, data, detail
from dashboard.background import found
from dashboard.figures import correlation as figures
from dashboard.selection import View
from ptlib.analysis import correlation, statistics
from ptlib.analysis.indicators import INDICATORS
from ptlib.neurons.overlap import overlap
from ptlib.runs.study import Study

FEWEST_TASKS = 4
# Pairs that are drawn one by one.
MOST_POINTS = 5000
PAIRS = ("all", "other types only", "all and own prompts")


def pairs_of(study: Study, similarity: np.ndarray, mask: np.ndarray) -> pd.DataFrame:
    """One row a pair and seed that counts."""
    seeds, sources, targets = np.nonzero(mask)
    types = np.asarray(study.types)
    names = np.asarray(study.tasks)
    return pd.DataFrame({
        "seed": np.asarray(study.seeds)[seeds], "source": names[sources], "target": names[targets], "source_type": types[sources],
        "target_type": types[targets], "same_type": types[sources] == types[targets], "similarity": similarity[mask],
        "transfer": study.transfer[mask],
    })  # fmt: skip


def in_words(row: pd.Series, view: View, study: Study) -> str:
    """The statistic as a sentence."""
    strength = (
        "no"
        if row.ci_low <= 0 <= row.ci_high
        else "a weak"
        if abs(row.value) < 0.3
        else "a moderate"
        if abs(row.value) < 0.6
        else "a strong"
    )
    undefined = f" {row.undefined} targets are left out, since one side is constant there." if row.undefined else ""
    return (f"Per target, {INDICATORS[row['name']].label} has {strength} rank correlation with transfer: mean Spearman **{row.value:.2f}** "
            f"(95 % interval {row.ci_low:.2f} to {row.ci_high:.2f}, permutation {components.p_value(row.p)}, {row.n} targets × "
            f"{components.count(len(study.seeds), 'seed')}, {view.n}). Over all pairs at once {row.pooled:.2f} ({row.pooled_low:.2f} to {row.pooled_high:.2f}, {components.p_value(row.pooled_p)}).{undefined}")  # fmt: skip


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Correlation")
    lacking = data.missing(view)
    components.live_status(view)
    components.run_panel(view, lacking.missing, stopped=lacking.stopped)
    components.live(lambda: findings(view))


def findings(view: View) -> None:
    """The selection's correlations."""
    study = data.study(view)
    if len(study.tasks) < FEWEST_TASKS:
        st.info(f"A rank correlation needs at least {FEWEST_TASKS} tasks that are both source and target; here are {len(study.tasks)}.")
        return
    if not np.isfinite(study.transfer).any():
        st.info("Nothing has been evaluated for this selection yet. Run the missing cells above.")
        return
    if view.indicator == "ON" and not len(study.active) and not view.plm.here:
        components.without_weights(view)
        view = replace(view, indicator="C_average")
    if view.indicator == "ON" and not len(study.active):
        st.info(f"ON needs the stimulation of every prompt; {study.missing_stimulations} are missing. Run the missing cells above.")
        return
    which = st.segmented_control("Pairs", PAIRS, default="all", key="pairs", bind="query-params", required=True,
                                 help="Without pairs of one type, the type itself can no longer explain the correlation. A prompt on its own task is left out unless asked for.")  # fmt: skip
    limits = {PAIRS[1]: {"pairs": ~np.equal.outer(study.types, study.types)}, PAIRS[2]: {"diagonal": True}}.get(which, {})
    chosen = None if view.layers is None else tuple(view.layers)
    similarities = data.of_study(view, ("similarities", chosen), lambda study: study.similarities(view.layers))
    similarity = similarities[view.indicator]
    label = INDICATORS[view.indicator].label
    mask = correlation.usable(study.transfer, similarity, **limits)
    pairs = data.of_study(view, ("pairs", view.indicator, chosen, which), lambda study: pairs_of(study, similarity, mask))
    shown, thinned = drawn_of(pairs)
    picked = detail.picked(study.tasks, study.tasks, "correlation")
    table = found(f"table {study.digest} {view.layers} {which}", "intervals and permutation p", statistics.indicator_table,
                  study.transfer, similarities, name=("table", chosen, which, view.selection), **limits)  # fmt: skip
    left, right = st.columns([3, 2], gap="large")
    with left:
        components.show(
            data.of_study(view, ("scatter", view.indicator, chosen, which, view.mode, picked),
                          lambda _: figures.scatter(shown, f"{label} of source and target prompt", "transfer score", view.mode, picked)), "overlap-performance",
            f"Each point is a source prompt on another task, {len(pairs)} pairs{thinned}. Colour and symbol: type of the target; filled: same type as "
            f"the source. {INDICATORS[view.indicator].definition} Rows that never reach the PLM are left out. Click a point for its pair.", table=pairs,
            **detail.clicks("overlap-performance", detail.named),
        )  # fmt: skip
    with right:
        if table is not None:
            all_indicators(view, study, table)
    if picked:
        detail.header(picked, study.tasks, study.tasks)
        table = data.scores(view)
        detail.panel(view, table[table["target"] == picked[1]].assign(row=table["source"]), *picked)
    panels(view, study, similarity, shown, (view.indicator, chosen, which), limits, picked)
    if view.indicator == "ON":
        layers(view, study, which, limits)


def all_indicators(view: View, study: Study, table: pd.DataFrame) -> None:
    st.markdown(in_words(table[table.name == view.indicator].iloc[0], view, study))
    for sentence in statistics.better_than_on(table):
        st.warning(sentence)
    components.show(figures.forest(table, view.mode, INDICATORS[view.indicator].label), "indicators",
                    "Mean per-target Spearman correlation of every indicator with 95 % interval (bootstrap over targets). "
                    "Same type is the baseline that knows only the types.", table=table)  # fmt: skip
    shown = table[["label", "value", "ci_low", "ci_high", "p", "pooled", "pooled_p", "undefined"]].rename(columns={
        "label": "indicator", "value": "mean rho", "ci_low": "low", "ci_high": "high"})  # fmt: skip
    for column in ("p", "pooled_p"):
        shown[column] = [components.p_value(p).removeprefix("p ").removeprefix("= ") for p in shown[column]]
    shown = shown.rename(columns={"pooled_p": "p (pooled)"})
    st.dataframe(shown.round(3), hide_index=True, width="stretch")


def drawn_of(pairs: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The points that are drawn, and what is to be said of it: means over the seeds where there are too many to be told apart."""
    if len(pairs) <= MOST_POINTS:
        return pairs, ""
    keys = ["source", "target", "source_type", "target_type", "same_type"]
    found = pairs.groupby(keys, sort=False, as_index=False)[["similarity", "transfer"]].mean()
    return found.assign(seed=f"mean of {pairs.seed.nunique()}"), f", drawn as {len(found)} means over the seeds"


def panels(
    view: View, study: Study, similarity: np.ndarray, pairs: pd.DataFrame, key: tuple, limits: dict, picked: detail.Pair | None
) -> None:  # fmt: skip
    st.subheader("By target")
    label = INDICATORS[view.indicator].label
    rho, fig = data.of_study(
        view, ("panels", *key, view.mode, picked), lambda study: panels_of(view, study, similarity, pairs, label, limits, picked)
    )
    components.show(
        fig, "by-target",
        "One panel a target: its sources' similarity against their score, coloured by the type of the source. The number is the Spearman "
        f"correlation, mean over {components.count(len(study.seeds), 'seed')}; undefined where all sources score alike. Click a point for its pair.", table=pd.DataFrame({"target": study.tasks, "rho": rho.to_numpy()}),
        **detail.clicks("by-target", detail.named),
    )  # fmt: skip


def panels_of(
    view: View, study: Study, similarity: np.ndarray, pairs: pd.DataFrame, label: str, limits: dict, picked: detail.Pair | None
) -> tuple[pd.Series, go.Figure]:
    """Each target's correlation, and the panels."""
    values = correlation.per_target(study.transfer, similarity, **limits)
    with np.errstate(invalid="ignore"):
        rho = pd.Series(
            [float(np.nanmean(column)) if np.isfinite(column).any() else np.nan for column in values.T],
            index=study.tasks,
        )
    return rho, figures.panels(pairs, rho, label, "transfer score", view.mode, selected=picked)


def layers(view: View, study: Study, which: str, limits: dict) -> None:
    st.subheader("By layer")
    each = data.of_study(view, "ON by layer", lambda study: [overlap_of(study, [layer]) for layer in range(view.plm.layers)])
    rows = found(
        f"layers {study.digest} {which}",
        "the curve over layers",
        statistics.layer_table,
        study.transfer,
        each,
        name=("layers", which, view.selection),
        **limits,
    )
    if rows is None:
        return
    overall = np.nanmean(correlation.per_target(study.transfer, data.of_study(view, "ON", overlap_of), **limits))
    notes = ", ".join(f"layer {row.layer}: {row.undefined}" for row in rows.itertuples() if row.undefined)
    components.show(
        figures.by_layer(rows.value, rows.ci_low, rows.ci_high, float(overall), view.mode), "by-layer",
        f"The same correlation when only one layer's neurons count, with 95 % intervals over {len(study.tasks)} targets."
        + (f" Targets without a defined correlation: {notes}." if notes else ""), table=rows,
    )  # fmt: skip


def overlap_of(study: Study, layers: list[int] | None = None) -> np.ndarray:
    """(seeds, sources, targets) ON."""
    return np.stack([overlap(states, layers) for states in study.active])


components.guard(body)
