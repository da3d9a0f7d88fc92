"""Figures of the overview: own prompts against baselines, same type against other types."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboard.figures import summary
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.source import Source
from dashboard.theme import type_order
from dashboard.view import View
from dashboard.words import count
from ptlib.analysis import relative
from ptlib.errors import RunError
from ptlib.runs.study import Study


def evaluated(source: Source, view: View) -> Study:
    """The selection's study. Raises RunError where nothing of it has been evaluated."""
    study = source.study(view)
    if not study.tasks or not np.isfinite(study.transfer).any():
        raise RunError("nothing has been evaluated for this selection yet", where=view.plm.id, mend="Run its missing cells first.")
    return study


def _over_seeds(values: np.ndarray) -> np.ndarray:
    """Mean of (seeds, tasks) over seeds, missing values left out; NaN where all are missing."""
    return pd.DataFrame(values).mean().to_numpy()


def baselines(source: Source, view: View, settings: Settings) -> Drawn:
    """Each task's own prompt against random prompts and none."""
    study = evaluated(source, view)
    own = _over_seeds(np.diagonal(study.transfer, axis1=1, axis2=2))
    table = pd.DataFrame({"task": study.tasks, "type": study.types, "own": own,
                          "random": _over_seeds(study.random) if len(study.random) else np.nan, "none": study.none})  # fmt: skip
    order = type_order(study.types)
    table = table.sort_values("type", key=lambda kinds: kinds.map(order.index), kind="stable")
    gain = relative.mean_over((table.own - table.random).to_numpy()[None, None, :], np.ones((1, len(table)), dtype=bool))
    return Drawn(
        summary.baselines(table, view.mode),
        f"A task's own prompt (mean over {count(len(study.seeds), 'seed')}) against {len(study.random)} random prompts and no prompt. "
        f"Mean gain over random: {gain.value:+.3f}. Coloured by type of task; {view.n}.",
        table,
        f"Own prompts gain {gain.value:+.3f} over random ones (95 % interval {gain.ci_low:+.3f} to {gain.ci_high:+.3f}, bootstrap over "
        f"{gain.n} tasks).",
    )  # fmt: skip


def type_effect(source: Source, view: View, settings: Settings) -> Drawn:
    """Relative performance of prompts of the target's type, of other types and of random ones."""
    study = evaluated(source, view)
    effect = source.of_study(view, "type effect", lambda study: relative.type_effect(study.transfer, study.types))
    diagonal = _over_seeds(np.diagonal(study.transfer, axis1=1, axis2=2))
    drawn = relative.mean_over((study.random / diagonal)[None], np.ones(study.random.shape, dtype=bool))
    rows = pd.DataFrame([{"label": label, **mean._asdict()} for label, mean in
                         (("same type", effect.same), ("other types", effect.other), ("random prompts", drawn))])  # fmt: skip
    words = (f"Same type exceeds other types by {effect.difference.value:.2f} (95 % interval {effect.difference.ci_low:.2f} to "
             f"{effect.difference.ci_high:.2f}, bootstrap over {len(study.tasks)} targets; {effect.same.n} and {effect.other.n} pairs).")  # fmt: skip
    return Drawn(summary.type_effect(rows, view.mode), f"Relative performance of a source prompt on another task. {words}", rows, words)


FIGURES = {
    "own-against-baselines": Figure("Own prompts against baselines", baselines),
    "type-effect": Figure("Transfer by type of task", type_effect),
}
