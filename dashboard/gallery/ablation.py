"""Figures of neurons switched off: what that costs a prompt's own task, its type and other types, and in which layer."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from dashboard.figures import ablation as figures
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.source import Source
from dashboard.view import View
from dashboard.words import count
from ptlib.analysis import ablation
from ptlib.errors import RunError
from ptlib.neurons.mask import MEANS
from ptlib.runs.masking import LIMIT, READERS, SHARES, Cut, Masking, masking, results

ALL = "all layers"
USUAL_SHARE = 0.2
"""The share whose specificity is told, or the nearest there is."""
CUT = {"cut": "", "cut_seeds": "", "shares": " ".join(f"{100 * share:g}" for share in SHARES), "reader": "own", "whole": False}
"""Settings of every figure here: task whose prompts are cut (empty for the first), their seeds (empty for the first), per cent, who reads,
and whether all test examples are read where nothing is said of how many."""
CURVES = {**CUT, "layer": 0, "group": ablation.GROUPS[0], "measure": "drop"}
LAYERS = {**CUT, "each": "most", "group": ablation.GROUPS[0]}
OTHERS = {"same type": "No other task of this type is selected.", "other types": "No task of another type is selected.",
          "own task": "The prompt's own task is not selected."}  # fmt: skip
RUN_THEM = "Run them on the page Ablation, or with: ptlib mask"


class Wish(NamedTuple):
    """What is cut."""

    source: str
    seeds: tuple[int, ...]
    cut: Cut

    @property
    def layers(self) -> str:
        """As in the table."""
        part = self.cut.layers[0]
        return "all" if part is None else ", ".join(str(layer + 1) for layer in part)


def wish(view: View, settings: Settings) -> Wish:
    """What a figure's settings cut. Raises RunError for a task, a layer, a group or numbers that cannot be."""
    source = settings["cut"] or (view.sources[0] if view.sources else "")
    for name, given, known in (("cut", source, view.sources), ("group", settings["group"], list(ablation.GROUPS)),
                               ("measure", settings.get("measure", "drop"), list(figures.TITLES)), ("each", settings.get("each", "most"), list(MEANS))):  # fmt: skip
        if given not in known:
            raise RunError("not to be had here", where=f"ablation: {name}", found=repr(given), expected=f"one of {', '.join(known)}")
    layer = settings.get("layer", 0)
    if not 0 <= layer <= view.plm.layers:
        raise RunError(
            "no such layer; they count from 1", where="ablation: layer", found=layer, expected=f"1 to {view.plm.layers}, 0 for all"
        )
    shares = tuple(share / 100 for share in sorted(_numbers(settings["shares"], "shares", float))) or SHARES
    cut = Cut(shares=shares, layers=((layer - 1,) if layer else None,), reader=settings["reader"])
    if "each" in settings:
        cut = cut._replace(rules=(settings["each"],), layers=tuple((layer,) for layer in range(view.plm.layers)))
    return Wish(source, tuple(_numbers(settings["cut_seeds"], "cut_seeds", int)) or tuple(view.seeds[:1]), cut)


def _numbers(text: str, name: str, kind: type) -> list:
    try:
        return sorted({kind(part) for part in text.split()})
    except ValueError as error:
        raise RunError("not numbers", where=f"ablation: {name}", found=repr(text)[:60], expected='for example "5 10 20"') from error


def limited(view: View, settings: Settings) -> View:
    """There are many cells: the first test examples, unless all are asked for."""
    if view.limit is not None or settings["whole"]:
        return view
    return replace(view, limit=LIMIT, selection=replace(view.selection, limit=LIMIT))


def planned(source: Source, view: View, asked: Wish) -> Masking:
    """The cells. Raises PtlibError as :func:`ptlib.runs.masking.masking`."""
    return source.of_cells(
        view, ("masking", asked), lambda: masking(source.library(), view.selection, [asked.source], asked.cut, asked.seeds)
    )


def table_of(source: Source, view: View, asked: Wish) -> pd.DataFrame:
    """What is there of the cells. Raises RunError where nothing is."""
    plan = planned(source, view, asked)
    table = source.of_store(view, ("masked", asked), lambda: results(plan, source.snapshot()))
    if ablation.drops(table).empty:
        raise RunError("no masked score has been computed for this choice yet", where=view.plm.id, mend=f"{RUN_THEM} {asked.source}")
    return table


