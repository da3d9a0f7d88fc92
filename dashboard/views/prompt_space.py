"""Where the prompts lie: projections of their embeddings or of what they stimulate."""

import html

import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.background import background
from dashboard.gallery import prompt_space as space
from dashboard.gallery.prompt_space import BY, METHODS, OF
from dashboard.live import LIVE
from dashboard.selection import View
from ptlib.analysis import projection


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
    if of == "stimulation":
        components.run_panel(view, missing, "stimulations")
    entries, rows = space.rows_of(LIVE, view, of, by == "plm")
    if len(entries) < space.FEWEST:
        st.info(f"A projection needs at least {space.FEWEST} prompts; here are {len(entries)}."
                + (" Run the missing stimulations above." if of == "stimulation" and missing else ""))  # fmt: skip
        return
    names = [entry.name for entry in entries]
    chosen = st.selectbox("Nearest to", ["nothing", *names], key="near", bind="query-params")
    settings = {"of": of, "method": method, "dimensions": dimensions, "by": by, "seed": seed, "near": chosen if chosen in names else ""}
    drawn = components.draw("prompt-space", view, settings)
    if drawn.note:
        st.info(drawn.note)
    if not drawn.statistic.startswith(space.MEANWHILE):
        # UMAP is compiled at its first use, which takes longer than anybody waits.
        background().get("warm up", projection.warm_up)
    components.present(drawn, "prompt-space", view, settings,
                       **({"on_select": clicked, "selection_mode": "points"} if dimensions == 2 else {}))  # fmt: skip
    if chosen in names:
        near = projection.nearest(rows, names.index(chosen))
        st.dataframe(pd.DataFrame({"prompt": [names[row] for row, _ in near], "type": [entries[row].type for row, _ in near],
                                   "cosine": [round(value, 4) for _, value in near]}), hide_index=True, width="stretch")  # fmt: skip


components.guard(body)
