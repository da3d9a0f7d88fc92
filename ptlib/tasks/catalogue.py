"""The paper's 17 tasks, as the TOML files in ``catalogue/`` describe them. Their data is not shipped."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ptlib.tasks.task import Task
from ptlib.tasks.toml_format import load_task

FOLDER = Path(__file__).parent / "catalogue"


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Task]:
    """Name -> task, ordered by type as in the paper: sentiment, NLI, ethics, paraphrase, question answering, summaries."""
    order = ["sentiment", "nli", "ethics", "paraphrase", "question answering", "summary"]
    tasks = [load_task(path) for path in sorted(FOLDER.glob("*.toml"))]
    return {task.name: task for task in sorted(tasks, key=lambda task: (order.index(task.type), task.name))}
