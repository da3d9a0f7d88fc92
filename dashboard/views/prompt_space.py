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
from ptlib.analysis import projection, stability
from ptlib.library import PromptEntry
from ptlib.neurons.overlap import overlap
from ptlib.plms import PlmInfo
from ptlib.prompts import inert_rows

AUTO = "auto"
METHODS = {AUTO: "auto", "pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}
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
    row = st.container(horizontal=True)
    of = row.segmented_control("Of", list(OF), format_func=OF.get, default="embedding", key="of", bind="query-params", required=True)
    method = row.segmented_control("Method", list(METHODS), format_func=METHODS.get, default=AUTO, key="method", bind="query-params", required=True,
                                   help="Auto takes the one that suits the number of prompts, and says why.")  # fmt: skip
    dimensions = row.segmented_control("Dimensions", [2, 3], default=2, key="dims", bind="query-params", required=True)
    by = row.segmented_control("Colour", list(BY), format_func=BY.get, default="type", key="by", bind="query-params", required=True)
    seed = row.number_input("Seed", 0, 999, 0, key="projection-seed", bind="query-params", width=110,
                            help="Of UMAP and t-SNE; those that follow it are drawn as well, to see what depends on it.")  # fmt: skip
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
    if of == "stimulation":
        entries, rows = rows_of(view, of, by == "plm")
    else:
        key = ("rows", of, by == "plm", view.selection, tuple(view.sources), tuple(view.seeds))
        entries, rows = data.of_library(key, lambda: rows_of(view, of, by == "plm"))
    if len(entries) < 4:
        st.info(f"A projection needs at least 4 prompts; here are {len(entries)}."
                + (" Run the missing stimulations above." if of == "stimulation" and missing else ""))  # fmt: skip
        return
    why = ""
    if method == AUTO:
        method, why = projection.default_method(len(rows))
    key = f"{hashlib.sha256(rows.tobytes()).hexdigest()} {method} {dimensions} {seed}"
    drawn = found(f"space {key}", METHODS[method], projection.project, rows, method, dimensions, seed)
    again = None
    if drawn is None:
        # PCA of a few hundred prompts takes milliseconds, so there is something to see meanwhile.
        coordinates, shares = projection.principal_coordinates(rows, dimensions)
        drawn = projection.Projection(coordinates, "pca", shares, float("nan"), 0, "PCA meanwhile", "")
    else:
        # UMAP is compiled at its first use, which takes longer than anybody waits.
        background().get("warm up", projection.warm_up)
        # Rows that a run is adding to are others every second; nobody would see what is found of them.
        if of != "stimulation" or not data.busy():
            again = found(
                f"stability {key}", "how far the points move when drawn again", stability.stability, rows, method, dimensions, seed
            )
    names = [entry.name for entry in entries]
    chosen = st.selectbox("Nearest to", ["nothing", *names], key="near", bind="query-params")
    near = projection.nearest(rows, names.index(chosen), drawn.coordinates) if chosen in names else []
    picture(view, entries, drawn, again, by, of, why, chosen if chosen in names else None, [names[one.row] for one in near])
    if near:
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
    st.markdown(steadiness(again))
    with st.expander("Prompts that move most when drawn again"):
        st.dataframe(pd.DataFrame({"prompt": [entries[row].name for row in rows], "type": [entries[row].type for row in rows],
                                   "movement": again.movement[rows].round(3)}), hide_index=True, width="stretch")  # fmt: skip
        st.caption("Movement: root mean square distance of a point to its mean place over the drawings, in units of the figure's spread (the root mean "
                   "square distance of all points to their centre). Drawings are shifted, turned, mirrored and scaled as a whole before "
                   "(ordinary Procrustes analysis).")  # fmt: skip


def steadiness(again: stability.Stability) -> str:
    """How far the picture can be trusted, in words."""
    middle, low, high = np.quantile(again.movement, [0.5, 0.05, 0.95])
    verdict = ("The picture hardly depends on chance" if middle <= stability.STEADY else "Places depend in part on chance: read groups, not places"
               if middle < stability.LOOSE else "Places depend mostly on chance: read only which points stay together")  # fmt: skip
    trust = again.trust[np.isfinite(again.trust)]
    spread = f" Trustworthiness {trust.mean():.2f} ({trust.min():.2f} to {trust.max():.2f})." if len(trust) else ""
    return (f"**{verdict}.** Drawn {len(again.drawings)} times ({again.over}), half of the {len(again.movement)} points move by less than {middle:.0%} of the figure's "
            f"spread (90 % of them by {low:.0%} to {high:.0%}).{spread}")  # fmt: skip


def picture(
    view: View, entries: list, drawn: projection.Projection, again: stability.Stability | None, by: str, of: str, why: str, chosen: str | None,
    near: list[str],
) -> None:  # fmt: skip
    points = pd.DataFrame({"name": [entry.name for entry in entries], "source": [entry.task or "random" for entry in entries],
                           "type": [entry.type for entry in entries], "seed": [str(entry.seed) for entry in entries],
                           "plm": [entry.plm_id for entry in entries]})  # fmt: skip
    for place, axis in enumerate("xyz"[: drawn.coordinates.shape[1]]):
        points[axis] = drawn.coordinates[:, place]
    titles = figures.axis_titles(drawn.method, drawn.explained, drawn.coordinates.shape[1])
    if drawn.note:
        st.info(drawn.note)
    trust = f", trustworthiness {drawn.trustworthiness:.2f} ({drawn.neighbours} neighbours)" if np.isfinite(drawn.trustworthiness) else ""
    fig = figures.space(points, by, titles, drawn.parameters + trust, view.mode, chosen, near, None if again is None else again.drawings[1:],
                        () if again is None else again.movers())  # fmt: skip
    table = points if again is None else points.assign(movement=again.movement)
    components.show(fig, "prompt-space", in_words(view, by, of) + (f"Drawn by {why}. " if why else "")
                    + ("Grey lines lead from the points that move most to where they lie in other drawings. " if again is not None else "") + "Click a point for its nearest.",
                    table=table, **({"on_select": clicked, "selection_mode": "points"} if "z" not in points else {}))  # fmt: skip


def in_words(view: View, by: str, of: str) -> str:
    """What the figure shows and how to read it."""
    whose = (
        ("every PLM of this shape" if of == "stimulation" else "every PLM of this width") if by == "plm" else components.plain(view.plm.id)
    )
    return (
        f"Prompts of {whose} by their {OF[of]}. Points that lie near each other are alike; with UMAP and t-SNE, distances between far groups mean little. "
        + ("Directions: every prompt scaled to length 1, since norms differ widely. " if of == "direction" else "")
        + ("Rows that never reach the PLM are left out. " if of != "stimulation" else "")
        + "Trustworthiness says how many of the neighbours drawn are neighbours in full space. "
    )


components.guard(body)
