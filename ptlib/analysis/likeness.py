"""When a prompt in training becomes like its type: its ON with finished prompts, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ptlib.analysis.saved import mean_of

OWN_TASK = "own task"


def by_type(on: np.ndarray, steps: Sequence[int], tasks: Sequence[str], types: Sequence[str], task: str) -> pd.DataFrame:
    """Mean ON with the prompts of each type at each step; those of the training's own task are a group of their own.

    Args:
        on: (points, prompts) ON of each checkpoint with each finished prompt.
        tasks, types: of the finished prompts.

    Returns:
        Columns step, type, value, low, high (Student's 95 % interval over the prompts), n.
    """
    groups = np.where(np.array(tasks) == task, OWN_TASK, np.array(types))
    rows = []
    for step, row in zip(steps, on, strict=True):
        for name in dict.fromkeys(groups):
            found = mean_of(row[groups == name])
            rows.append({"step": int(step), "type": name, "value": found.value, "low": found.low, "high": found.high, "n": found.n})
    return pd.DataFrame(rows, columns=["step", "type", "value", "low", "high", "n"])


def leads_from(table: pd.DataFrame, own_type: str) -> int | None:
    """The first step from which on the ON with the own type's other tasks stays above that with every other type.

    None where it never leads at the end, or there is nothing to compare.
    """
    wide = table.pivot(index="step", columns="type", values="value").sort_index()
    others = [name for name in wide.columns if name not in (own_type, OWN_TASK)]
    if own_type not in wide or not others:
        return None
    ahead = (wide[own_type] > wide[others].max(axis=1)).to_numpy()
    if not ahead[-1]:
        return None
    behind = np.flatnonzero(~ahead)
    return int(wide.index[behind[-1] + 1] if len(behind) else wide.index[0])
