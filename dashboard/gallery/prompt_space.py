"""Prompt space: projections of prompts' embeddings, directions or stimulations."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from dashboard.figures import projection as figures
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.source import Source
from dashboard.view import View
from ptlib.analysis import projection, stability
from ptlib.errors import RunError
from ptlib.library import PromptEntry
from ptlib.plms import PlmInfo
from ptlib.prompts import inert_rows

AUTO = "auto"
METHODS = {AUTO: "auto", "pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}
OF = {"embedding": "embeddings", "direction": "directions", "stimulation": "stimulation"}
BY = {"type": "type", "source": "task", "seed": "seed", "plm": "PLM"}
FEWEST = 4


def plms_of(source: Source, view: View, of: str, all_plms: bool) -> list[PlmInfo]:
    """The PLM, or every one whose rows can be compared with its: of one width, or for stimulations of one shape."""
    if not all_plms:
        return [view.plm]
    shape = ("hidden",) if of != "stimulation" else ("hidden", "layers", "ffn")
    return [plm for plm in source.library().plms.values() if all(getattr(plm, side) == getattr(view.plm, side) for side in shape)]


def wanted(source: Source, view: View, entry: PromptEntry, projected: bool) -> bool:
    """Whether the selection takes a prompt: its tasks and seeds, prompts of no task, and everything where nothing was picked."""
    if "projector" in entry.meta:
        # A projector makes dozens: they come when asked for.
        return projected
    if entry.name in source.library().further:
        return entry.name in view.further
    everything = set(view.sources) == set(source.library().sources_for(view.plm.id))
    return entry.kind == "random" or (
        (everything or entry.task in view.sources) and (entry.plm_id != view.plm.id or entry.seed in (*view.seeds, None))
    )


def rows_of(source: Source, view: View, of: str, all_plms: bool, projected: bool = False) -> tuple[list[PromptEntry], np.ndarray]:
    """Prompts and their (n, features) rows, kept; those without a stimulation are left out.

    Args:
        projected: whether prompts that projectors carried here count.
    """
    if of == "stimulation":
        return _rows(source, view, of, all_plms, projected)
    key = ("rows", of, all_plms, projected, view.selection, tuple(view.sources), tuple(view.seeds), tuple(view.further))
    return source.of_library(key, lambda: _rows(source, view, of, all_plms, projected))


def _rows(source: Source, view: View, of: str, all_plms: bool, projected: bool) -> tuple[list[PromptEntry], np.ndarray]:
    chosen = [(plm, entry) for plm in plms_of(source, view, of, all_plms) for entry in source.library().prompts(plm.id)
              if wanted(source, view, entry, projected)]  # fmt: skip
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
            found |= source.states(source.stimulations(replace(view.selection, plm=plm.id, prompts=names)))
        entries = [entry for _, entry in chosen if entry.name in found]
        rows = [found[entry.name].values.ravel() for entry in entries]
    # Prompts of another length cannot be compared as wholes; the most common length is kept.
    sizes = [len(row) for row in rows]
    common = max(set(sizes), key=sizes.count, default=0)
    kept = [place for place, size in enumerate(sizes) if size == common]
    return [entries[place] for place in kept], np.stack([rows[place] for place in kept]) if kept else np.empty((0, 0))


def points_of(entries: list[PromptEntry], coordinates: np.ndarray) -> pd.DataFrame:
    """One row a prompt: name, source, type, seed, plm and its coordinates."""
    points = pd.DataFrame({"name": [entry.name for entry in entries], "source": [entry.task or "random" for entry in entries],
                           "type": [entry.type for entry in entries], "seed": [str(entry.seed) for entry in entries],
                           "plm": [entry.plm_id for entry in entries]})  # fmt: skip
    for place, axis in enumerate("xyz"[: coordinates.shape[1]]):
        points[axis] = coordinates[:, place]
    return points


class Placed(NamedTuple):
    """Prompts with their places in a drawing."""

    drawn: projection.Projection
    """PCA while the projection asked for is being computed."""
    why: str
    """Why this method, where nobody chose one."""
    again: stability.Stability | None
    """Further drawings of the same points, where they were asked for and are there."""


def placed(source: Source, rows: np.ndarray, settings: Settings) -> Placed:
    """The projection asked for; PCA while it is being computed, so that there is something to see meanwhile."""
    method, dimensions, seed, why = settings["method"], settings["dimensions"], settings["seed"], ""
    if method == AUTO:
        method, why = projection.default_method(len(rows))
    key = f"{hashlib.sha256(rows.tobytes()).hexdigest()} {method} {dimensions} {seed}"
    drawn = source.found(f"space {key}", METHODS[method], projection.project, rows, method, dimensions, seed)
    if drawn is None:
        coordinates, shares = projection.principal_coordinates(rows, dimensions)
        return Placed(projection.Projection(coordinates, "pca", shares, float("nan"), 0, MEANWHILE, ""), "", None)
    again = None
    if settings["again"]:
        again = source.found(
            f"stability {key}", "how far the points move when drawn again", stability.stability, rows, method, dimensions, seed
        )
    return Placed(drawn, why, again)


MEANWHILE = "PCA meanwhile"


def checked(settings: Settings) -> None:
    """Raises RunError for a setting that is none."""
    for name, known in (("of", OF), ("method", METHODS), ("by", BY), ("dimensions", (2, 3))):
        if settings[name] not in known:
            raise RunError(
                "this cannot be drawn", where=f"prompt-space: {name}", found=repr(settings[name]), expected=f"one of {list(known)}"
            )


def space(source: Source, view: View, settings: Settings) -> Drawn:
    """Prompts as points; one of them and its nearest may be ringed.

    Raises:
        RunError: a setting that is none, or fewer than four prompts.
    """
    checked(settings)
    entries, rows = rows_of(source, view, settings["of"], settings["by"] == "plm", settings["projected"])
    if len(entries) < FEWEST:
        raise RunError(f"a projection needs at least {FEWEST} prompts", where="prompt-space", found=len(entries), mend="Select more, or run their stimulations.")  # fmt: skip
    drawn, why, again = placed(source, rows, settings)
    names, points = [entry.name for entry in entries], points_of(entries, drawn.coordinates)
    chosen = settings["near"] if settings["near"] in names else None
    near = [names[one.row] for one in projection.nearest(rows, names.index(chosen), drawn.coordinates)] if chosen else []
    titles = figures.axis_titles(drawn.method, drawn.explained, drawn.coordinates.shape[1])
    trust = f", trustworthiness {drawn.trustworthiness:.2f} ({drawn.neighbours} neighbours)" if np.isfinite(drawn.trustworthiness) else ""
    places = hashlib.sha256(drawn.coordinates.tobytes() + (b"" if again is None else again.drawings.tobytes())).hexdigest()
    key = ("space figure", tuple(names), places, settings["by"], tuple(titles), drawn.parameters + trust, view.mode, chosen, tuple(near))
    fig = source.of_library(key, lambda: figures.space(
        points, settings["by"], titles, drawn.parameters + trust, view.mode, chosen, near, None if again is None else again.drawings[1:],
        () if again is None else again.movers()))  # fmt: skip
    return Drawn(
        fig, caption_of(view, settings) + (f" Drawn by {why}." if why else "")
        + (" Colour: type of the task; point at a prompt for its name." if settings["by"] == "source" and figures.keyed_by_type(points) else "")
        + ("" if again is None else " Grey lines lead from the points that move most to where they lie in other drawings."),
        points if again is None else points.assign(movement=again.movement),
        f"{drawn.parameters}{trust}." + ("" if again is None else f" {steadiness(again)}"), hint="" if "z" in points else "Click a point for its nearest.",
        note=drawn.note, behind=Placed(drawn, why, again),
    )  # fmt: skip


def caption_of(view: View, settings: Settings) -> str:
    """What the figure shows and how to read it."""
    of = settings["of"]
    whose = ("every PLM of this shape" if of == "stimulation" else "every PLM of this width") if settings["by"] == "plm" else view.plm.id
    return (
        f"Prompts of {whose} by their {OF[of]}. Points that lie near each other are alike; with UMAP and t-SNE, distances between far groups mean little. "
        + ("Directions: every prompt scaled to length 1, since norms differ widely. " if of == "direction" else "")
        + ("Rows that never reach the PLM are left out. " if of != "stimulation" else "")
        + "Trustworthiness says how many of the neighbours drawn are neighbours in full space."
    )


def steadiness(again: stability.Stability) -> str:
    """How far the picture can be trusted, in words."""
    middle, low, high = np.quantile(again.movement, [0.5, 0.05, 0.95])
    verdict = ("The picture hardly depends on chance" if middle <= stability.STEADY else "Places depend in part on chance: read groups, not places"
               if middle < stability.LOOSE else "Places depend mostly on chance: read only which points stay together")  # fmt: skip
    trust = again.trust[np.isfinite(again.trust)]
    spread = f" Trustworthiness {trust.mean():.2f} ({trust.min():.2f} to {trust.max():.2f})." if len(trust) else ""
    return (f"{verdict}. Drawn {len(again.drawings)} times ({again.over}), half of the {len(again.movement)} points move by less than {middle:.0%} of the figure's "
            f"spread (90 % of them by {low:.0%} to {high:.0%}).{spread}")  # fmt: skip


FIGURES = {
    "prompt-space": Figure("Prompt space", space, {
        "of": "embedding", "method": AUTO, "dimensions": 2, "by": "type", "seed": 0, "near": "", "again": False, "projected": False}, ()),
}  # fmt: skip
