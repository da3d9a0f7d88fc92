"""Which trained soft prompts transfer to which tasks and models, and why.

The names a notebook needs; each is imported when it is first used, so that ``import ptlib`` stays light and needs
neither torch nor streamlit.

>>> import ptlib
>>> scores = ptlib.transfer_matrix("zoo-64-s1", limit=100)
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Library": "ptlib.library", "Store": "ptlib.store", "SoftPrompt": "ptlib.prompts", "Task": "ptlib.tasks",
    "load_task": "ptlib.tasks", "load_plm": "ptlib.plms.load:load", "load_prompt": "ptlib.prompts:load",
    "evaluate": "ptlib.transfer.evaluate", "tune": "ptlib.transfer.tuning", "stimulate": "ptlib.neurons.stimulate",
    "States": "ptlib.neurons.states", "overlap": "ptlib.neurons.overlap", "transfer_matrix": "ptlib.runs.api",
    "load_study": "ptlib.runs.study", "cross_model": "ptlib.runs.carry", "ProjectorSettings": "ptlib.transfer.projector",
    "carried": "ptlib.runs.cross_model", "as_initialisation": "ptlib.runs.carry",
    "correlate": "ptlib.runs.api", "compare": "ptlib.runs.comparison", "project": "ptlib.analysis.projection",
    "masked_scores": "ptlib.runs.api", "Cut": "ptlib.runs.masking", "train": "ptlib.runs.training_api",
    "compare_starts": "ptlib.runs.training_api", "TrainingSettings": "ptlib.transfer.settings", "PtlibError": "ptlib.errors",
}  # fmt: skip
__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ptlib' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    found = getattr(import_module(module), attribute or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
