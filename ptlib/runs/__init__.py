"""Plan, execute, store. Progress, cancel and errors live in the store, so every tab and process sees the same runs."""

from ptlib.runs.plan import Cell, Selection, check_seeds, plan, score_cells, select, settings_of, stimulation_cells, until_clear

__all__ = ["Cell", "Selection", "check_seeds", "plan", "score_cells", "select", "settings_of", "stimulation_cells", "until_clear"]
