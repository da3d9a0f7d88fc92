"""Neurons: where a prompt stimulates a PLM, two prompts compared, overlap by layer."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dashboard.theme import Mode, accent, colour_bar, describe, faint, figure, head_room, ink, label, paper, safe, sequential

BINS = 128
"""Columns of the overview: few enough that none is lost on a screen."""
MANY = 1024
"""From this many neurons on, bars would be thinner than a pixel; points are drawn."""
ONLY_A, ONLY_B, BOTH = "#0072B2", "#D55E00", "#F0E442"


def overview(activated: np.ndarray, mode: Mode) -> go.Figure:
    """Share of activated neurons in bins along each layer.

    Args:
        activated: (layers, ffn) bool.
    """
    layers, width = activated.shape
    bins = min(BINS, width)
    edges = np.linspace(0, width, bins + 1).astype(int)
    active = activated.astype(np.float32)
    share = np.add.reduceat(active, edges[:-1], axis=1) / np.diff(edges)
    size = int(np.ceil(width / bins))
    step = width / bins
    fig = figure(mode, height=60 + (34 if layers <= 12 else 20) * layers)
    fig.add_heatmap(
        z=share.astype(np.float32), x0=step / 2 - 0.5, dx=step, y0=1, dy=1, zmin=0, zmax=max(0.1, float(np.ceil(share.max() * 10) / 10)),
        colorscale=sequential(mode), hovertemplate=f"layer %{{y}}, {size} neurons around %{{x:.0f}}: %{{z:.0%}} activated<extra></extra>",
        colorbar=colour_bar(tickformat=".0%"),
    )  # fmt: skip
    fig.update_xaxes(title=f"neuron (bins of {size})" if size > 1 else "neuron", showgrid=False, range=[-0.5, width - 0.5])
    _layer_axis(fig, layers)
    head_room(fig, "share activated")
    by_layer = ", ".join(f"{value:.1%}" for value in active.mean(axis=1))
    return describe(fig, f"Share of activated neurons in {layers} layers of {width} neurons: {active.mean():.1%} overall, "
                         f"by layer {by_layer}.")  # fmt: skip


def _layer_axis(fig: go.Figure, layers: int) -> None:
    step = 1 if layers <= 24 else 4
    fig.update_yaxes(title="layer", tickvals=list(range(1, layers + 1, step)), range=[layers + 0.5, 0.5], showgrid=False)


def one_layer(values: np.ndarray, active: np.ndarray, layer: int, what: str, mode: Mode) -> go.Figure:
    """Every neuron of one layer with its value; activated ones stand out.

    Args:
        values: (ffn,).
        active: (ffn,) bool.
        layer: counted from 0.
        what: what the values are, for the axis.
    """
    index = np.arange(len(values))
    fig = figure(mode, height=250)
    for chosen, name, tint in ((~active, "not activated", faint(mode)), (active, "activated", ONLY_B)):
        place = {"x": index[chosen], "y": values[chosen].astype(np.float32), "name": f"{name} ({chosen.sum()})",
                 "hovertemplate": "neuron %{x}: %{y:.3f}<extra></extra>"}  # fmt: skip
        if len(values) < MANY:
            fig.add_bar(**place, marker={"color": tint, "line": {"width": 0}})
        else:
            fig.add_scatter(**place, mode="markers", marker={"color": tint, "size": 3})
    fig.update_layout(bargap=0, barmode="overlay")
    fig.update_xaxes(title=f"neuron of layer {layer + 1}", showgrid=False, range=[-0.5, len(values) - 0.5])
    fig.update_yaxes(title=what, zeroline=True, zerolinecolor=faint(mode))
    head_room(fig)
    return describe(fig, f"Values of the {len(values)} neurons of layer {layer + 1}: {int(active.sum())} are activated; "
                         f"the highest is {values.max():.2f} at neuron {int(values.argmax())}.")  # fmt: skip


def compared(one: np.ndarray, other: np.ndarray, names: tuple[str, str], mode: Mode) -> go.Figure:
    """How many neurons of each layer two prompts activate: only the first, both, only the second.

    Args:
        one, other: (layers, ffn) bool.
    """
    layers, width = one.shape
    fig = figure(mode, height=70 + (36 if layers <= 12 else 22) * layers)
    parts = ((one & ~other, f"only {label(names[0])}", ONLY_A, "#FFFFFF"), (one & other, "both", BOTH, "#111111"),
             (other & ~one, f"only {label(names[1])}", ONLY_B, "#FFFFFF"))  # fmt: skip
    counts = [part.sum(axis=1) for part, *_ in parts]
    neither = width - sum(counts)
    longest = max(int(sum(counts).max()), 1)
    for count, (_, name, tint, letters) in zip(counts, parts, strict=True):
        fig.add_bar(
            y=np.arange(1, layers + 1), x=count, orientation="h", name=name, marker={"color": tint, "line": {"width": 0}},
            text=[str(value) if value > longest / 20 else "" for value in count], textposition="inside", insidetextanchor="middle", textangle=0,
            insidetextfont={"color": letters, "size": 12}, constraintext="none", customdata=neither,
            hovertemplate="layer %{y}, " + name + ": %{x} neurons<br>neither: %{customdata}<extra></extra>",
        )  # fmt: skip
    fig.update_layout(barmode="stack", bargap=0.25, legend={"traceorder": "normal"})
    fig.update_xaxes(title=f"activated neurons (of {width})", rangemode="tozero")
    _layer_axis(fig, layers)
    head_room(fig)
    alone, shared, others = (int(count.sum()) for count in counts)
    return describe(fig, f"Neurons activated by {safe(names[0])} only: {alone}, by both: {shared}, by {safe(names[1])} only: {others}, "
                         f"by neither: {int(neither.sum())}, in {layers} layers.")  # fmt: skip


def overlap_by_layer(values: np.ndarray, overall: float, mode: Mode) -> go.Figure:
    """ON of two prompts within each layer, and over all layers (line). NaN layers say so.

    Args:
        values: (layers,), NaN where one of the two activates nothing.
    """
    fig = figure(mode, height=240)
    layers = np.arange(1, len(values) + 1)
    fig.add_bar(x=layers, y=values.astype(np.float32), marker={"color": accent(mode)}, name="one layer", width=0.7,
                hovertemplate="layer %{x}: ON %{y:.3f}<extra></extra>")  # fmt: skip
    if np.isfinite(overall):
        fig.add_scatter(x=[0.5, len(values) + 0.5], y=[overall, overall], mode="lines", name=f"all layers {overall:.2f}", hoverinfo="skip",
                        line={"color": ink(mode), "dash": "dash", "width": 1.5})  # fmt: skip
    if len(values) <= 12:
        for layer, value in zip(layers, values, strict=True):
            fig.add_annotation(x=layer, y=value if np.isfinite(value) else 0, text=f"{value:.2f}" if np.isfinite(value) else "none",
                               showarrow=False, yanchor="bottom", yshift=2, bgcolor=paper(mode), borderpad=1, font={"size": 12})  # fmt: skip
    fig.update_xaxes(title="layer", showgrid=False, tickvals=layers if len(values) <= 24 else None, range=[0.5, len(values) + 0.5])
    fig.update_yaxes(title="ON", range=[0, 1.08], tickvals=[0, 0.25, 0.5, 0.75, 1])
    head_room(fig)
    words = ", ".join("none" if np.isnan(value) else f"{value:.2f}" for value in values)
    return describe(fig, f"ON of the two prompts by layer: {words}; over all layers {overall:.2f}.")
