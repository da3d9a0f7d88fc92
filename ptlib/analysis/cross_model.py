"""What projected prompts are worth: by how their task relates to the projector's, against controls and baselines.

Three questions of one projector and one task of the target PLM: what does the task's own projected prompt score (transfer
between PLMs), what do projected prompts of wrong tasks score, and what a projected Gaussian prompt (controls: a projector whose
output hardly depends on its input scores alike with all of them)?
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ptlib.analysis.relative import Mean

OWN, SAME, WRONG, GAUSSIAN = "own task", "same type", "other type", "gaussian"
ROLES = (OWN, SAME, WRONG, GAUSSIAN)
"""What was projected: the source PLM's prompt of the very task it is tried on, of another task of its type, of a task of another
type, or a Gaussian matrix."""
TRAINED, SAME_TYPE, OTHER_TYPE = "trained on", "same type", "other types"
RELATIONS = (TRAINED, SAME_TYPE, OTHER_TYPE)
"""The task that it is tried on: one the projector was trained on, unseen but of their types, or unseen and of another type."""
RESAMPLES = 2000


def relation(target: str, target_type: str, trained_on: list[str], trained_types: list[str]) -> str:
    """How a task relates to those a projector was trained on."""
    return TRAINED if target in trained_on else SAME_TYPE if target_type in trained_types else OTHER_TYPE


def role(source: str, source_type: str, target: str, target_type: str) -> str:
    """How the projected prompt relates to the task it is tried on; ``source`` is empty for a Gaussian matrix."""
    return GAUSSIAN if not source else OWN if source == target else SAME if source_type == target_type else WRONG


def two_way(values: np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES) -> Mean:
    """Mean of (tasks, projectors) with a 95 % bootstrap interval over both: rows and columns are drawn anew, independently.

    NaN where missing. ``n`` counts what is there.
    """
    there = np.isfinite(values)
    if not there.any():
        return Mean(np.nan, np.nan, np.nan, 0)
    rng, (rows, columns) = np.random.default_rng(seed), values.shape
    left = rng.multinomial(rows, [1 / rows] * rows, size=resamples)
    right = rng.multinomial(columns, [1 / columns] * columns, size=resamples)
    sums = np.einsum("ra,ab,rb->r", left, np.where(there, values, 0.0), right, optimize=True)
    counts = np.einsum("ra,ab,rb->r", left, there.astype(float), right, optimize=True)
    draws = sums[counts > 0] / counts[counts > 0]
    low, high = np.quantile(draws, (0.025, 0.975))
    return Mean(float(values[there].mean()), float(low), float(high), int(there.sum()))


def grid(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """(tasks, projectors) means of a column."""
    return table.pivot_table(index="target", columns="projector", values=column, aggfunc="mean")


def summary(table: pd.DataFrame, column: str = "value") -> pd.DataFrame:
    """One row a relation and role: columns relation, what, value, ci_low, ci_high, n (scores; of baselines tasks), tasks, projectors.

    Beside the roles, ``what`` has "random prompts" and "own prompt" (baselines on the same tasks) and "own task − other type",
    the paired difference that is zero where it does not matter what is projected.

    Args:
        table: one row a projector, projected prompt and task: columns projector, target, relation, role, and the scores
            ``column``, random, own (those two for the value alone).
    """
    rows = []
    for name in RELATIONS:
        part = table[(table["relation"] == name) & table[column].notna()]
        if part.empty:
            continue
        of = {one: grid(part[part["role"] == one], column) for one in ROLES}
        lines = [(one, of[one]) for one in ROLES if one != SAME]
        lines += [("random prompts", grid(part, "random")), ("own prompt", grid(part, "own"))] if column == "value" else []
        both = of[OWN].sub(of[WRONG])
        for what, values in [*lines, (f"{OWN} − {WRONG}", both)]:
            if values.size and values.notna().to_numpy().any():
                found = two_way(values.to_numpy(dtype=float))
                counted = len(part[part["role"] == what]) if what in ROLES else len(values) if "prompt" in what else found.n
                rows.append(
                    {"relation": name, "what": what, **found._asdict(), "n": counted, "tasks": len(values), "projectors": values.shape[1]}
                )
    return pd.DataFrame(rows, columns=["relation", "what", "value", "ci_low", "ci_high", "n", "tasks", "projectors"])


def finding(rows: pd.DataFrame) -> str:
    """What a summary says of unseen tasks, in plain words; empty where their controls are missing."""
    for name in (SAME_TYPE, OTHER_TYPE):
        part = rows[rows["relation"] == name].set_index("what")
        gap = f"{OWN} − {WRONG}"
        if gap in part.index and "random prompts" in part.index:
            found, own = part.loc[gap], part.loc[OWN]
            beats = "above" if own.ci_low > part.loc["random prompts", "value"] else "not clearly above"
            matters = ("It matters what is projected" if found.ci_low > 0 else "It hardly matters what is projected: this is not a mapping between PLMs, but "
                       "one prompt learned while the projector was trained")  # fmt: skip
            unseen = "unseen tasks of the trained types" if name == SAME_TYPE else "tasks of other types"
            return (f"On {unseen}, projected prompts score {own.value:.3f} (95 % interval {own.ci_low:.3f} to {own.ci_high:.3f}), {beats} random prompts "
                    f"({part.loc['random prompts', 'value']:.3f}). {matters}: a task's own prompt against one of a wrong type makes {found.value:+.3f} "
                    f"({found.ci_low:+.3f} to {found.ci_high:+.3f}).")  # fmt: skip
    return ""
