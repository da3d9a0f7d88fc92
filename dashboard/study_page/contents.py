"""What the study's page holds of one PLM: numbers that its script filters and draws, and figures with intervals as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashboard import recipe
from dashboard.export.press import as_plain
from dashboard.figures import similarity
from dashboard.figures.neurons import BINS
from dashboard.gallery import FIGURES, Fresh, draw
from dashboard.gallery import prompt_space as space
from dashboard.gallery.transfer import by_type, rows_of
from dashboard.view import View
from ptlib.analysis import projection
from ptlib.analysis.indicators import INDICATORS
from ptlib.errors import PtlibError
from ptlib.neurons.overlap import overlap

STATIC = ("own-against-baselines", "type-effect", "type-blocks", "indicators", "by-layer")
"""Figures of bootstraps and permutations over the whole selection: they are not filtered, and the page says so."""
DIGITS = 4
DRAWN = ("pca", "umap", "tsne")
"""Projections to switch between."""


def of_plm(source: Fresh, view: View, methods: tuple[str, ...] = DRAWN) -> dict[str, Any]:
    """All that the page shows of a PLM, as JSON holds it.

    Args:
        view: in the light mode.
        methods: projections to compute.

    Raises:
        PtlibError: the store or the library cannot be read.
    """
    library = source.library()
    targets = by_type(library, view.tasks)
    missing, total = (0, 0) if view.published else source.missing(view.selection, ("score",))
    return {
        "plm": view.plm.id, "published": view.published, "synthetic": bool(view.plm.card.get("synthetic")), "n": view.n, "seeds": view.seeds,
        "missing": missing, "cells": total, "newest": recipe.newest(source, view),
        "tasks": [{"name": name, "type": kind} for name, kind in zip(targets.names, targets.types, strict=True)],
        "sources": [{"name": name, "type": kind} for name, kind in zip(*by_type(library, view.sources), strict=True)],
        "scores": _scores(source, view), "static": _static(source, view), "pairs": _pairs(source, view), "spaces": _spaces(source, view, methods),
        "neurons": _neurons(source, view),
    }  # fmt: skip


def _number(value: Any) -> float | None:
    value = float(value)
    return round(value, DIGITS) if np.isfinite(value) else None


def _numbers(values: np.ndarray) -> list:
    return [_numbers(value) if np.ndim(value) else _number(value) for value in values]


def _scores(source: Fresh, view: View) -> list[list]:
    """[row, target, seed, value, low, high, n, relative] of every cell that is there."""
    table = rows_of(view, source.scores(view))
    table = table[table["value"].notna()]
    return [[row.row, row.target, None if np.isnan(row.seed) else int(row.seed), *map(_number, (row.value, row.ci_low, row.ci_high)),
             None if np.isnan(row.n) else int(row.n), _number(row.relative)] for row in table.itertuples()]  # fmt: skip


def _static(source: Fresh, view: View) -> list[dict[str, Any]]:
    found = []
    for name in STATIC:
        try:
            drawn = draw(name, source, view)
        except PtlibError:
            # What cannot be drawn of this selection is not there on its pages either.
            continue
        words = drawn.caption if drawn.statistic in drawn.caption else f"{drawn.caption} {drawn.statistic}"
        found.append({"name": name, "title": FIGURES[name].title, "caption": words, **as_plain(drawn.figure)})
    return found


def _pairs(source: Fresh, view: View) -> dict[str, Any] | None:
    """Transfer and every indicator, (seeds, sources, targets) each, of tasks with an own prompt."""
    study = source.study(view)
    if len(study.tasks) < 2 or not np.isfinite(study.transfer).any():
        return None
    return {"tasks": study.tasks, "types": study.types, "seeds": study.seeds, "transfer": _numbers(study.transfer),
            "indicators": [{"name": name, "label": INDICATORS[name].label if name in INDICATORS else name, "values": _numbers(values)}
                           for name, values in study.similarities(view.layers).items() if name != "same_type"]}  # fmt: skip


def _spaces(source: Fresh, view: View, methods: tuple[str, ...]) -> list[dict[str, Any]]:
    found = []
    for of, label in space.OF.items():
        try:
            entries, rows = space.rows_of(source, view, of, False)
            if len(entries) < space.FEWEST:
                continue
            for method in methods:
                drawn = projection.project(rows, method, 2, 0)
                found.append({"of": label, "method": space.METHODS[method], "words": drawn.parameters, "trust": _number(drawn.trustworthiness),
                              "points": [[entry.name, entry.task, entry.type, entry.seed, *_numbers(place)]
                                         for entry, place in zip(entries, drawn.coordinates, strict=True)]})  # fmt: skip
        except PtlibError:
            continue
    return found


def _neurons(source: Fresh, view: View) -> dict[str, Any] | None:
    """Each prompt's share of activated neurons in bins along the layers, and ON of all pairs in dendrogram order."""
    states = source.states(source.stimulations(view.selection))
    entries = [entry for entry in source.library().prompts(view.plm.id) if entry.name in states and entry.kind == "trained"]
    if not entries:
        return None
    active = np.stack([states[entry.name].activated for entry in entries])
    width = active.shape[2]
    edges = np.linspace(0, width, min(BINS, width) + 1).astype(int)
    shares = np.add.reduceat(active.astype(np.float32), edges[:-1], axis=2) / np.diff(edges)
    found = overlap(active, view.layers)
    order, _ = similarity.dendrogram(found)
    return {"prompts": [[entry.name, entry.task, entry.type, entry.seed] for entry in entries], "order": order, "width": int(width),
            "on": np.round(np.nan_to_num(found, nan=-1), 3).tolist(), "shares": np.round(shares, 2).tolist(),
            "counts": active.sum(axis=2).tolist()}  # fmt: skip
