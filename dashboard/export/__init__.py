"""Figures and tables on their way out: at print size, as tables, with a caption, one by one or all at once."""

from dashboard.export.browser import FINENESS, PRINT_WIDTH, file_name, toolbar
from dashboard.export.tables import FORMULA, csv, guarded

__all__ = ["FINENESS", "FORMULA", "PRINT_WIDTH", "csv", "file_name", "guarded", "toolbar"]
