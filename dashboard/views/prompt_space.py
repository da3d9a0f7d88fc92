"""Where the prompts lie: projections of their embeddings or of what they stimulate."""

import hashlib

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.background import found
from dashboard.figures import projection as figures
from dashboard.selection import View
from ptlib.analysis import projection
from ptlib.prompts import INERT_ROWS
from ptlib.runs import stimulation_cells, tables

METHODS = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}
OF = {"embedding": "embeddings", "stimulation": "stimulation"}
BY = {"type": "type", "source": "task", "seed": "seed"}


def rows_of(view: View, of: str) -> tuple[list, np.ndarray]:
    """Prompts and their (n, features) rows."""
    entries = [entry for entry in data.library().prompts(view.plm.id) if entry.name in set(view.selection.prompts)]
    if of == "embedding":
        kept = [np.delete(entry.load().values, INERT_ROWS[entry.insertion], axis=0).ravel() for entry in entries]
        return entries, np.stack(kept) if kept else np.empty((0, 0))
    keys = {cell.prompt_name: cell.key for cell in stimulation_cells(data.library(), view.selection)}
    values = {entry.name: data.stimulation(keys[entry.name]) for entry in entries}
    entries = [entry for entry in entries if values[entry.name] is not None]
    return entries, np.stack([values[entry.name].ravel() for entry in entries]) if entries else np.empty((0, 0))


def controls() -> tuple[str, str, int, str, int]:
    one, two, three, four, five = st.columns([3, 2, 1.4, 2, 1.2])
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
    cells = stimulation_cells(data.library(), view.selection)
    missing = tables.missing(data.store(), cells)
    components.status(view, len(missing), len(cells))
    of, method, dimensions, by, seed = controls()
    if of == "stimulation":
        components.run_panel(view, missing, "stimulations")
    entries, rows = rows_of(view, of)
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
    names = [entry.name for entry in entries]
    chosen = st.selectbox("Nearest to", ["nothing", *names], key="near", bind="query-params")
    near = projection.nearest(rows, names.index(chosen)) if chosen in names else []
    picture(view, entries, drawn, by, of, chosen if chosen in names else None, [names[row] for row, _ in near])
    if near:
        st.dataframe(pd.DataFrame({"prompt": [names[row] for row, _ in near], "type": [entries[row].type for row, _ in near],
                                   "cosine": [round(value, 4) for _, value in near]}), hide_index=True, width="stretch")  # fmt: skip


def picture(view: View, entries: list, drawn: projection.Projection, by: str, of: str, chosen: str | None, near: list[str]) -> None:
    points = pd.DataFrame({"name": [entry.name for entry in entries], "source": [entry.task or "random" for entry in entries],
                           "type": [entry.type for entry in entries], "seed": [str(entry.seed) for entry in entries]})  # fmt: skip
    for place, axis in enumerate("xyz"[: drawn.coordinates.shape[1]]):
        points[axis] = drawn.coordinates[:, place]
    titles = figures.axis_titles(drawn.method, drawn.explained, drawn.coordinates.shape[1])
    if drawn.note:
        st.info(drawn.note)
    trust = f", trustworthiness {drawn.trustworthiness:.2f} ({drawn.neighbours} neighbours)" if np.isfinite(drawn.trustworthiness) else ""
    components.show(
        figures.space(points, by, titles, drawn.parameters + trust, view.mode, chosen, near), "prompt-space",
        f"Prompts of {components.plain(view.plm.id)} by their {OF[of]}. Points that lie near each other are alike; with UMAP and t-SNE, "
        "distances between far groups mean little. Trustworthiness says how many of the neighbours drawn are neighbours in full space.",
        table=points,
    )  # fmt: skip


components.guard(body)
