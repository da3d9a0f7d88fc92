"""Where the prompts lie: projections of their embeddings or of what they stimulate."""

import hashlib
import html
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.background import background, found
from dashboard.figures import projection as figures
from dashboard.selection import View
from ptlib.analysis import projection
from ptlib.library import PromptEntry
from ptlib.plms import PlmInfo
from ptlib.prompts import inert_rows

METHODS = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}
OF = {"embedding": "embeddings", "direction": "directions", "stimulation": "stimulation"}
BY = {"type": "type", "source": "task", "seed": "seed", "plm": "PLM"}


def plms_of(view: View, of: str, all_plms: bool) -> list[PlmInfo]:
    """The PLM, or every one whose rows can be compared with its: of one width, or for stimulations of one shape."""
    if not all_plms:
        return [view.plm]
    shape = ("hidden",) if of != "stimulation" else ("hidden", "layers", "ffn")
    return [plm for plm in data.library().plms.values() if all(getattr(plm, side) == getattr(view.plm, side) for side in shape)]


def wanted(view: View, entry: PromptEntry) -> bool:
    """Whether the selection takes a prompt: its tasks and seeds, prompts of no task, and everything where nothing was picked."""
    if "projector" in entry.meta:
        # A projector makes dozens: they come when asked for.
        return bool(st.session_state.get("projected"))
    if entry.name in data.library().further:
        return entry.name in view.further
    everything = set(view.sources) == set(data.library().sources_for(view.plm.id))
    return entry.kind == "random" or (
        (everything or entry.task in view.sources) and (entry.plm_id != view.plm.id or entry.seed in (*view.seeds, None))
    )


def rows_of(view: View, of: str, all_plms: bool) -> tuple[list[PromptEntry], np.ndarray]:
    """Prompts and their (n, features) rows; those without a stimulation are left out."""
    chosen = [(plm, entry) for plm in plms_of(view, of, all_plms) for entry in data.library().prompts(plm.id) if wanted(view, entry)]
    if of != "stimulation":
        # A row that never reaches one of the PLMs is left out for all: otherwise their lengths would differ.
        inert = sorted({row for plm, entry in chosen for row in inert_rows(entry.insertion, plm.family)})
        entries = [entry for _, entry in chosen]
        rows = [np.delete(entry.load().values, [row for row in inert if row < entry.length], axis=0).ravel() for entry in entries]
        rows = [row / max(float(np.linalg.norm(row)), 1e-30) for row in rows] if of == "direction" else rows
    else:
        found = {}
        for plm in {plm.id: plm for plm, _ in chosen}.values():
            names = tuple(entry.name for one, entry in chosen if one.id == plm.id)
            found |= data.states(data.stimulations(replace(view.selection, plm=plm.id, prompts=names)))
        entries = [entry for _, entry in chosen if entry.name in found]
        rows = [found[entry.name].values.ravel() for entry in entries]
    # Prompts of another length cannot be compared as wholes; the most common length is kept.
    sizes = [len(row) for row in rows]
    common = max(set(sizes), key=sizes.count, default=0)
    kept = [place for place, size in enumerate(sizes) if size == common]
    return [entries[place] for place in kept], np.stack([rows[place] for place in kept]) if kept else np.empty((0, 0))


def clicked() -> None:
    """A click on a point asks for its nearest."""
    points = st.session_state["figure-prompt-space"].selection.points
    if points and points[0].get("hovertext"):
        st.session_state["near"] = html.unescape(points[0]["hovertext"])


