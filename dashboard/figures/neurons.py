"""Neurons: where a prompt stimulates a PLM, two prompts compared, overlap by layer."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dashboard.theme import SEQUENTIAL, Mode, figure, ink, paper, quiet, safe

BINS = 128
"""Columns of the overview: few enough that none is lost on a screen."""
ONLY_A, ONLY_B, BOTH = "#0072B2", "#D55E00", "#F0E442"


def overview(stimulation: np.ndarray, mode: Mode) -> go.Figure:
    """Share of activated neurons in bins along each layer.

    Args:
        stimulation: (layers, ffn).
    """
    layers, width = stimulation.shape
    bins = min(BINS, width)
    edges = np.linspace(0, width, bins + 1).astype(int)
    active = (stimulation > 0).astype(np.float32)
    share = np.add.reduceat(active, edges[:-1], axis=1) / np.diff(edges)
    size = int(np.ceil(width / bins))
    fig = figure(mode, height=130 + 34 * layers)
    fig.add_heatmap(
        z=share.astype(np.float32), x0=0, dx=width / bins, zmin=0, zmax=1, colorscale=SEQUENTIAL,
        hovertemplate="layer %{y}, neurons from %{x:.0f}: %{z:.0%} activated<extra></extra>",
        colorbar={"title": {"text": "activated", "side": "top"}, "thickness": 10, "tickformat": ".0%", "outlinewidth": 0},
    )  # fmt: skip
    fig.update_xaxes(title=f"neuron (bins of {size})", showgrid=False)
    fig.update_yaxes(title="layer", tickvals=list(range(layers)), ticktext=[str(layer + 1) for layer in range(layers)],
                     autorange="reversed", showgrid=False)  # fmt: skip
    return fig


def one_layer(values: np.ndarray, layer: int, mode: Mode) -> go.Figure:
    """Every neuron of one layer with its value after the activation function; activated ones stand out.

    Args:
        values: (ffn,).
    """
    active = values > 0
    index = np.arange(len(values))
    fig = figure(mode, height=260)
    for chosen, name, tint in ((~active, "not activated", quiet(mode)), (active, "activated", ONLY_B)):
        fig.add_bar(x=index[chosen], y=values[chosen].astype(np.float32), name=f"{name} ({chosen.sum()})", marker={"color": tint, "line": {"width": 0}},
                    hovertemplate="neuron %{x}: %{y:.3f}<extra></extra>")  # fmt: skip
    fig.update_layout(bargap=0, barmode="overlay")
    fig.update_xaxes(title=f"neuron of layer {layer + 1}", showgrid=False, range=[-0.5, len(values) - 0.5])
    fig.update_yaxes(title="value after GELU")
    return fig


def compared(one: np.ndarray, other: np.ndarray, names: tuple[str, str], mode: Mode) -> go.Figure:
    """Which neurons two prompts activate: A only, B only, both, neither; neurons sorted within each layer.

    Args:
        one, other: (layers, ffn) bool.
    """
    states = one.astype(np.int8) + 2 * other.astype(np.int8)
    # Sorted by state, groups become bars whose length is a count; the neuron's number means nothing to a reader.
    order = {1: 0, 3: 1, 2: 2, 0: 3}
    ranked = np.sort(np.vectorize(order.get)(states), axis=1)
    shown = int((ranked < 3).sum(axis=1).max()) or 1
    ranked = ranked[:, : max(shown + 1, 8)]
    tints = [ONLY_A, BOTH, ONLY_B, paper(mode)]
    scale = [[edge, tint] for place, tint in enumerate(tints) for edge in (place / 4, (place + 1) / 4)]
    layers = len(states)
    fig = figure(mode, height=140 + 34 * layers)
    fig.add_heatmap(z=ranked.astype(np.uint8), zmin=-0.5, zmax=3.5, colorscale=scale, showscale=False, hoverinfo="skip")
    for tint, label in ((ONLY_A, f"only {names[0]}"), (BOTH, "both"), (ONLY_B, f"only {names[1]}")):
        fig.add_scatter(x=[None], y=[None], mode="markers", marker={"color": tint, "size": 11, "symbol": "square"}, name=safe(label))
    fig.update_xaxes(title="activated neurons of either prompt, sorted within a layer", showgrid=False)
    fig.update_yaxes(title="layer", tickvals=list(range(layers)), ticktext=[str(layer + 1) for layer in range(layers)],
                     autorange="reversed", showgrid=False)  # fmt: skip
    return fig


def overlap_by_layer(values: np.ndarray, overall: float, mode: Mode) -> go.Figure:
    """ON of two prompts within each layer, and over all layers (line). NaN layers are left empty."""
    fig = figure(mode, height=260)
    names = [str(layer + 1) for layer in range(len(values))]
    fig.add_bar(x=names, y=values.astype(np.float32), marker={"color": ONLY_A}, text=[f"{v:.2f}" if np.isfinite(v) else "none" for v in values],
                textposition="outside", cliponaxis=False, hovertemplate="layer %{x}: ON %{y:.3f}<extra></extra>")  # fmt: skip
    if np.isfinite(overall):
        fig.add_hline(y=overall, line={"color": ink(mode), "dash": "dash", "width": 1.5}, annotation_text=f"all layers {overall:.2f}",
                      annotation_position="top left")  # fmt: skip
    fig.update_xaxes(title="layer", showgrid=False, type="category")
    fig.update_yaxes(title="ON", range=[0, 1.08])
    return fig
