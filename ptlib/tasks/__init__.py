"""Tasks: data sets with a type, a metric and label words. Imports no torch."""

from ptlib.tasks.task import Split, Task
from ptlib.tasks.toml_format import load_task

__all__ = ["Split", "Task", "load_task"]
