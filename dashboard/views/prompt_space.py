"""Where the prompts lie: projections of their embeddings or of what they stimulate."""

import html
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.background import background
from dashboard.gallery import prompt_space as space
from dashboard.gallery.prompt_space import AUTO, BY, METHODS, OF
from dashboard.live import LIVE
from dashboard.selection import View
from ptlib.analysis import projection, stability
from ptlib.library import PromptEntry
from ptlib.neurons.overlap import overlap


def clicked() -> None:
    """A click on a point asks for its nearest."""
    points = st.session_state["figure-prompt-space"].selection.points
    if points and points[0].get("hovertext"):
        st.session_state["near"] = html.unescape(points[0]["hovertext"])


def controls() -> dict[str, Any]:
    """Draws the figure's controls and gives its settings."""
    row = st.container(horizontal=True)
    of = row.segmented_control("Of", list(OF), format_func=OF.get, default="embedding", key="of", bind="query-params", required=True)
    method = row.segmented_control("Method", list(METHODS), format_func=METHODS.get, default=AUTO, key="method", bind="query-params", required=True,
                                   help="Auto takes the one that suits the number of prompts, and says why.")  # fmt: skip
    dimensions = row.segmented_control("Dimensions", [2, 3], default=2, key="dims", bind="query-params", required=True)
    by = row.segmented_control("Colour", list(BY), format_func=BY.get, default="type", key="by", bind="query-params", required=True)
    seed = row.number_input("Seed", 0, 999, 0, key="projection-seed", bind="query-params", width=110,
                            help="Of UMAP and t-SNE; those that follow it are drawn as well, to see what depends on it.")  # fmt: skip
    # Rows that a run is adding to are others every second; nobody would see what is found of them.
    again = of != "stimulation" or not data.busy()
    return {"of": of, "method": method, "dimensions": dimensions, "by": by, "seed": int(seed), "again": again}


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Prompt space")
    # Not live: rows that a run is adding to would be projected anew every other second.
    components.apart(lambda: findings(view))


def findings(view: View) -> None:
    """The figure's controls, the figure, and what is near whom."""
    cells, missing = data.stimulations(view.selection), data.missing_stimulations(view)
    stimulated = st.session_state.get("of") == "stimulation"
    components.status(view, len(missing) if stimulated or view.plm.here else 0, len(cells))
    settings = controls()
    of, dimensions = settings["of"], settings["dimensions"]
    if any("projector" in entry.meta for entry in data.library().prompts(view.plm.id, ("projected",))):
        settings["projected"] = st.toggle("Prompts that projectors carried here", key="projected", bind="query-params")
    if of == "stimulation":
        components.run_panel(view, missing, "stimulations")
    entries, rows = space.rows_of(LIVE, view, of, settings["by"] == "plm", settings.get("projected", False))
    if len(entries) < space.FEWEST:
        st.info(f"A projection needs at least {space.FEWEST} prompts; here are {len(entries)}."
                + (" Run the missing stimulations above." if of == "stimulation" and missing else ""))  # fmt: skip
        return
    names = [entry.name for entry in entries]
    chosen = st.selectbox("Nearest to", ["nothing", *names], key="near", bind="query-params")
    settings = {**settings, "near": chosen if chosen in names else ""}
    drawn = components.draw("prompt-space", view, settings)
    if drawn.note:
        st.info(drawn.note)
    components.present(drawn, "prompt-space", view, settings,
                       **({"on_select": clicked, "selection_mode": "points"} if dimensions == 2 else {}))  # fmt: skip
    place, _, again = drawn.behind
    if place.parameters != space.MEANWHILE:
        # UMAP is compiled at its first use, which takes longer than anybody waits.
        background().get("warm up", projection.warm_up)
    if chosen in names:
        near = projection.nearest(rows, names.index(chosen), place.coordinates)
        neighbours(entries, rows, near, names.index(chosen), of, again)
    if again is not None:
        moved(entries, again)


def neighbours(
    entries: list[PromptEntry], rows: np.ndarray, near: list[projection.Neighbour], index: int, of: str, again: stability.Stability | None
) -> None:
    """The nearest prompts in full space, how near they are, and whether the drawing keeps them."""
    table = pd.DataFrame({"prompt": [entries[one.row].name for one in near], "type": [entries[one.row].type for one in near],
                          "cosine": [one.cosine for one in near], "distance": [one.distance for one in near]})  # fmt: skip
    if of == "stimulation":
        active = rows[[index, *(one.row for one in near)]] > 0
        table["ON"] = overlap(active[:, None, :])[0, 1:]
    table["place in the drawing"] = [one.place for one in near]
    if again is not None:
        share = [stability.kept(again.drawings, index, one.row, len(near)) for one in near]
        table["kept when drawn again"] = [f"{number} of {len(again.drawings)}" for number in share]
    inside = sum(one.place <= len(near) for one in near)
    st.markdown(f"**Nearest to {components.plain(entries[index].name)}**: {inside} of the {len(near)} prompts most like it are among the {len(near)} "
                "nearest points of the drawing.")  # fmt: skip
    st.dataframe(table.round(4), hide_index=True, width="stretch")
    st.caption("Cosine and Euclidean distance in full space, all features. "
               + ("ON: overlapping rate of activated neurons. " if of == "stimulation" else "")
               + f"Kept: in how many of the drawings it is one of the {len(near)} nearest points.")  # fmt: skip


def moved(entries: list[PromptEntry], again: stability.Stability) -> None:
    """The prompts whose place depends most on chance."""
    rows = again.movers()
    st.markdown(components.plain(space.steadiness(again)))
    with st.expander("Prompts that move most when drawn again"):
        st.dataframe(pd.DataFrame({"prompt": [entries[row].name for row in rows], "type": [entries[row].type for row in rows],
                                   "movement": again.movement[rows].round(3)}), hide_index=True, width="stretch")  # fmt: skip
        st.caption("Movement: root mean square distance of a point to its mean place over the drawings, in units of the figure's spread (the root mean "
                   "square distance of all points to their centre). Drawings are shifted, turned, mirrored and scaled as a whole before "
                   "(ordinary Procrustes analysis).")  # fmt: skip


components.guard(body)
