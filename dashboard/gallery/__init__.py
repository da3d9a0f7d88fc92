"""Every figure by its name: what a page draws and what a recipe draws is one function.

A figure's function takes a :class:`Source` (what the store and the library hold), the selection and the figure's own settings.
It knows no streamlit; where the source is still computing it gives None.
"""

from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.registry import FIGURES, draw, figure
from dashboard.gallery.source import Fresh, Source

__all__ = ["FIGURES", "Drawn", "Figure", "Fresh", "Settings", "Source", "draw", "figure"]
