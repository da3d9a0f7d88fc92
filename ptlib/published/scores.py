"""Published results as a table of scores, in the same columns as measured ones and never among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ptlib.published.results import MAIN

if TYPE_CHECKING:
    from ptlib.library import Library

KINDS = {"cross-model-direct": "direct", "cross-model-projected": "projected"}
"""The target's own prompt of another PLM: as it is, or through a projector."""


def has_scores(library: Library, plm: str) -> bool:
    """Whether an import holds results of a PLM."""
    return bool((library.published["plm"] == plm).any())


def scores(library: Library, plm: str, tasks: Sequence[str], sources: Sequence[str], variant: str = MAIN) -> pd.DataFrame:
    """Published results of a PLM: one row a source and target, missing ones with NaN, then random prompts and those of
    other PLMs.

    Columns as :func:`ptlib.runs.tables.scores`; ``kind`` also "direct" and "projected" (``source`` is then the other PLM's
    id). What was not published (n, intervals, seconds, device) is NaN or empty.
    """
    here = library.published[(library.published["plm"] == plm) & (library.published["variant"] == variant)]
    types = {name: task.type for name, task in library.tasks.items()}
    own = here[here["kind"] == "zero-shot"].set_index(["source", "target"])["value"]
    own = own[~own.index.duplicated()]
    metrics = here.groupby("target")["metric"].first()
    rows = [_row(plm, f"{plm}/{source}", source, target, types, "own" if source == target else "zero-shot", 0, own.get((source, target), np.nan))
            for source in sources for target in tasks]  # fmt: skip
    for row in here[here["kind"].isin(["random", *KINDS]) & here["target"].isin(list(tasks))].itertuples():
        if row.kind == "random":
            rows.append(_row(plm, f"{plm}/random", "", row.target, types, "random", None, row.value))
        else:
            rows.append(
                _row(plm, f"{row.source_plm} {KINDS[row.kind]}", row.source_plm, row.target, types, KINDS[row.kind], None, row.value)
            )
    table = pd.DataFrame(rows)
    table["metric"] = table["target"].map(metrics)
    table["relative"] = table["value"] / table["target"].map({target: own.get((target, target), np.nan) for target in tasks}).replace(
        0.0, np.nan
    )
    return table


def _row(
    plm: str, prompt: str, source: str, target: str, types: dict[str, str], kind: str, seed: int | None, value: float
) -> dict[str, object]:
    return {"key": "", "plm": plm, "prompt": prompt, "source": source, "source_type": types.get(source, kind), "target": target,
            "target_type": types[target], "seed": seed, "insertion": "thunlp", "kind": kind, "metric": "", "value": float(value), "n": np.nan,
            "ci_low": np.nan, "ci_high": np.nan, "seconds": np.nan, "device": "", "created": np.nan}  # fmt: skip
