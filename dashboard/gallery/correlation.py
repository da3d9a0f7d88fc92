"""Correlation of indicators with transfer: the scatter, all indicators, by target, by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import correlation as figures
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.overview import evaluated
from dashboard.gallery.source import Source
from dashboard.gallery.transfer import pair_of
from dashboard.view import View
from dashboard.words import count, p_value
from ptlib.analysis import correlation, statistics
from ptlib.analysis.indicators import INDICATORS
from ptlib.errors import RunError
from ptlib.neurons.overlap import overlap
from ptlib.runs.study import Study

FEWEST_TASKS = 4
BOTH = ("stimulation", "score")
# Pairs that are drawn one by one.
MOST_POINTS = 5000
PAIRS = ("all", "other types only", "all and own prompts")


def limits_of(study: Study, which: str) -> dict:
    """What :func:`ptlib.analysis.correlation.usable` is told. Raises RunError for an unknown choice of pairs."""
    if which not in PAIRS:
        raise RunError("these pairs cannot be chosen", where="pairs", found=repr(which), expected=f"one of {', '.join(PAIRS)}")
    return {PAIRS[1]: {"pairs": ~np.equal.outer(study.types, study.types)}, PAIRS[2]: {"diagonal": True}}.get(which, {})


def ready(source: Source, view: View) -> tuple[View, Study]:
    """The study, and the view with an indicator that is there.

    Raises:
        RunError: too few tasks, nothing evaluated, or ON without stimulations.
    """
    study = source.study(view)
    if len(study.tasks) < FEWEST_TASKS:
        raise RunError(f"a rank correlation needs at least {FEWEST_TASKS} tasks that are both source and target", where=view.plm.id,
                       found=len(study.tasks), mend="Select more.")  # fmt: skip
    study = evaluated(source, view)
    if view.indicator == "ON" and not len(study.active) and not view.plm.here:
        view = replace(view, indicator="C_average")
    if view.indicator == "ON" and not len(study.active):
        raise RunError("ON needs the stimulation of every prompt", where=view.plm.id, found=f"{study.missing_stimulations} missing",
                       mend="Run the missing cells.")  # fmt: skip
    return view, study


def similarities_of(source: Source, view: View) -> dict[str, np.ndarray]:
    """Indicator -> (seeds, tasks, tasks)."""
    chosen = None if view.layers is None else tuple(view.layers)
    return source.of_study(view, ("similarities", chosen), lambda study: study.similarities(view.layers))


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
    left_out = f"{count(row.undefined, 'target')} {'is' if row.undefined == 1 else 'are'}"
    undefined = f" {left_out} left out, since one side is constant there." if row.undefined else ""
    return (f"Per target, {INDICATORS[row['name']].label} has {strength} rank correlation with transfer: mean Spearman {row.value:z.2f} "
            f"(95 % interval {row.ci_low:z.2f} to {row.ci_high:z.2f}, permutation {p_value(row.p)}, {row.n} targets × "
            f"{count(len(study.seeds), 'seed')}, {view.n}). Over all pairs at once {row.pooled:z.2f} ({row.pooled_low:z.2f} to {row.pooled_high:z.2f}, {p_value(row.pooled_p)}).{undefined}")  # fmt: skip


def _pairs(source: Source, view: View, study: Study, which: str) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """All pairs, those that are drawn, and what is to be said of it."""
    similarity, limits = similarities_of(source, view)[view.indicator], limits_of(study, which)
    chosen = None if view.layers is None else tuple(view.layers)

    def made(study: Study) -> tuple[pd.DataFrame, pd.DataFrame, str]:
        pairs = pairs_of(study, similarity, correlation.usable(study.transfer, similarity, **limits))
        return pairs, *drawn_of(pairs)

    return source.of_study(view, ("pairs", view.indicator, chosen, which), made)


def table_of(source: Source, view: View, study: Study, which: str) -> pd.DataFrame | None:
    """Every indicator against transfer; None while it is computed."""
    chosen = None if view.layers is None else tuple(view.layers)
    return source.found(f"table {study.digest} {view.layers} {which}", "intervals and permutation p", statistics.indicator_table, study.transfer,
                        similarities_of(source, view), name=("table", chosen, which, view.selection), **limits_of(study, which))  # fmt: skip


def scatter(source: Source, view: View, settings: Settings) -> Drawn:
    """Similarity against transfer, a point a pair."""
    view, study = ready(source, view)
    which, label = settings["pairs"], INDICATORS[view.indicator].label
    pairs, shown, thinned = _pairs(source, view, study, which)
    chosen = None if view.layers is None else tuple(view.layers)
    pair = pair_of(settings["cell"], study.tasks, study.tasks)
    fig = source.of_study(view, ("scatter", view.indicator, chosen, which, view.mode, pair),
                          lambda _: figures.scatter(shown, f"{label} of source and target prompt", "transfer score", view.mode, pair))  # fmt: skip
    points = "Each point is a source prompt on another task"
    told = f"{points}, {len(pairs)} pairs{thinned}. Colour and symbol: type of the target; filled: same type as the source."
    hint = "Click a point for its pair."
    if figures.crowded(shown):
        told = (f"{points} of its own type, coloured by that type; tiles: pairs of other types, the stronger the more there are; {len(pairs)} pairs"
                f"{thinned}.")  # fmt: skip
        hint = "Click a point or a tile for its nearest pair."
    return Drawn(fig, f"{told} {INDICATORS[view.indicator].definition} Rows that never reach the PLM are left out.", pairs, hint=hint)


def drawn_of(pairs: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The points that are drawn, and what is to be said of it: means over the seeds where there are too many to be told apart."""
    if len(pairs) <= MOST_POINTS:
        return pairs, ""
    keys = ["source", "target", "source_type", "target_type", "same_type"]
    found = pairs.groupby(keys, sort=False, as_index=False)[["similarity", "transfer"]].mean()
    return found.assign(seed=f"mean of {pairs.seed.nunique()}"), f", drawn as {len(found)} means over the seeds"


