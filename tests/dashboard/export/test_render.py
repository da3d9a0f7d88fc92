"""Pictures by kaleido on a real Chromium: the same to the byte, of the size that was asked for, whatever the names hold."""

import os
import struct

import pytest

from dashboard.export import render
from dashboard.export.leaving import Leaving
from dashboard.export.press import SIZES, Print
from dashboard.gallery import draw
from ptlib.errors import RunError

needs_browser = pytest.mark.skipif(render.browser_path() is None, reason="no Chromium here (Debian: apt-get install chromium)")


@pytest.fixture(scope="module", autouse=True)
def closed():
    yield
    render.renderer().close()


@pytest.fixture
def leaving(foul_source, foul_view):
    return Leaving(draw("transfer-matrix", foul_source, foul_view), "transfer-matrix", foul_view)


@needs_browser
def test_svg_is_the_same_to_the_byte_and_runs_nothing(leaving):
    first = leaving.form("svg", Print(title=True))
    render.renderer().close()
    assert leaving.form("svg", Print(title=True)) == first
    assert first.startswith(b"<svg")
    assert b"<script" not in first
    assert b"<b>" not in first
    assert b"=HYPERLINK" in first


@needs_browser
def test_png_has_300_dots_an_inch_and_pdf_is_one(leaving):
    png = leaving.form("png", Print("single column"))
    width = struct.unpack(">I", png[16:20])[0]
    assert width >= 300 * SIZES["single column"].inches
    assert leaving.form("pdf", Print("single column")).startswith(b"%PDF-")


def test_without_a_browser_it_is_a_sentence(leaving, monkeypatch):
    render.renderer().close()
    monkeypatch.setenv("BROWSER_PATH", os.devnull)
    assert render.browser_path() is None
    with pytest.raises(RunError, match="Chromium"):
        leaving.form("svg", Print())
