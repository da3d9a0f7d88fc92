"""Have prompts collapsed onto each other? Distances, spread, and how many are left that differ. Tables and arrays only.

A projector that was trained on few tasks may give nearly the same prompt whatever it reads; what then looks like transfer
between PLMs is one prompt of the target PLM, learned while the projector was trained. Most published projected prompts are of
this kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

COLLAPSED = 0.01
"""Two prompts whose distance is below this share of their mean norm are called collapsed onto each other."""
NEARLY = 0.25
"""Prompts whose spread is below this share of the spread of those they were made of are called nearly constant."""


class Collapse(NamedTuple):
    """How much a set of prompts differs."""

    n: int
    distinct: int
    """Groups of prompts that are collapsed onto each other (linked by pairs); as many as prompts where none is."""
    cosine: float
    """Mean cosine of all pairs of flattened prompts; NaN for fewer than two."""
    spread: float
    """Root mean square distance to the mean prompt over the root mean square norm: 0 where all are one, about 1 where they share
    nothing. NaN for fewer than two."""
    between: float
    """Share of the squared distances to the mean prompt that lies between tasks, not between prompts of one task; NaN where no
    task has two prompts, or there is one task."""


def nearest(flat: np.ndarray) -> list[tuple[int, int]]:
    """(place, nearest other) of the rows that are collapsed onto another."""
    squares, limit = _squares(flat)
    np.fill_diagonal(squares, np.inf)
    return [(int(place), int(squares[place].argmin())) for place in np.flatnonzero((np.sqrt(squares) <= limit).any(axis=1))]


def _squares(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, n) squared distances, and the distances below which two are collapsed."""
    # The Gram matrix of centred rows: distances of nearly equal prompts would drown in the rounding of large norms.
    flat = np.asarray(flat, dtype=np.float64)
    centred = flat - flat.mean(axis=0)
    gram = centred @ centred.T
    norms = np.linalg.norm(flat, axis=1)
    limit = COLLAPSED * (norms[:, None] + norms[None]) / 2
    return np.maximum(np.diag(gram)[:, None] + np.diag(gram)[None] - 2 * gram, 0), limit


def distances(prompts: np.ndarray) -> np.ndarray:
    """(n, n) distance of every pair of flattened prompts over the mean of their two norms."""
    flat = np.asarray(prompts, dtype=np.float64).reshape(len(prompts), -1)
    squares, limit = _squares(flat)
    return np.sqrt(squares) / np.maximum(limit / COLLAPSED, 1e-300)


def groups(flat: np.ndarray) -> np.ndarray:
    """(n,) number of the group that each row has collapsed into, counted from 0."""
    from scipy.sparse.csgraph import connected_components

    if not len(flat):
        return np.zeros(0, dtype=int)
    squares, limit = _squares(flat)
    return connected_components((np.sqrt(squares) <= limit) | np.eye(len(flat), dtype=bool), directed=False)[1]


def together(prompts: np.ndarray, names: Sequence[str]) -> list[list[str]]:
    """Names of the prompts that have collapsed onto each other, group by group; prompts that stand alone are left out."""
    if not len(prompts):
        return []
    place = groups(np.asarray(prompts, dtype=np.float64).reshape(len(prompts), -1))
    found = [[name for name, mine in zip(names, place, strict=True) if mine == number] for number in range(int(place.max()) + 1)]
    return [group for group in found if len(group) > 1]


def collapse(prompts: np.ndarray, tasks: Sequence[str] | None = None) -> Collapse:
    """How much prompts of one shape differ.

    Args:
        prompts: (n, length, hidden), rows that never reach the PLM left out.
        tasks: of each prompt, for the share between tasks.
    """
    n = len(prompts)
    if n < 2:
        return Collapse(n, n, np.nan, np.nan, np.nan)
    flat = np.asarray(prompts, dtype=np.float64).reshape(n, -1)
    norms = np.linalg.norm(flat, axis=1)
    unit = flat / np.maximum(norms, 1e-300)[:, None]
    cosine = (float((unit.sum(axis=0) ** 2).sum()) - float((unit**2).sum())) / (n * (n - 1))
    away = flat - flat.mean(axis=0)
    total, size = float((away**2).sum()), float((norms**2).sum())
    return Collapse(n, int(groups(flat).max()) + 1, cosine, float(np.sqrt(total / size)) if size else 0.0, _between(away, total, tasks))


def _between(away: np.ndarray, total: float, tasks: Sequence[str] | None) -> float:
    names, place, count = np.unique(np.asarray(tasks if tasks is not None else []), return_inverse=True, return_counts=True)
    if len(names) < 2 or count.max() < 2 or not total:
        return float("nan")
    means = np.stack([away[place == number].mean(axis=0) for number in range(len(names))])
    return float((count * (means**2).sum(axis=1)).sum() / total)


def verdict(projected: Collapse, source: Collapse | None = None) -> str:
    """What the numbers say, in one sentence.

    Args:
        source: of the prompts that were projected; without it the spread has nothing to be held against.
    """
    if projected.n < 2:
        return "One prompt alone cannot show a collapse."
    ratio = (
        ""
        if source is None or not source.spread > 0
        else f", {projected.spread / source.spread:.0%} of the spread of their sources ({source.spread:.2f})"
    )
    numbers = f"mean cosine {projected.cosine:.3f}, spread {projected.spread:.3f}{ratio}"
    if projected.distinct < projected.n:
        return f"Collapsed: of {projected.n} projected prompts {projected.distinct} differ by more than {COLLAPSED:.0%} of their norm; {numbers}."
    if projected.spread < NEARLY * (source.spread if source is not None and source.spread > 0 else 1.0):
        return f"Nearly constant: {projected.n} projected prompts differ, but little; {numbers}."
    return f"Not collapsed: {projected.n} projected prompts differ; {numbers}."
