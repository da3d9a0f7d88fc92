"""Neurons: one prompt, one layer, two prompts, and ON of all pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import neurons, similarity
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.source import Source
from dashboard.view import View
from ptlib.errors import RunError
from ptlib.library import PromptEntry
from ptlib.neurons.overlap import overlap, overlap_per_layer
from ptlib.neurons.states import States

# Prompts beyond which the matrix of all pairs is drawn by task: single cells could not be seen.
MOST_PROMPTS = 200
STIMULATED = ("stimulation",)


def states_of(source: Source, view: View) -> dict[str, States]:
    """Prompt's name -> its stimulation, of all prompts of the selection that have one. Raises RunError where none has."""
    found = source.states(source.stimulations(view.selection))
    if not found:
        raise RunError("no stimulation of these prompts is there", where=view.plm.id, mend="Run the missing stimulations first.")
    return found


def one_of(states: dict[str, States], name: str, where: str) -> tuple[str, States]:
    """A prompt and its stimulation; without a name the first. Raises RunError for one that is not there."""
    name = name or next(iter(states))
    if name not in states:
        raise RunError(
            "this prompt has no stimulation here", where=where, found=repr(name), mend="Run it, or name another prompt of the selection."
        )
    return name, states[name]


def prompt_overview(source: Source, view: View, settings: Settings) -> Drawn:
    """Share of activated neurons along each layer, of one prompt."""
    name, states = one_of(states_of(source, view), settings["prompt"], "neurons-overview: prompt")
    active = states.activated
    return Drawn(
        neurons.overview(active, view.mode),
        f"Share of activated neurons of {name} in bins along each layer, at the answer, behind the prompt an all but empty text. "
        f"{int(active.sum())} of {active.size} neurons are activated ({active.mean():.1%}).",
        pd.DataFrame({"layer": range(1, len(active) + 1), "activated": active.sum(axis=1), "neurons": active.shape[1]}),
    )  # fmt: skip


def prompt_layer(source: Source, view: View, settings: Settings) -> Drawn:
    """Every neuron of one layer, of one prompt."""
    _, states = one_of(states_of(source, view), settings["prompt"], "neurons-layer: prompt")
    layer = settings["layer"] or view.plm.layers
    if not 1 <= layer <= view.plm.layers:
        raise RunError("no such layer; they count from 1", where="neurons-layer: layer", found=layer, expected=f"1 to {view.plm.layers}")
    row, on = states.values[layer - 1], states.activated[layer - 1]
    return Drawn(neurons.one_layer(row, on, layer - 1, view.plm.neuron, view.mode), f"Every neuron of layer {layer}. {view.plm.activated_means}",
                 pd.DataFrame({"neuron": range(len(row)), "value": row, "activated": on}))  # fmt: skip


def _pair(source: Source, view: View, settings: Settings, where: str) -> tuple[tuple[str, str], np.ndarray]:
    states = states_of(source, view)
    (one, first), (two, second) = (one_of(states, settings[side], f"{where}: {side}") for side in ("prompt", "other"))
    return (one.split("/")[-1], two.split("/")[-1]), np.stack([first.activated, second.activated])


def compared(source: Source, view: View, settings: Settings) -> Drawn:
    """Neurons by layer that one, both or the other of two prompts activate."""
    names, pair = _pair(source, view, settings, "neurons-compared")
    shared, one, other = (pair[0] & pair[1]), (pair[0] & ~pair[1]), (~pair[0] & pair[1])
    table = pd.DataFrame({"layer": range(1, len(shared) + 1), f"only {names[0]}": one.sum(axis=1), "both": shared.sum(axis=1),
                          f"only {names[1]} ": other.sum(axis=1)})  # fmt: skip
    return Drawn(neurons.compared(pair[0], pair[1], names, view.mode),
                 f"Neurons that only one of the two activates, and those both do: {int(shared.sum())} shared, "
                 f"{int(one.sum())} and {int(other.sum())} alone.", table)  # fmt: skip


def by_layer(source: Source, view: View, settings: Settings) -> Drawn:
    """ON of two prompts within each layer."""
    names, pair = _pair(source, view, settings, "overlap-by-layer")
    layers, overall = overlap_per_layer(pair)[:, 0, 1], float(overlap(pair)[0, 1])
    return Drawn(neurons.overlap_by_layer(layers, overall, view.mode),
                 f"ON of {names[0]} and {names[1]} within each layer; {overall:.3f} over all layers. A layer where one prompt activates nothing has none.",
                 pd.DataFrame({"layer": range(1, len(layers) + 1), "ON": layers}))  # fmt: skip


def everyone(source: Source, view: View, settings: Settings) -> Drawn:
    """ON of all pairs of trained prompts, in dendrogram order."""
    values = states_of(source, view)
    entries = {entry.name: entry for entry in source.library().prompts(view.plm.id)}
    chosen = [entries[name] for name in ([name for name in values if entries[name].kind == "trained"] or list(values))]
    if len(chosen) < 2:
        raise RunError("a matrix of pairs needs two prompts", where="on-matrix", found=len(chosen), mend="Select more tasks or seeds.")
    active = np.stack([values[entry.name].activated for entry in chosen])
    key = (view.mode, tuple(view.layers or ()), tuple(entry.name for entry in chosen))
    fig, names, found = source.of_states(view, key, active, lambda: square(view, chosen, active))
    shown = "all layers" if view.layers is None else "layers " + ", ".join(str(layer + 1) for layer in view.layers)
    many = len(names) < len(chosen)
    return Drawn(
        fig,
        f"Overlapping rate of activated neurons of every pair of {len(chosen)} prompts, {shown}, in dendrogram order (average linkage). "
        + (f"So many do not fit: each cell is the mean over the prompts of two of {len(names)} tasks, a prompt with itself left out. " if many else "")
        + "Prompts of one task and type should stand together; strips show the type.",
        pd.DataFrame(found, index=names, columns=names).reset_index(names="task" if many else "prompt"),
    )  # fmt: skip


def square(view: View, entries: Sequence[PromptEntry], active: np.ndarray) -> tuple[go.Figure, list[str], np.ndarray]:
    """The matrix of ON, by task where there are many prompts."""
    found = overlap(active, view.layers)
    names, types = [entry.name.split("/")[-1] for entry in entries], [entry.type for entry in entries]
    if len(names) > MOST_PROMPTS:
        found, names, types = similarity.by_group(found, [entry.task for entry in entries], types)
    return similarity.square_matrix(found, names, types, "ON", view.mode), names, found


FIGURES = {
    "neurons-overview": Figure("Activated neurons of a prompt", prompt_overview, {"prompt": ""}, STIMULATED),
    "neurons-layer": Figure("Neurons of one layer", prompt_layer, {"prompt": "", "layer": 0}, STIMULATED),
    "neurons-compared": Figure("Neurons of two prompts", compared, {"prompt": "", "other": ""}, STIMULATED),
    "overlap-by-layer": Figure("ON of two prompts by layer", by_layer, {"prompt": "", "other": ""}, STIMULATED),
    "on-matrix": Figure("ON of all pairs of prompts", everyone, needs=STIMULATED),
}
