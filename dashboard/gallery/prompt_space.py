"""Prompt space: projections of prompts' embeddings, directions or stimulations."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd

from dashboard.figures import projection as figures
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.source import Source
from dashboard.view import View
from ptlib.analysis import projection
from ptlib.errors import RunError
from ptlib.library import PromptEntry
from ptlib.plms import PlmInfo
from ptlib.prompts import inert_rows

METHODS = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}
OF = {"embedding": "embeddings", "direction": "directions", "stimulation": "stimulation"}
BY = {"type": "type", "source": "task", "seed": "seed", "plm": "PLM"}
FEWEST = 4


def plms_of(source: Source, view: View, of: str, all_plms: bool) -> list[PlmInfo]:
    """The PLM, or every one whose rows can be compared with its: of one width, or for stimulations of one shape."""
    if not all_plms:
        return [view.plm]
    shape = ("hidden",) if of != "stimulation" else ("hidden", "layers", "ffn")
    return [plm for plm in source.library().plms.values() if all(getattr(plm, side) == getattr(view.plm, side) for side in shape)]


def wanted(source: Source, view: View, entry: PromptEntry) -> bool:
    """Whether the selection takes a prompt: its tasks and seeds, prompts of no task, and everything where nothing was picked."""
    everything = set(view.sources) == set(source.library().sources_for(view.plm.id))
    return entry.kind == "random" or (
        (everything or entry.task in view.sources) and (entry.plm_id != view.plm.id or entry.seed in (*view.seeds, None))
    )


def rows_of(source: Source, view: View, of: str, all_plms: bool) -> tuple[list[PromptEntry], np.ndarray]:
    """Prompts and their (n, features) rows, kept; those without a stimulation are left out."""
    if of == "stimulation":
        return _rows(source, view, of, all_plms)
    key = ("rows", of, all_plms, view.selection, tuple(view.sources), tuple(view.seeds))
    return source.of_library(key, lambda: _rows(source, view, of, all_plms))


def _rows(source: Source, view: View, of: str, all_plms: bool) -> tuple[list[PromptEntry], np.ndarray]:
    chosen = [(plm, entry) for plm in plms_of(source, view, of, all_plms) for entry in source.library().prompts(plm.id)
              if wanted(source, view, entry)]  # fmt: skip
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


def projected(source: Source, rows: np.ndarray, settings: Settings) -> projection.Projection:
    """The projection asked for; PCA while it is being computed, so that there is something to see meanwhile."""
    method, dimensions, seed = settings["method"], settings["dimensions"], settings["seed"]
    digest = hashlib.sha256(rows.tobytes()).hexdigest()
    drawn = source.found(
        f"space {digest} {method} {dimensions} {seed}", METHODS[method], projection.project, rows, method, dimensions, seed
    )
    if drawn is not None:
        return drawn
    coordinates, shares = projection.principal_coordinates(rows, dimensions)
    return projection.Projection(coordinates, "pca", shares, float("nan"), 0, MEANWHILE, "")


MEANWHILE = "PCA meanwhile"


def space(source: Source, view: View, settings: Settings) -> Drawn:
    """Prompts as points; one of them and its nearest may be ringed.

    Raises:
        RunError: a setting that is none, or fewer than four prompts.
    """
    for name, known in (("of", OF), ("method", METHODS), ("by", BY), ("dimensions", (2, 3))):
        if settings[name] not in known:
            raise RunError(
                "this cannot be drawn", where=f"prompt-space: {name}", found=repr(settings[name]), expected=f"one of {list(known)}"
            )
    of, by = settings["of"], settings["by"]
    entries, rows = rows_of(source, view, of, by == "plm")
    if len(entries) < FEWEST:
        raise RunError(f"a projection needs at least {FEWEST} prompts", where="prompt-space", found=len(entries), mend="Select more, or run their stimulations.")  # fmt: skip
    drawn, names = projected(source, rows, settings), [entry.name for entry in entries]
    chosen = settings["near"] if settings["near"] in names else None
    near = [names[row] for row, _ in projection.nearest(rows, names.index(chosen))] if chosen else []
    points = points_of(entries, drawn.coordinates)
    titles = figures.axis_titles(drawn.method, drawn.explained, drawn.coordinates.shape[1])
    trust = f", trustworthiness {drawn.trustworthiness:.2f} ({drawn.neighbours} neighbours)" if np.isfinite(drawn.trustworthiness) else ""
    whose = ("every PLM of this shape" if of == "stimulation" else "every PLM of this width") if by == "plm" else view.plm.id
    return Drawn(
        figures.space(points, by, titles, drawn.parameters + trust, view.mode, chosen, near),
        f"Prompts of {whose} by their {OF[of]}. Points that lie near each other are alike; with UMAP and t-SNE, "
        "distances between far groups mean little. "
        + ("Directions: every prompt scaled to length 1, since norms differ widely. " if of == "direction" else "")
        + ("Rows that never reach the PLM are left out. " if of != "stimulation" else "") + "Trustworthiness says how many of the neighbours drawn are neighbours in full space.",
        points, drawn.parameters + trust + ".", hint="" if "z" in points else "Click a point for its nearest.", note=drawn.note,
    )  # fmt: skip


FIGURES = {"prompt-space": Figure("Prompt space", space, {"of": "embedding", "method": "pca", "dimensions": 2, "by": "type", "seed": 0, "near": ""}, ())}  # fmt: skip
