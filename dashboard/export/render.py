"""Pictures by kaleido on the machine's Chromium. Runs in a process of its own beside the page (:mod:`dashboard.export.beside`), or in
the one that ``ptlib figure`` starts; the browser stays open between pictures and sees no network."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import struct
import threading
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from dashboard.export import cells, measure
from dashboard.export.press import FORMATS, Print, Sheet, lay_out
from ptlib.errors import RunError

SECONDS = 120.0
"""A picture that takes longer is given up."""
TITLE = "Prompt transfer"
ID = r"""((?:id="|url\((?:&quot;|["'])?#|href="#)[A-Za-z-]*)"""


def browser_path() -> str | None:
    """The Chromium that draws: BROWSER_PATH, or what choreographer finds; None where there is none."""
    named = os.environ.get("BROWSER_PATH")
    if named is not None:
        return named if os.access(named, os.X_OK) and Path(named).is_file() else None
    from choreographer.browsers.chromium import Chromium

    return Chromium.find_browser(skip_local=False)


class Renderer:
    """One open browser. Its calls come from any thread, one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._kaleido: Any = None
        self._last: tuple = (None,)

    def picture(self, figure: Mapping[str, Any], form: str, chosen: Print, title: str = "") -> bytes:
        """A figure as PDF, SVG or PNG.

        Args:
            figure: plotly's JSON with plain lists, in the light mode.
            form: "pdf", "svg" or "png".

        Raises:
            RunError: an unknown format, size or font, no browser, or a browser that fails twice.
        """
        if form not in FORMATS:
            raise RunError("no such format", where="export", found=repr(form), expected=f"one of {', '.join(FORMATS)}")
        with self._lock:
            try:
                return self._picture(figure, form, chosen, title)
            except RunError:
                raise
            except Exception:
                # A browser that was killed, or fell asleep with the machine, is opened anew, once.
                self._close()
                try:
                    return self._picture(figure, form, chosen, title)
                except Exception as error:
                    self._close()
                    raise RunError("the picture could not be drawn", where="Chromium", found=f"{type(error).__name__}: {error}"[:300],
                                   mend="Save it by the camera in the figure's toolbar.") from error  # fmt: skip

    def _picture(self, figure: Mapping[str, Any], form: str, chosen: Print, title: str) -> bytes:
        sheet, svg = self._fitted(figure, chosen, title)
        if form == "svg":
            return _same_each_time(svg or self._draw(sheet, "svg", sheet.zoom).decode(), sheet).encode()
        made = self._draw(sheet, form, sheet.scale if form == "png" else sheet.zoom)
        return _with_dots(made, sheet) if form == "png" else made

    def _fitted(self, figure: Mapping[str, Any], chosen: Print, title: str) -> tuple[Sheet, str]:
        """The figure on its paper, its legend and cells in place, and its SVG where that was drawn so; kept, since forms of one figure are
        asked for one after another."""
        key = (hashlib.sha256(json.dumps(figure).encode()).digest(), chosen, title)
        if self._last[0] != key:
            sheet = lay_out(dict(figure), chosen, title)
            svg = self._draw(sheet, "svg", sheet.zoom).decode()
            if (roomy := measure.lowered(sheet, svg)) is not None:
                sheet = roomy
                svg = self._draw(sheet, "svg", sheet.zoom).decode()
            if cells.heatmaps(sheet.figure) and (area := measure.axes(svg)) is not None:
                sheet, svg = cells.fit(sheet, area), ""
            self._last = (key, sheet, svg)
        return self._last[1:]

    def _draw(self, sheet: Sheet, form: str, scale: float) -> bytes:
        if self._kaleido is None:
            self._open()
        options = {"format": form, "width": sheet.width, "height": sheet.height, "scale": scale}
        return asyncio.run_coroutine_threadsafe(self._kaleido.calc_fig(sheet.figure, opts=options), self._loop).result(SECONDS)

    def _open(self) -> None:
        path = browser_path()
        if path is None:
            raise RunError("no Chromium or Chrome is here to draw PDF, SVG and PNG", where=os.environ.get("BROWSER_PATH"),
                           mend="Install one (Debian: apt-get install chromium), or name it in BROWSER_PATH.")  # fmt: skip
        import kaleido

        class Page(kaleido.PageGenerator):
            header = kaleido.PageGenerator.header.replace("Kaleido-fier", TITLE)

        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="kaleido").start()
        # Formulas are not used; without them nothing is fetched from the network.
        self._kaleido = kaleido.Kaleido(n=1, timeout=SECONDS, page_generator=Page(mathjax=False), path=path)
        asyncio.run_coroutine_threadsafe(self._kaleido.open(), self._loop).result(SECONDS)

    def _close(self) -> None:
        kaleido, loop, self._kaleido, self._loop = self._kaleido, self._loop, None, None
        if loop is not None:
            with suppress(Exception):
                asyncio.run_coroutine_threadsafe(kaleido.close(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)

    def close(self) -> None:
        """Ends the browser."""
        with self._lock:
            self._close()


@cache
def renderer() -> Renderer:
    """The one of this process."""
    return Renderer()


def picture(figure: Mapping[str, Any], form: str, chosen: Print, title: str = "") -> bytes:
    """:meth:`Renderer.picture` of this process's browser."""
    return renderer().picture(figure, form, chosen, title)


def _same_each_time(svg: str, sheet: Sheet) -> str:
    """Plotly draws lots for the names in an SVG: names made from its content make it the same to the byte. Its size is
    said in inches."""
    found = re.search(r'id="defs-([0-9a-f]{6})"', svg)
    if found:
        name = re.compile(ID + found[1])
        blank = name.sub(r"\g<1>000000", svg)
        svg = name.sub(rf"\g<1>{hashlib.sha256(blank.encode()).hexdigest()[:6]}", svg)
    inches = [f"{length * sheet.zoom / 96:.4g}in" for length in (sheet.width, sheet.height)]
    head = re.sub(r'\bwidth="[\d.]+" height="[\d.]+"', f'width="{inches[0]}" height="{inches[1]}"', svg[: svg.index(">")], count=1)
    return head + svg[svg.index(">") :]


def _with_dots(png: bytes, sheet: Sheet) -> bytes:
    """The PNG with its dots an inch written into it (the chunk pHYs), so that it is placed at its size."""
    dots = round(sheet.scale * 96 / sheet.zoom / 0.0254)
    body = b"pHYs" + struct.pack(">IIB", dots, dots, 1)
    # Behind the signature (8 bytes) and the header (25).
    return png[:33] + struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]