def findings(source: Source, view: View, asked: Wish) -> ablation.Findings | None:
    """Means, intervals and permutation p; None while they are computed beside the page."""
    usable = ablation.drops(table_of(source, view, asked))
    digest = hashlib.sha256(usable[["key", "value", "intact"]].to_csv(index=False).encode()).hexdigest()
    return source.found(f"ablation {digest} {asked.layers}", "means, intervals and permutation p", ablation.findings, usable, asked.layers,
                        name=("ablation", asked, view.selection))  # fmt: skip


def curves(source: Source, view: View, settings: Settings) -> Drawn | None:
    """Drop or score of one group of tasks over the share of neurons that is off."""
    view, asked, group = limited(view, settings), wish(view, settings), settings["group"]
    told = findings(source, view, asked)
    if told is None:
        return None
    part = told.curves[told.curves["group"] == group]
    if part.empty:
        raise RunError(OTHERS[group], where=view.plm.id, mend="Select more tasks.")
    usable = ablation.drops(table_of(source, view, asked))
    usable = usable[usable["group"] == group]
    ends = figures.span(told.curves, settings["measure"])
    return Drawn(
        figures.curve(told.curves, group, settings["measure"], ends, view.mode),
        f"{group.capitalize()}: {len(usable)} scores, {count(usable['target'].nunique(), 'task')}, {count(usable['prompt'].nunique(), 'prompt')}. {about(view, asked)}",
        part, verdict(told),
    )  # fmt: skip


def verdict(told: ablation.Findings) -> str:
    """Whether the drop is specific, for the distinctive neurons where there are some."""
    if not told.specific:
        return ""
    rule, share = min(told.specific, key=lambda one: (one[0] != "distinctive", abs(one[1] - USUAL_SHARE)))
    return ablation.in_words(told.specific[rule, share], rule, share)


def about(view: View, asked: Wish) -> str:
    """What was off and who read, in words."""
    place = ALL if asked.layers == "all" else f"layer {asked.layers}"
    decoder = ", in the decoder (the encoder is untouched)" if view.plm.family == "t5" else ""
    rules = ". ".join(text[0].upper() + text[1:] for text in MEANS.values())
    return (f"PLM {view.plm.id}, {view.n}. Off: neurons of {place}{decoder}, zero after the activation function at every position, chosen by the "
            f"stimulation of the prompt for {asked.source} (seed {', '.join(map(str, asked.seeds))}). Tasks are read with {READERS[asked.cut.reader]}. "
            f"Relative drop: 1 − score ÷ score with all neurons. {rules}; mean of {asked.cut.draws} draws, as many in each layer as of the most activated or of "
            "the distinctive. What is distinctive is decided by all selected prompts. Bands: 95 % bootstrap over tasks and masks; with one of each, over the "
            "examples (Wilson).")  # fmt: skip


def layers(source: Source, view: View, settings: Settings) -> Drawn:
    """Mean relative drop with the neurons of one layer off: layers by shares."""
    view, asked, group = limited(view, settings), wish(view, settings), settings["group"]
    table = table_of(source, view, asked)
    line = next(name for (rule, _), name in ablation.LINES.items() if rule == settings["each"])
    drops = ablation.by_layer(table, line, group)
    if drops.empty:
        raise RunError(OTHERS[group], where=view.plm.id, mend="Select more tasks.")
    drops = drops.reindex(index=range(1, view.plm.layers + 1), columns=list(asked.cut.shares))
    short = line.split(" (")[0]
    return Drawn(
        figures.by_layer(drops, short, group, view.mode),
        f"Mean relative drop on {group} when the neurons of one layer are off, {short}, {view.n}; {int(ablation.drops(table)['group'].eq(group).sum())} scores. "
        "Crosses: not computed yet.",
        drops.reset_index(),
    )  # fmt: skip


FIGURES = {
    "ablation": Figure("Neurons switched off", curves, CURVES, ()),
    "ablation-layers": Figure("Neurons switched off, one layer at a time", layers, LAYERS, ()),
}
