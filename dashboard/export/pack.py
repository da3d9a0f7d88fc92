"""Everything at once: the figures of a selection in every form, with recipes and captions, as a zip. All show one moment of the store."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dashboard import recipe
from dashboard.export import render, tables
from dashboard.export.browser import file_name
from dashboard.export.leaving import TABLES, Leaving
from dashboard.export.press import FORMATS, Print
from dashboard.gallery import Fresh, draw, figure
from dashboard.view import View
from ptlib import __version__
from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.store import Store

FIGURES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("own-against-baselines", {}), ("type-effect", {}), ("transfer-matrix", {}), ("transfer-matrix", {"show": "relative performance"}),
    ("measured-published", {}), ("type-blocks", {}), ("neurons-overview", {}), ("on-matrix", {}), ("overlap-performance", {}), ("indicators", {}),
    ("by-target", {}), ("by-layer", {}), ("prompt-space", {"method": "pca"}), ("prompt-space", {"method": "umap"}), ("prompt-space", {"of": "stimulation"}),
    ("ablation", {}), ("ablation", {"group": "same type"}), ("ablation", {"group": "other types"}), ("ablation-layers", {}), ("cross-model-roles", {}),
    ("cross-model-matrix", {}), ("projected-starts", {}), ("projected-steps-saved", {}), ("collapse", {}), ("training-curve", {}), ("training-likeness", {}), ("starts", {}), ("steps-saved", {}),
)  # fmt: skip
"""What a pack holds: name in the gallery, and settings."""
STILL = (1980, 1, 1, 0, 0, 0)
"""Time of the files in the zip: the same contents, the same zip."""


def leavings(source: Fresh, view: View) -> Iterator[tuple[str, Leaving | PtlibError]]:
    """Each figure of a pack, drawn, with its file's name; or why it cannot be."""
    for number, (name, settings) in enumerate(FIGURES, 1):
        stem = file_name(f"{number:02d}", name, *map(str, settings.values()))
        try:
            yield stem, Leaving(draw(name, source, view, settings), name, view, settings)
        except PtlibError as error:
            yield stem, error


def write(
    source: Fresh, view: View, chosen: Print, tell: Callable[[str], None] = lambda words: None,
    picture: Callable[..., bytes] = render.picture, formats: tuple[str, ...] = FORMATS,
) -> bytes:  # fmt: skip
    """The zip.

    Args:
        view: in the light mode.
        tell: is told what is at hand.
        formats: of the pictures; without a browser none.
    """
    when, captions, left_out = recipe.newest(source, view), [], []
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as pack:
        for number, (stem, leaving) in enumerate(leavings(source, view), 1):
            tell(f"figure {number} of {len(FIGURES)}")
            if isinstance(leaving, PtlibError):
                left_out.append(f"{stem}: {leaving}")
                continue
            for form in formats:
                _put(pack, f"{stem}.{form}", leaving.form(form, chosen, when, lambda _, *args: picture(*args)))
            for form in TABLES:
                _put(pack, f"data/{stem}.{form}", leaving.form(form, chosen, when))
            missing = 0 if view.published else source.missing(view.selection, figure(leaving.name).needs)[0]
            _put(pack, f"recipes/{stem}.toml", recipe.write(leaving, chosen, source.library(), missing).to_toml().encode())
            captions.append((stem, leaving.caption(when)))
        _put(pack, "captions.tex", "".join(f"% {stem}\n\\caption{{{tables.latex_text(words)}}}\n\n" for stem, words in captions).encode())
        _put(pack, "README.txt", _readme(view, captions, left_out).encode())
    return found.getvalue()


def _put(pack: zipfile.ZipFile, name: str, content: bytes) -> None:
    pack.writestr(zipfile.ZipInfo(name, STILL), content, zipfile.ZIP_DEFLATED)


def _readme(view: View, captions: list[tuple[str, str]], left_out: list[str]) -> str:
    lines = [f"Figures of {view.plm.id}, made by ptlib {__version__}.", "", "Each figure as picture; its data under data/ (csv, json, tex, md); its recipe "
             "under recipes/.", "All of them again: ./run.sh ptlib figure recipes/ --formats pdf svg", ""]  # fmt: skip
    lines += [f"{stem}\n  {words}\n" for stem, words in captions]
    return "\n".join([*lines, *(["Left out:"] if left_out else []), *left_out]) + "\n"


def make(cache: Path, chosen: recipe.Chosen, printed: Print, out: Path, formats: tuple[str, ...] = FORMATS) -> Path:
    """Writes the zip of a selection to a file; how far it is stands beside it meanwhile. Runs in the process of :mod:`dashboard.export.beside`."""
    library = Library.open()
    beside = out.with_suffix(".progress")
    part = out.with_suffix(".part")
    out.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(write(Fresh(Store(cache), library), chosen.view(library), printed, beside.write_text, formats=formats))
    part.replace(out)
    beside.unlink(missing_ok=True)
    return out
