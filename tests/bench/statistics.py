"""Correlations with 10,000 permutations and bootstraps, and projections of 150 prompts."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from ptlib.analysis import correlation, projection
from tests.bench.results import keep, spread

MANY = 10_000


def run(_folder: Path, *, rounds: int, **_options) -> None:
    """One table."""
    rng = np.random.default_rng(0)
    transfer, similarity = rng.random((1, 20, 20)), rng.random((1, 20, 20))
    some = {"permutations": MANY, "resamples": MANY}
    half = np.triu(np.ones((20, 20), dtype=bool))
    rows = rng.normal(size=(150, 76_800)).astype(np.float32)
    started = time.perf_counter()
    projection.warm_up()
    first = time.perf_counter() - started
    todo = [
        ("mean Spearman of a 20 x 20 matrix", lambda: correlation.mean_spearman(transfer, similarity, **some)),
        ("the same, half of the pairs", lambda: correlation.mean_spearman(transfer, similarity, pairs=half, **some)),
        ("pooled Spearman of a 20 x 20 matrix", lambda: correlation.pooled_spearman(transfer, similarity, **some)),
        ("first two principal coordinates of 150 prompts", lambda: projection.principal_coordinates(rows, 2)),
        *(
            (f"150 prompts by {method}, with trustworthiness", lambda m=method: projection.project(rows, m))
            for method in ("pca", "umap", "tsne")
        ),
    ]
    table = []
    for name, work in todo:
        spent = []
        for _ in range(rounds):
            started = time.perf_counter()
            work()
            spent.append(time.perf_counter() - started)
        table.append([name, spread(spent)])
    keep("statistics", "Correlations and projections", f"{MANY:,} permutations and {MANY:,} bootstraps; one thread; UMAP compiled before (that takes "
         f"{first:.0f} s once a process, in the background).", ["", "seconds"], table)  # fmt: skip
