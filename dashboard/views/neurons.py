"""Which neurons each prompt activates, and what two prompts share."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import components, data
from dashboard.figures import matrix, neurons
from dashboard.selection import View
from ptlib.library import PromptEntry
from ptlib.neurons.overlap import overlap, overlap_per_layer
from ptlib.neurons.states import States

# Prompts beyond which the matrix of all pairs is drawn by task: single cells could not be seen.
MOST_PROMPTS = 200


def one_prompt(view: View, name: str, states: States) -> None:
    active = states.activated
    components.show(
        neurons.overview(active, view.mode), "neurons-overview",
        f"Share of activated neurons of {components.plain(name)} in bins along each layer, at the answer, behind the prompt an all but empty text. "
        f"{int(active.sum())} of {active.size} neurons are activated ({active.mean():.1%}).",
    )  # fmt: skip
    layer = st.segmented_control("Layer in full", list(range(1, view.plm.layers + 1)), default=view.plm.layers, key="layer",
                                 bind="query-params", required=True)  # fmt: skip
    row, on = states.values[layer - 1], active[layer - 1]
    components.show(
        neurons.one_layer(row, on, layer - 1, view.plm.neuron, view.mode), "neurons-layer",
        f"Every neuron of layer {layer}. {view.plm.activated_means}",
        table=pd.DataFrame({"neuron": range(len(row)), "value": row, "activated": on}),
    )  # fmt: skip


def two_prompts(view: View, names: tuple[str, str], one: States, other: States) -> None:
    pair = np.stack([one.activated, other.activated])
    layers = overlap_per_layer(pair)[:, 0, 1]
    overall = float(overlap(pair)[0, 1])
    left, right = st.columns([3, 2], gap="large")
    with left:
        components.show(neurons.compared(pair[0], pair[1], names, view.mode), "neurons-compared",
                        f"Neurons that only one of the two activates, and those both do: {int((pair[0] & pair[1]).sum())} shared, "
                        f"{int((pair[0] & ~pair[1]).sum())} and {int((~pair[0] & pair[1]).sum())} alone.")  # fmt: skip
    with right:
        components.show(neurons.overlap_by_layer(layers, overall, view.mode), "overlap-by-layer",
                        f"ON of the pair within each layer; {overall:.3f} over all layers. A layer where one prompt activates nothing has none.",
                        table=pd.DataFrame({"layer": range(1, len(layers) + 1), "ON": layers}))  # fmt: skip


def everyone(view: View, entries: list[PromptEntry], active: np.ndarray) -> None:
    key = (view.mode, tuple(view.layers or ()), tuple(entry.name for entry in entries))
    fig, names, found = data.of_states(view, key, active, lambda: square(view, entries, active))
    shown = "all layers" if view.layers is None else "layers " + ", ".join(str(layer + 1) for layer in view.layers)
    many = len(names) < len(entries)
    components.show(
        fig, "on-matrix",
        f"Overlapping rate of activated neurons of every pair of {len(entries)} prompts, {shown}, in dendrogram order (average linkage). "
        + (f"So many do not fit: each cell is the mean over the prompts of two of {len(names)} tasks, a prompt with itself left out. " if many else "")
        + "Prompts of one task and type should stand together; strips show the type.",
        table=pd.DataFrame(found, index=names, columns=names).reset_index(names="task" if many else "prompt"),
    )  # fmt: skip


def square(view: View, entries: list[PromptEntry], active: np.ndarray) -> tuple[go.Figure, list[str], np.ndarray]:
    """The matrix of ON, by task where there are many prompts."""
    found = overlap(active, view.layers)
    names, types = [entry.name.split("/")[-1] for entry in entries], [entry.type for entry in entries]
    if len(names) > MOST_PROMPTS:
        found, names, types = matrix.by_group(found, [entry.task for entry in entries], types)
    return matrix.square_matrix(found, names, types, "ON", view.mode), names, found


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Neurons")
    cells, missing = data.stimulations(view.selection), data.missing_stimulations(view)
    components.status(view, len(missing), len(cells))
    components.run_panel(view, missing, "stimulations")
    if missing and not view.plm.here:
        return
    components.live(lambda: figures(view))


def figures(view: View) -> None:
    """What is stored of the prompts' stimulations."""
    values = data.states(data.stimulations(view.selection))
    if not values:
        st.info("No stimulation has been computed for these prompts yet. Run the missing ones above; it takes seconds.")
        return
    names = list(values)
    left, right = st.columns(2)
    first = left.selectbox("Prompt", names, key="prompt", bind="query-params")
    second = right.selectbox("Compared with", ["nothing", *(name for name in names if name != first)], key="with", bind="query-params")
    one_prompt(view, first, values[first])
    if second != "nothing":
        st.header("Two prompts")
        two_prompts(view, (first.split("/")[-1], second.split("/")[-1]), values[first], values[second])
    if len(values) > 1:
        st.header("All prompts")
        entries = {entry.name: entry for entry in data.library().prompts(view.plm.id)}
        trained = [name for name in names if entries[name].kind == "trained"] or names
        everyone(view, [entries[name] for name in trained], np.stack([values[name].activated for name in trained]))


components.guard(body)
