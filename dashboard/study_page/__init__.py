"""A study as one HTML file: everything inside, nothing from the network, filters by its own script."""

from dashboard.study_page.page import html_of, make

__all__ = ["html_of", "make"]