def indicators(source: Source, view: View, settings: Settings) -> Drawn | None:
    """All indicators side by side, with intervals."""
    view, study = ready(source, view)
    table = table_of(source, view, study, settings["pairs"])
    if table is None:
        return None
    fig = source.of_found(view, ("forest", view.indicator, settings["pairs"], view.mode), table,
                          lambda: figures.forest(table, view.mode, INDICATORS[view.indicator].label))  # fmt: skip
    return Drawn(fig, "Mean per-target Spearman correlation of every indicator with 95 % interval (bootstrap over targets). "
                 "Same type is the baseline that knows only the types.", table,
                 in_words(table[table.name == view.indicator].iloc[0], view, study), table.drop(columns=["name"]))  # fmt: skip


MOST_PANELS, PANELS_OF_PART = 15, 9
"""Panels that a page draws at once, of more targets the panels of one part: of many, a browser takes seconds."""


def parts(tasks: Sequence[str]) -> list[range]:
    """Numbers of the targets that make one part each; one part where all fit."""
    size = len(tasks) if len(tasks) <= MOST_PANELS else PANELS_OF_PART
    return [range(at, min(at + size, len(tasks))) for at in range(0, len(tasks), max(1, size))]


def part_of(tasks: Sequence[str], part: int) -> range:
    """The targets of a part. Raises RunError where there is no such part."""
    there = parts(tasks)
    if not 0 <= part <= len(there):
        raise RunError("no such part of the targets", where="by-target: part", found=part, expected=f"1 to {len(there)}, or 0 for all")
    return there[part - 1] if part else range(len(tasks))


