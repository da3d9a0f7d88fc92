"""Where the prompts lie: projections of their embeddings or of what they stimulate."""

import hashlib
import html

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.background import found
from dashboard.figures import projection as figures
from dashboard.selection import View
from ptlib.analysis import projection
from ptlib.library import PromptEntry
from ptlib.prompts import inert_rows
from ptlib.runs import Selection, select, stimulation_cells, tables

METHODS = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}
OF = {"embedding": "embeddings", "stimulation": "stimulation"}
BY = {"type": "type", "source": "task", "seed": "seed", "plm": "PLM"}


def selections(view: View, all_plms: bool) -> list[Selection]:
    """The selection, or the same one on every PLM of the same shape."""
    if not all_plms:
        return [view.selection]
    shape = (view.plm.hidden, view.plm.layers, view.plm.ffn)
    alike = [plm.id for plm in data.library().plms.values() if (plm.hidden, plm.layers, plm.ffn) == shape]
    return [select(data.library(), plm, sources=view.sources, seeds=view.seeds, limit=view.limit) for plm in alike]


def rows_of(view: View, of: str, all_plms: bool) -> tuple[list[PromptEntry], np.ndarray]:
    """Prompts and their (n, features) rows; those without a stimulation are left out."""
    entries, rows = [], []
    for selection in selections(view, all_plms):
        keys = {cell.prompt_name: cell.key for cell in stimulation_cells(data.library(), selection)}
        plm = data.library().plm(selection.plm)
        for entry in data.library().prompts(plm.id):
            if entry.name not in keys:
                continue
            if of == "embedding":
                row = np.delete(entry.load().values, inert_rows(entry.insertion, plm.family), axis=0)
            else:
                states = data.stimulation(keys[entry.name])
                row = None if states is None else states.values
            if row is not None:
                entries.append(entry)
                rows.append(row.ravel())
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
    one, two, three, four, five = st.columns([2.3, 2.1, 1.3, 2.7, 1.2])
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
    entries, rows = rows_of(view, of, by == "plm")
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
                           "type": [entry.type for entry in entries], "seed": [str(entry.seed) for entry in entries],
                           "plm": [entry.plm_id for entry in entries]})  # fmt: skip
    for place, axis in enumerate("xyz"[: drawn.coordinates.shape[1]]):
        points[axis] = drawn.coordinates[:, place]
    titles = figures.axis_titles(drawn.method, drawn.explained, drawn.coordinates.shape[1])
    if drawn.note:
        st.info(drawn.note)
    trust = f", trustworthiness {drawn.trustworthiness:.2f} ({drawn.neighbours} neighbours)" if np.isfinite(drawn.trustworthiness) else ""
    whose = "every PLM of this shape" if by == "plm" else components.plain(view.plm.id)
    components.show(
        figures.space(points, by, titles, drawn.parameters + trust, view.mode, chosen, near), "prompt-space",
        f"Prompts of {whose} by their {OF[of]}. Points that lie near each other are alike; with UMAP and t-SNE, "
        "distances between far groups mean little. Click a point for its nearest. Trustworthiness says how many of the neighbours drawn are neighbours in full space.",
        table=points, **({"on_select": clicked, "selection_mode": "points"} if "z" not in points else {}),
    )  # fmt: skip


components.guard(body)
