"""Prompts (or their stimulation) in two or three dimensions: PCA, UMAP, t-SNE."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from ptlib.errors import PtlibError

Method = Literal["pca", "umap", "tsne"]
FEW = 10
"""With fewer points a neighbour graph says nothing: PCA is drawn instead, and says so."""
ENOUGH = 15
"""From so many points on UMAP is the default: their five nearest are a third of them at most."""
MANY = 400
"""Rows beyond which a picture's axes are computed without the others."""


class Projection(NamedTuple):
    """Coordinates and how to read them."""

    coordinates: np.ndarray
    """(n, dimensions) float32"""
    method: Method
    explained: np.ndarray | None
    """Share of variance of each axis, for PCA."""
    trustworthiness: float
    """Share of neighbours that are neighbours in full space as well, 0 to 1 (Venna and Kaski 2001); NaN for few points."""
    neighbours: int
    parameters: str
    """To be printed on the figure."""
    note: str
    """Why something else was drawn than what was asked for; empty otherwise."""


def project(rows: np.ndarray, method: Method = "pca", dimensions: int = 2, seed: int = 0) -> Projection:
    """Projects (n, features) rows.

    PCA comes first in any case, by the n x n Gram matrix, which is exact and small: UMAP and t-SNE read its coordinates.

    Raises:
        PtlibError: fewer than four rows, or an unknown method.
    """
    if method not in ("pca", "umap", "tsne"):
        raise PtlibError("unknown projection", where="projection", found=repr(method), expected="pca, umap or tsne")
    n = len(rows)
    if n < 4:
        raise PtlibError("too few points for a projection", where="projection", found=f"{n}", expected="at least 4",
                         mend="Select more prompts.")  # fmt: skip
    full, _ = pca(np.asarray(rows, dtype=np.float64))
    note, shares = "", None
    if method != "pca" and n < FEW:
        note = f"PCA is shown: {method} needs at least {FEW} points, here are {n}."
        method = "pca"
    neighbours = neighbours_of(n)
    if method == "pca":
        coordinates, shares = principal_coordinates(rows, dimensions)
        parameters = f"PCA, {shares.sum():.0%} of variance"
    else:
        coordinates = embed(full, method, dimensions, seed)
        how = f"UMAP, {neighbours} neighbours, min dist 0.1" if method == "umap" else f"t-SNE, perplexity {_perplexity(n):.1f}"
        parameters = f"{how}, seed {seed}"
    return Projection(coordinates.astype(np.float32), method, shares,
                      trust(full, coordinates, neighbours), neighbours, f"{parameters}, n = {n}", note)  # fmt: skip


def default_method(n: int) -> tuple[Method, str]:
    """What to draw n points by where nobody chose, and why."""
    if n < ENOUGH:
        return "pca", (f"PCA, since the {neighbours_of(n)} nearest of {n} points say little: UMAP and t-SNE, which draw neighbourhoods, "
                       f"are the default from {ENOUGH} points")  # fmt: skip
    return "umap", (f"UMAP, since {n} points lie in more directions than two axes of PCA can show and are enough for neighbourhoods "
                    f"({neighbours_of(n)} nearest each)")  # fmt: skip


