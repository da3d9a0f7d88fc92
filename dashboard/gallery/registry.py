"""The figures' names."""

from __future__ import annotations

from dashboard.gallery import ablation, compare, correlation, cross_model, neurons, overview, prompt_space, training, transfer
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.source import Source
from dashboard.view import View
from ptlib.errors import RunError

FIGURES: dict[str, Figure] = {**overview.FIGURES, **transfer.FIGURES, **neurons.FIGURES, **correlation.FIGURES, **prompt_space.FIGURES,
                              **compare.FIGURES, **ablation.FIGURES, **cross_model.FIGURES, **training.FIGURES}  # fmt: skip


def figure(name: str) -> Figure:
    """A figure's kind by name. Raises RunError with those there are."""
    if name not in FIGURES:
        raise RunError("no such figure", where="figure", found=repr(name), expected=f"one of {', '.join(FIGURES)}")
    return FIGURES[name]


def draw(name: str, source: Source, view: View, settings: Settings | None = None) -> Drawn | None:
    """A figure of the selection; None where the source is still computing what it needs.

    Args:
        settings: those that are not named have the figure's defaults.

    Raises:
        PtlibError: an unknown figure or setting, a name that is not here, or nothing to be drawn of.
    """
    kind, given = figure(name), dict(settings or {})
    if unknown := [key for key in given if key not in kind.defaults]:
        raise RunError(
            "the figure has no such setting", where=name, found=unknown[0], expected=f"one of {', '.join(kind.defaults) or 'none'}"
        )
    return kind.draw(source, view, {**kind.defaults, **given})