def controls() -> tuple[str, str, int, str, int]:
    one, two, three, four, five = st.columns([3.3, 2.2, 1.2, 2.7, 1.0])
    of = one.segmented_control("Of", list(OF), format_func=OF.get, default="embedding", key="of", bind="query-params", required=True)
    method = two.segmented_control(
        "Method",
        list(METHODS),
        format_func=METHODS.get,
        default="pca",
        key="method",
        bind="query-params",
        required=True,
    )
    dimensions = three.segmented_control("Dimensions", [2, 3], default=2, key="dims", bind="query-params", required=True)
    by = four.segmented_control("Colour", list(BY), format_func=BY.get, default="type", key="by", bind="query-params", required=True)
    seed = five.number_input("Seed", 0, 999, 0, key="projection-seed", bind="query-params", help="Of UMAP and t-SNE.")
    return of, method, dimensions, by, int(seed)


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Prompt space")
    cells, missing = data.stimulations(view.selection), data.missing_stimulations(view)
    stimulated = st.session_state.get("of") == "stimulation"
    components.status(view, len(missing) if stimulated or view.plm.here else 0, len(cells))
    of, method, dimensions, by, seed = controls()
    if any("projector" in entry.meta for entry in data.library().prompts(view.plm.id, ("projected",))):
        st.toggle("Prompts that projectors carried here", key="projected", bind="query-params")
    if of == "stimulation":
        components.run_panel(view, missing, "stimulations")
    if of == "stimulation":
        entries, rows = rows_of(view, of, by == "plm")
    else:
        key = ("rows", of, by == "plm", view.selection, tuple(view.sources), tuple(view.seeds), st.session_state.get("projected"))
        entries, rows = data.of_library(key, lambda: rows_of(view, of, by == "plm"))
    if len(entries) < 4:
        st.info(f"A projection needs at least 4 prompts; here are {len(entries)}."
                + (" Run the missing stimulations above." if of == "stimulation" and missing else ""))  # fmt: skip
        return
    digest = hashlib.sha256(rows.tobytes()).hexdigest()
    drawn = found(
        f"space {digest} {method} {dimensions} {seed}",
        f"{METHODS[method]}",
        projection.project,
        rows,
        method,
        dimensions,
        seed,
    )
    if drawn is None:
        # PCA of a few hundred prompts takes milliseconds, so there is something to see meanwhile.
        coordinates, shares = projection.principal_coordinates(rows, dimensions)
        drawn = projection.Projection(coordinates, "pca", shares, float("nan"), 0, "PCA meanwhile", "")
    else:
        # UMAP is compiled at its first use, which takes longer than anybody waits.
        background().get("warm up", projection.warm_up)
    names = [entry.name for entry in entries]
    chosen = st.selectbox("Nearest to", ["nothing", *names], key="near", bind="query-params")
    near = projection.nearest(rows, names.index(chosen)) if chosen in names else []
    picture(view, entries, drawn, by, of, chosen if chosen in names else None, [names[row] for row, _ in near])
    if near:
        st.dataframe(pd.DataFrame({"prompt": [names[row] for row, _ in near], "type": [entries[row].type for row, _ in near],
                                   "cosine": [round(value, 4) for _, value in near]}), hide_index=True, width="stretch")  # fmt: skip


def picture(view: View, entries: list, drawn: projection.Projection, by: str, of: str, chosen: str | None, near: list[str]) -> None:
    points = pd.DataFrame({"name": [entry.name for entry in entries], "source": [entry.task or "random" for entry in entries],
                           "type": [entry.type for entry in entries], "seed": [str(entry.seed) for entry in entries],
                           "plm": [entry.plm_id for entry in entries]})  # fmt: skip
    for place, axis in enumerate("xyz"[: drawn.coordinates.shape[1]]):
        points[axis] = drawn.coordinates[:, place]
    titles = figures.axis_titles(drawn.method, drawn.explained, drawn.coordinates.shape[1])
    if drawn.note:
        st.info(drawn.note)
    trust = f", trustworthiness {drawn.trustworthiness:.2f} ({drawn.neighbours} neighbours)" if np.isfinite(drawn.trustworthiness) else ""
    whose = (
        ("every PLM of this shape" if of == "stimulation" else "every PLM of this width") if by == "plm" else components.plain(view.plm.id)
    )
    components.show(
        figures.space(points, by, titles, drawn.parameters + trust, view.mode, chosen, near), "prompt-space",
        f"Prompts of {whose} by their {OF[of]}. Points that lie near each other are alike; with UMAP and t-SNE, "
        "distances between far groups mean little. "
        + ("Directions: every prompt scaled to length 1, since norms differ widely. " if of == "direction" else "")
        + ("Rows that never reach the PLM are left out. " if of != "stimulation" else "") + "Click a point for its nearest. Trustworthiness says how many of the neighbours drawn are neighbours in full space.",
        table=points, **({"on_select": clicked, "selection_mode": "points"} if "z" not in points else {}),
    )  # fmt: skip


components.guard(body)
