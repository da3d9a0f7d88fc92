"""The statistics of a study: every indicator against transfer, by layer, with and without same-type pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ptlib.analysis import correlation
from ptlib.analysis.indicators import INDICATORS


def indicator_table(
    transfer: np.ndarray,
    similarities: Mapping[str, np.ndarray],
    *,
    permutations: int = correlation.PERMUTATIONS,
    **which,
) -> pd.DataFrame:
    """One row an indicator, best first: mean per-target Spearman correlation with interval and p, pooled correlation,
    and the difference to ON with its interval.

    Args:
        transfer: (seeds, sources, targets).
        similarities: indicator -> (seeds, tasks, tasks).
        which: as :func:`ptlib.analysis.correlation.usable`.
    """
    rows = []
    for name, similarity in similarities.items():
        mean = correlation.mean_spearman(transfer, similarity, permutations=permutations, **which)
        pooled = correlation.pooled_spearman(transfer, similarity, permutations=min(permutations, 500), resamples=200, **which)
        gap = correlation.compare(transfer, similarity, similarities["ON"], **which) if "ON" in similarities else None
        rows.append({"name": name, "label": INDICATORS[name].label if name in INDICATORS else name, **mean._asdict(),
                     "pooled": pooled.value, "pooled_low": pooled.ci_low, "pooled_high": pooled.ci_high,
                     "pooled_p": pooled.p,
                     "minus_on": gap.value if gap else np.nan, "minus_on_low": gap.ci_low if gap else np.nan,
                     "minus_on_high": gap.ci_high if gap else np.nan})  # fmt: skip
    return pd.DataFrame(rows).sort_values("value", ascending=False, kind="stable", ignore_index=True)


def layer_table(transfer: np.ndarray, by_layer: Sequence[np.ndarray], *, permutations: int = 500, **which) -> pd.DataFrame:
    """Mean per-target correlation of ON when one layer counts: columns layer (from 1), value, ci_low, ci_high, p, undefined."""
    rows = [{"layer": layer, **correlation.mean_spearman(transfer, matrix, permutations=permutations, **which)._asdict()}
            for layer, matrix in enumerate(by_layer, 1)]  # fmt: skip
    return pd.DataFrame(rows)


def better_than_on(table: pd.DataFrame) -> list[str]:
    """Sentences on every indicator whose correlation lies above that of ON, and whether the difference is clear."""
    found = []
    above = table[(table.name != "ON") & (table.minus_on > 0)]
    for row in above.itertuples():
        clear = "clearly" if row.minus_on_low > 0 else "not clearly (the interval includes zero)"
        found.append(f"{row.label} is {clear} better than ON: {row.minus_on:+.3f}, 95 % interval {row.minus_on_low:+.3f} to "
                     f"{row.minus_on_high:+.3f}.")  # fmt: skip
    return found