def neighbours_of(n: int) -> int:
    """Neighbours that count, of n points."""
    return min(10, max(2, n // 3))


def embed(full: np.ndarray, method: Method, dimensions: int, seed: int) -> np.ndarray:
    """(n, dimensions) by UMAP or t-SNE of the points' principal coordinates."""
    if method == "umap":
        return _umap(full, dimensions, seed, neighbours_of(len(full)))
    return _tsne(full, dimensions, seed, _perplexity(len(full)))


def _perplexity(n: int) -> float:
    return min(30.0, (n - 1) / 3)


def pca(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All principal coordinates with a share above 1e-12, and the shares. Signs are fixed, so figures repeat."""
    centred = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    shares = values / max(values.sum(), 1e-300)
    kept = max(1, int((shares > 1e-12).sum()))
    vectors = vectors[:, :kept] * np.sign(vectors[np.abs(vectors[:, :kept]).argmax(axis=0), range(kept)])
    return vectors * np.sqrt(values[:kept]), shares[:kept]


def _first_axes(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`pca`, the first axes alone: all of thousands of them would take seconds that nobody looks at."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    centred = rows - rows.mean(axis=0)
    gram = LinearOperator((len(rows), len(rows)), matvec=lambda v: centred @ (centred.T @ v), dtype=np.float64)
    # A start of its own, so that figures repeat.
    values, vectors = eigsh(gram, k=count, v0=np.random.default_rng(0).normal(size=len(rows)))
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), range(count)])
    return vectors * np.sqrt(values), values / max((centred**2).sum(), 1e-300)


def principal_coordinates(rows: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """The first principal coordinates (n, dimensions) of (n, features) rows, and their shares of variance."""
    rows = np.asarray(rows, dtype=np.float64)
    full, shares = _first_axes(rows, dimensions) if len(rows) > MANY else pca(rows)
    coordinates = np.zeros((len(full), dimensions), dtype=np.float32)
    width = min(dimensions, full.shape[1])
    coordinates[:, :width] = full[:, :width]
    # Points on a line, or all in one place, have fewer axes than are drawn.
    return coordinates, np.pad(shares[:dimensions], (0, dimensions - width))


def warm_up() -> None:
    """Compiles UMAP in this process, so that the next projection does not wait for it."""
    _umap(np.random.default_rng(0).normal(size=(12, 3)), 2, 0, 3)


def _umap(full: np.ndarray, dimensions: int, seed: int, neighbours: int) -> np.ndarray:
    try:
        import umap
    except ImportError as error:
        raise PtlibError("UMAP is not installed", where="projection", expected="the package umap-learn",
                         mend="Install umap-learn, or project by pca or tsne.") from error  # fmt: skip
    start = "random" if len(full) <= dimensions + 1 else "spectral"
    return umap.UMAP(n_components=dimensions, n_neighbors=neighbours, min_dist=0.1, random_state=seed, init=start,
                     n_jobs=1).fit_transform(full)  # fmt: skip


def _tsne(full: np.ndarray, dimensions: int, seed: int, perplexity: float) -> np.ndarray:
    from sklearn.manifold import TSNE

    return TSNE(dimensions, perplexity=perplexity, random_state=seed, init="random", max_iter=750).fit_transform(full)


def trust(full: np.ndarray, coordinates: np.ndarray, neighbours: int) -> float:
    """Trustworthiness (Venna and Kaski 2001), 0 to 1; NaN where half the points or more would be neighbours."""
    if neighbours >= len(full) / 2:
        return float("nan")
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(full, coordinates, n_neighbors=neighbours))


class Neighbour(NamedTuple):
    """A row near another one."""

    row: int
    cosine: float
    distance: float
    """Euclidean, in full space."""
    place: int
    """Its place among the nearest in the drawing, from 1."""


def nearest(rows: np.ndarray, index: int, drawn: np.ndarray | None = None, count: int = 5) -> list[Neighbour]:
    """The rows nearest to one by cosine in full space, nearest first, itself left out.

    Args:
        rows: (n, features)
        drawn: (n, dimensions) coordinates in which the places are counted; those of ``rows`` where None.
    """
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    cosine = unit @ unit[index]
    apart = np.linalg.norm(rows - rows[index], axis=1)
    beside = apart if drawn is None else np.linalg.norm(drawn - drawn[index], axis=1)
    others = [int(row) for row in np.argsort(beside, kind="stable") if row != index]
    places = {row: place for place, row in enumerate(others, 1)}
    order = [int(row) for row in np.argsort(-cosine, kind="stable") if row != index]
    return [Neighbour(row, float(cosine[row]), float(apart[row]), places[row]) for row in order[:count]]