def by_target(source: Source, view: View, settings: Settings) -> Drawn:
    """The scatter, one panel a target; of a part of the targets where there are many."""
    view, study = ready(source, view)
    which, label, limits = settings["pairs"], INDICATORS[view.indicator].label, limits_of(study, settings["pairs"])
    _, shown, _ = _pairs(source, view, study, which)
    similarity, chosen = similarities_of(source, view)[view.indicator], None if view.layers is None else tuple(view.layers)
    pair = pair_of(settings["cell"], study.tasks, study.tasks)
    part = part_of(study.tasks, settings["part"])
    rho, fig = source.of_study(view, ("panels", view.indicator, chosen, which, view.mode, pair, part),
                               lambda study: panels_of(view, study, similarity, shown, label, limits, pair, part))  # fmt: skip
    return Drawn(
        fig,
        ("" if len(part) == len(study.tasks) else f"Targets {part[0] + 1} to {part[-1] + 1} of {len(study.tasks)}. ")
        + "One panel a target: its sources' similarity against their score, coloured by the type of the source. The number is the Spearman "
        f"correlation, mean over {count(len(study.seeds), 'seed')}; undefined where all sources score alike.",
        pd.DataFrame({"target": study.tasks, "rho": rho.to_numpy()}), hint="Click a point for its pair.",
    )  # fmt: skip


def panels_of(
    view: View, study: Study, similarity: np.ndarray, pairs: pd.DataFrame, label: str, limits: dict, pair: tuple[str, str] | None,
    part: range,
) -> tuple[pd.Series, go.Figure]:  # fmt: skip
    """Each target's correlation, and the panels of a part of them."""
    values = correlation.per_target(study.transfer, similarity, **limits)
    with np.errstate(invalid="ignore"):
        rho = pd.Series(
            [float(np.nanmean(column)) if np.isfinite(column).any() else np.nan for column in values.T],
            index=study.tasks,
        )
    drawn = rho.iloc[part.start : part.stop]
    return rho, figures.panels(pairs[pairs.target.isin(drawn.index)], drawn, label, "transfer score", view.mode, selected=pair)


def by_layer(source: Source, view: View, settings: Settings) -> Drawn | None:
    """The correlation of ON when one layer's neurons count. Raises RunError without stimulations."""
    view, study = ready(source, replace(view, indicator="ON"))
    if view.indicator != "ON":
        raise RunError("ON by layer needs the PLM's weights", where=view.plm.id, mend=f"Bring them with: ptlib plms add {view.plm.id}")
    which, limits = settings["pairs"], limits_of(study, settings["pairs"])
    each = source.of_study(view, "ON by layer", lambda study: [overlap_of(study, [layer]) for layer in range(view.plm.layers)])
    rows = source.found(f"layers {study.digest} {which}", "the curve over layers", statistics.layer_table, study.transfer, each,
                        name=("layers", which, view.selection), **limits)  # fmt: skip
    if rows is None:
        return None
    overall = source.of_study(view, ("ON overall", which),
                              lambda study: np.nanmean(correlation.per_target(study.transfer, overlap_of(study), **limits)))  # fmt: skip
    notes = ", ".join(f"layer {row.layer}: {row.undefined}" for row in rows.itertuples() if row.undefined)
    fig = source.of_found(view, ("by layer", which, view.mode, str(overall)), rows,
                          lambda: figures.by_layer(rows.value, rows.ci_low, rows.ci_high, float(overall), view.mode))  # fmt: skip
    return Drawn(
        fig,
        f"The same correlation when only one layer's neurons count, with 95 % intervals over {len(study.tasks)} targets."
        + (f" Targets without a defined correlation: {notes}." if notes else ""), rows, f"All layers: mean Spearman {overall:.2f}.",
    )  # fmt: skip


def overlap_of(study: Study, layers: list[int] | None = None) -> np.ndarray:
    """(seeds, sources, targets) ON."""
    return np.stack([overlap(states, layers) for states in study.active])


FIGURES = {
    "overlap-performance": Figure("Similarity against transfer", scatter, {"pairs": PAIRS[0], "cell": ""}, BOTH),
    "indicators": Figure("Indicators", indicators, {"pairs": PAIRS[0]}, BOTH),
    "by-target": Figure("Similarity against transfer by target", by_target, {"pairs": PAIRS[0], "cell": "", "part": 0}, BOTH),
    "by-layer": Figure("Correlation by layer", by_layer, {"pairs": PAIRS[0]}, BOTH),
}
