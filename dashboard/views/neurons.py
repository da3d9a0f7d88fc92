"""Which neurons each prompt activates, and what two prompts share."""

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.figures import matrix, neurons
from dashboard.selection import View
from ptlib.neurons.overlap import overlap, overlap_per_layer
from ptlib.neurons.states import States
from ptlib.runs import stimulation_cells, tables


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


def everyone(view: View, names: list[str], types: list[str], active: np.ndarray) -> None:
    found = overlap(active, view.layers)
    shown = "all layers" if view.layers is None else "layers " + ", ".join(str(layer + 1) for layer in view.layers)
    components.show(
        matrix.square_matrix(found, names, types, "ON", view.mode), "on-matrix",
        f"Overlapping rate of activated neurons of every pair of {len(names)} prompts, {shown}, in dendrogram order (average linkage). "
        "Prompts of one task and type should stand together; strips show the type.",
        table=pd.DataFrame(found, index=names, columns=names).reset_index(names="prompt"),
    )  # fmt: skip


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Neurons")
    cells = stimulation_cells(data.library(), view.selection)
    missing = tables.missing(data.store(), cells)
    components.status(view, len(missing), len(cells))
    components.run_panel(view, missing, "stimulations")
    if missing and not view.plm.here:
        return
    lacking = {cell.key for cell in missing}
    there = [cell for cell in cells if cell.key not in lacking]
    values = {cell.prompt_name: data.stimulation(cell.key) for cell in there}
    values = {name: found for name, found in values.items() if found is not None}
    if not values:
        st.info("No stimulation has been computed for these prompts yet. Run the missing ones above; it takes seconds.")
        return
    names = list(values)
    left, right = st.columns(2)
    first = left.selectbox("Prompt", names, key="prompt", bind="query-params")
    second = right.selectbox("Compared with", ["nothing", *(name for name in names if name != first)], key="with", bind="query-params")
    one_prompt(view, first, values[first])
    if second != "nothing":
        st.subheader("Two prompts")
        two_prompts(view, (first.split("/")[-1], second.split("/")[-1]), values[first], values[second])
    if len(values) > 1:
        st.subheader("All prompts")
        entries = {entry.name: entry for entry in data.library().prompts(view.plm.id)}
        trained = [name for name in names if entries[name].kind == "trained"] or names
        everyone(view, [name.split("/")[-1] for name in trained], [entries[name].type for name in trained],
                 np.stack([values[name].activated for name in trained]))  # fmt: skip


components.guard(body)
