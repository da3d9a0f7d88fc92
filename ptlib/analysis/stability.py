"""How far a projection depends on chance: the same points drawn again, laid over each other, and how far each one moves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import orthogonal_procrustes

from ptlib.analysis import projection
from ptlib.analysis.projection import Method

RUNS, FEW_RUNS = 8, 4
"""Drawings that are compared; few where each takes seconds."""
MANY = 400
STEADY, LOOSE = 0.1, 0.3
"""Median movement up to which a picture is the same each time, and from which it is another."""


class Stability(NamedTuple):
    """Several drawings of the same n points, the one that is shown first."""

    drawings: np.ndarray
    """(runs, n, dimensions) float32, each laid over the first."""
    movement: np.ndarray
    """(n,) root mean square distance of a point to its mean position, in units of the figure's spread: the root mean square distance of
    the first drawing's points to their centre."""
    trust: np.ndarray
    """(runs,) trustworthiness of each; NaN for few points."""
    over: str
    """What differs between the drawings, in words."""

    def movers(self, count: int = 5) -> list[int]:
        """The points that move most, farthest first."""
        return [int(row) for row in np.argsort(-self.movement, kind="stable")[:count]]


def stability(rows: np.ndarray, method: Method, dimensions: int = 2, seed: int = 0) -> Stability:
    """Draws (n, features) rows with further seeds; for PCA, which has none, with axes of bootstrap samples of the rows (all rows on them).

    Raises:
        PtlibError: as :func:`ptlib.analysis.projection.project`.
    """
    first = projection.project(rows, method, dimensions, seed)
    full, _ = projection.pca(np.asarray(rows, dtype=np.float64))
    runs = RUNS if len(full) <= MANY else FEW_RUNS
    if first.method == "pca":
        others = [_resampled(full, dimensions, np.random.default_rng([seed, run])) for run in range(1, runs)]
        over = f"{runs - 1} bootstrap samples of the prompts"
    else:
        others = [projection.embed(full, first.method, dimensions, seed + run) for run in range(1, runs)]
        over = f"seeds {seed} to {seed + runs - 1}"
    drawn = first.coordinates.astype(np.float64)
    drawings = np.stack([drawn, *(over_each_other(drawn, other) for other in others)])
    trust = np.array([first.trustworthiness, *(projection.trust(full, other, first.neighbours) for other in others)])
    return Stability(drawings.astype(np.float32), movement(drawings), trust, over)


def over_each_other(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """``moving`` shifted, turned, mirrored and scaled as a whole, so that its points lie as near as can be to those of ``fixed``.

    Ordinary Procrustes analysis (Gower 1975): the least sum of squared distances. Distances within ``moving`` keep their ratios.
    """
    target, source = fixed - fixed.mean(axis=0), moving - moving.mean(axis=0)
    turn, shared = orthogonal_procrustes(source, target)
    return source @ turn * (shared / max(float((source**2).sum()), 1e-300)) + fixed.mean(axis=0)


def movement(drawings: np.ndarray) -> np.ndarray:
    """(n,) of (runs, n, dimensions) drawings that lie over each other; see :class:`Stability`."""
    spread = np.sqrt(((drawings[0] - drawings[0].mean(axis=0)) ** 2).sum(axis=1).mean())
    apart = ((drawings - drawings.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0)
    return np.sqrt(apart) / max(float(spread), 1e-300)


def kept(drawings: np.ndarray, index: int, row: int, count: int = 5) -> int:
    """In how many drawings ``row`` is one of the ``count`` nearest of ``index``."""
    apart = np.linalg.norm(drawings - drawings[:, index : index + 1], axis=2)
    apart[:, index] = np.inf
    return int((np.argsort(apart, axis=1, kind="stable")[:, :count] == row).any(axis=1).sum())


def _resampled(full: np.ndarray, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    sample = full[rng.integers(0, len(full), len(full))]
    centre = sample.mean(axis=0)
    axes = np.linalg.svd(sample - centre, full_matrices=False)[2][:dimensions]
    drawn = np.zeros((len(full), dimensions))
    drawn[:, : len(axes)] = (full - centre) @ axes.T
    return drawn
