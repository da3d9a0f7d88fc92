"""Rows of a matrix in an order that puts like beside like."""

from __future__ import annotations

import numpy as np

MOST_OPTIMAL = 500
"""Rows up to which leaves are flipped for the best order (Bar-Joseph et al. 2001): its time grows with their cube."""


def leaf_order(values: np.ndarray) -> list[int]:
    """Row numbers of (n, m) values in the order of a dendrogram: average linkage on Euclidean distance, optimal leaf order.

    Missing values count as their column's mean; columns without any value are left out.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import pdist

    kept = values[:, np.isfinite(values).any(axis=0)] if values.size else values
    if len(kept) < 3 or not kept.size:
        return list(range(len(values)))
    filled = np.where(np.isfinite(kept), kept, np.nanmean(kept, axis=0))
    flat = pdist(filled)
    links = hierarchy.linkage(flat, "average", optimal_ordering=len(kept) <= MOST_OPTIMAL)
    return [int(row) for row in hierarchy.leaves_list(links)]
