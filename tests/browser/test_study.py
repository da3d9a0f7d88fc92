"""A study as one file, opened from disk in a real browser: no server, no network, no error, filters that work."""

from __future__ import annotations

import pytest

from dashboard.gallery import Fresh
from dashboard.recipe import Chosen
from dashboard.study_page import html_of
from ptlib.library import Library
from ptlib.store import Store
from tests.dashboard.conftest import FOUL, foul_cache, foul_library

__all__ = ["foul_cache", "foul_library"]
MOST = 15 * 2**20


@pytest.fixture(scope="module")
def study(foul_library, foul_cache, tmp_path_factory):
    library = Library.open([foul_library])
    text = html_of(Fresh(Store(foul_cache), library), [Chosen("tiny-1").view(library)], "A <b>study</b> of </script> prompts")
    path = tmp_path_factory.mktemp("study") / "study.html"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def opened(study, browser):
    """The page, and what it asked for and complained of."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
    page, asked, wrong = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append("a name ran as a script"), dialog.dismiss()))
    page.goto(study.as_uri())
    page.wait_for_function("document.documentElement.dataset.ready", timeout=60_000)
    yield page
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


def test_it_opens_from_disk_and_is_small(opened, study):
    assert study.stat().st_size < MOST
    assert opened.locator("h1").inner_text() == "A <b>study</b> of </script> prompts"
    assert opened.evaluate("document.documentElement.scrollWidth") <= 1440


def test_its_filters_narrow_every_figure(opened):
    def rows():
        return opened.evaluate("document.getElementById('transfer-matrix').data.find((trace) => trace.type === 'heatmap').z.length")

    before = rows()
    opened.get_by_role("searchbox").first.fill("M")
    opened.wait_for_timeout(500)
    assert 0 < rows() < before
    assert FOUL[0] in opened.evaluate("document.getElementById('study').textContent").replace("\\u003c", "<").replace('\\"', '"').replace("\\\\", "\\")  # fmt: skip
    opened.get_by_role("searchbox").first.fill("")
    opened.wait_for_timeout(500)
    assert rows() == before
