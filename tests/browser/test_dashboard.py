"""What a new user does: opens the dashboard, runs cells, clicks one, looks at every page. On the zoo that ships."""

from __future__ import annotations

import os
import re

import pytest

from tests.browser.accessibility import violations
from tests.browser.conftest import ARTEFACTS

PAGES = {"": "Which soft prompts", "transfer": "Transfer", "compare": "Compare", "neurons": "Neurons", "ablation": "Ablation", "correlation": "Correlation",
         "prompt_space": "Prompt space", "cross_model": "Cross-model", "training": "Training", "initialisation": "Transfer as initialisation",
         "shelf": "Library", "runs": "Runs"}  # fmt: skip
SELECTION = "seeds=0&n=25"
OWN_PROBES = re.compile(rf"/(?:{'|'.join(filter(None, [*PAGES, 'presentation']))})/_stcore/(?:health|host-config)$")
"""Streamlit's browser code asks below a page's address first, gets a 404 and asks at the root. Not ours to mend."""


class Tab:
    """A browser tab that remembers what went wrong in it."""

    def __init__(self, browser, size=(1440, 900), scheme="light"):
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        self.page, self.errors, self.size = self.context.new_page(), [], size
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "requestfailed", lambda request: self.errors.append(f"failed {request.url}") if "127.0.0.1" not in request.url else None
        )

    def _console(self, message):
        if message.type == "error" and not OWN_PROBES.search(message.location.get("url", "")):
            self.errors.append(f"{message.text} {message.location.get('url', '')}")

    def open(self, address):
        self.page.goto(address)
        self.page.wait_for_selector("h1", timeout=60_000)
        self.settle()

    def settle(self):
        """Until the script has run and every figure is drawn."""
        self.page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')", timeout=60_000)
        self.page.wait_for_function(
            "[...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(node => node.querySelector('.main-svg'))", timeout=60_000
        )
        self.page.wait_for_timeout(400)

    def until(self, condition, seconds):
        """Waits for a condition in the browser; where it does not come, what the page says instead is in the failure."""
        sync_api = pytest.importorskip("playwright.sync_api")
        try:
            self.page.wait_for_function(condition, timeout=1000 * seconds)
        except sync_api.TimeoutError:
            pytest.fail(f"waited {seconds} s in vain; the page says: {self.page.inner_text('body')[:3000]}")

    def click(self, x, y, address):
        """Clicks on a figure until the address says so: on a busy machine a figure may just be drawn anew under the pointer."""
        sync_api = pytest.importorskip("playwright.sync_api")
        for _ in range(4):
            self.page.mouse.move(x, y)
            self.page.wait_for_timeout(300)
            self.page.mouse.down()
            self.page.mouse.up()
            try:
                self.page.wait_for_url(re.compile(address), timeout=10_000)
                return
            except sync_api.TimeoutError:
                self.settle()
        raise AssertionError(f"a click does not bring {address} into the address")

    def check(self):
        assert self.page.locator("[data-testid=stException]").count() == 0
        assert self.page.locator("[data-testid=stAlertContentError]").all_inner_texts() == []
        assert self.errors == []

    def shot(self, name):
        """A picture for the developer's eyes, where PTLIB_PICTURES asks for them."""
        if not os.environ.get("PTLIB_PICTURES"):
            return
        ARTEFACTS.mkdir(exist_ok=True)
        height = self.page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        self.page.set_viewport_size({"width": self.size[0], "height": min(4000, max(self.size[1], height))})
        self.page.wait_for_timeout(700)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")
        self.page.set_viewport_size({"width": self.size[0], "height": self.size[1]})


@pytest.fixture(scope="module")
def filled(server, browser):
    """Runs the missing cells of one prompt seed from the Transfer page and waits for the matrix."""
    address, _ = server
    tab = Tab(browser)
    tab.open(f"{address}/transfer?{SELECTION}")
    tab.page.wait_for_function("document.body.innerText.includes('251 of 251 cells missing')", timeout=20_000)
    tab.page.get_by_role("button", name="Run missing cells").click()
    tab.page.get_by_role("button", name="Cancel").wait_for(timeout=30_000)
    tab.until(
        "(document.querySelector('[data-testid=stMain]')?.innerText ?? '').includes('· complete') && !document.body.innerText.includes('Cancel')",
        150,
    )
    tab.settle()
    tab.check()
    yield address
    tab.context.close()


def test_the_matrix_is_there_and_a_cell_opens(filled, browser):
    tab = Tab(browser)
    tab.open(f"{filled}/transfer?{SELECTION}")
    cells = tab.page.locator(".js-plotly-plot").first
    cells.locator(".main-svg").first.wait_for(timeout=30_000)
    drag = cells.locator(".nsewdrag").first.bounding_box()
    # The second row and the first column of fifteen rows and thirteen columns.
    tab.click(drag["x"] + drag["width"] * 0.5 / 13, drag["y"] + drag["height"] * 1.5 / 15, "cell=")
    tab.page.get_by_text("95 % interval").first.wait_for(timeout=20_000)
    tab.page.get_by_text(re.compile("Examples it gets wrong")).wait_for(timeout=20_000)
    tab.settle()
    tab.check()
    tab.shot("transfer-cell")
    tab.context.close()


def test_a_click_on_a_prompt_names_its_nearest(filled, browser):
    tab = Tab(browser)
    tab.open(f"{filled}/prompt_space?{SELECTION}")
    tab.page.wait_for_function("!document.body.innerText.includes('Computing ')", timeout=120_000)
    plot = tab.page.locator(".js-plotly-plot").first
    plot.locator(".main-svg").first.wait_for(timeout=30_000)
    tab.settle()
    point = plot.locator(".scatterlayer .trace .point").first.bounding_box()
    tab.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2, "near=")
    tab.settle()
    tab.page.locator("[data-testid=stDataFrame]").first.wait_for(timeout=20_000)
    tab.check()
    tab.context.close()


HEAD = """() => {
  const place = document.querySelector('[class*=st-key-steady-prompt-space]'), top = node => node.getBoundingClientRect().top;
  const plot = place.querySelector('.js-plotly-plot:not(.steady-cover)'), folded = -parseInt(place.style.marginTop || 0);
  const edge = top(place) + folded, above = place.closest('[data-testid=stLayoutWrapper]')?.previousElementSibling ?? place.previousElementSibling;
  return {key: top(plot.querySelector('.legend')) - edge, folded, tools: top(plot.querySelector('.modebar')) - edge,
          above: edge - above.getBoundingClientRect().bottom, empty: place.getBoundingClientRect().bottom - plot.getBoundingClientRect().bottom,
          entries: plot.querySelectorAll('.legend .traces').length, clip: place.style.clipPath};
}"""
"""Pixels of a figure's key, tools and what is above it from the edge from which on the figure is seen, and below it."""


def test_what_a_long_key_leaves_empty_is_folded_away_at_every_width(filled, browser):
    tab = Tab(browser)
    tab.open(f"{filled}/prompt_space?{SELECTION}&by=task")
    tab.page.locator("[class*=st-key-steady-prompt-space] .legend").first.wait_for(timeout=60_000)
    found = {}
    for width in (1440, 390, 1000):
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.settle()
        found[width] = tab.page.evaluate(HEAD)
        assert found[width]["entries"] >= 13
        assert 0 <= found[width]["key"] < 30, found
        assert found[width]["above"] >= 0, "what stands above the figure is not covered"
        assert found[width]["tools"] >= 0
        assert found[width]["empty"] <= 30, "what is below has come up"
        tab.page.wait_for_timeout(400)
    assert found[1440]["folded"] > found[1000]["folded"] > found[390]["folded"]
    tab.page.get_by_test_id("stMain").get_by_text("type", exact=True).first.click()
    tab.page.wait_for_function("document.querySelectorAll('.js-plotly-plot:not(.steady-cover) .legend .traces').length < 8")
    tab.settle()
    few = tab.page.evaluate(HEAD)
    assert 0 <= few["key"] < 30
    assert few["folded"] < found[1000]["folded"]
    assert few["empty"] <= 30
    assert few["clip"] == (f"inset({few['folded']}px 0px 0px)" if few["folded"] else "")
    tab.check()
    tab.context.close()


KEYS = """() => {
  const plot = document.querySelector('[class*=st-key-steady-transfer-matrix] .js-plotly-plot:not(.steady-cover)');
  const area = node => { const {left, right, top, bottom} = node.getBoundingClientRect(); return {left, right, top, bottom}; };
  return {bar: area(plot.querySelector('.infolayer > .colorbar')), key: area(plot.querySelector('.infolayer > .legend')),
          title: area([...plot.querySelectorAll('.infolayer > .annotation')].find(node => node.textContent === 'accuracy')),
          matrix: area(plot.querySelector('.heatmaplayer'))};
}"""


def test_the_colour_bar_stands_beside_the_key_and_over_nothing(filled, browser):
    tab = Tab(browser)
    tab.open(f"{filled}/transfer?{SELECTION}")
    tab.page.locator("[class*=st-key-steady-transfer-matrix] .legend").first.wait_for(timeout=60_000)
    for width in (1440, 700, 390):
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.settle()
        found = tab.page.evaluate(KEYS)
        bar, key, title = found["bar"], found["key"], found["title"]
        assert key["right"] < bar["left"] or bar["bottom"] <= key["top"] + 1, (width, found)
        assert title["bottom"] < bar["top"] + 8, "the title stands on its bar"
        assert title["right"] <= bar["right"] + 8
        assert max(bar["bottom"], key["bottom"]) < found["matrix"]["top"]
        if width == 1440:
            assert abs(bar["bottom"] - key["bottom"]) < 2, found
    tab.check()
    tab.context.close()


def test_progress_survives_a_second_tab(filled, browser):
    tab = Tab(browser)
    tab.open(f"{filled}/runs?{SELECTION}")
    tab.page.wait_for_function("document.body.innerText.includes('251 of 251 done')", timeout=20_000)
    tab.check()
    tab.context.close()


# Contrast and words are the same at every width; a telephone in the dark shows nothing that the other three do not.
@pytest.mark.parametrize(("size", "scheme"), [((1440, 900), "light"), ((1440, 900), "dark"), ((390, 844), "light")])
def test_every_page_is_legible_accessible_and_fits(filled, browser, size, scheme):
    tab = Tab(browser, size, scheme)
    tab.open(f"{filled}/?{SELECTION}")
    for path, title in PAGES.items():
        if size[0] > 1000 and path:
            tab.page.get_by_test_id("stSidebarNav").locator(f"a[href*='/{path}']").click()
            tab.page.wait_for_function("title => document.querySelector('h1')?.innerText.includes(title)", arg=title)
            tab.settle()
        elif path:
            tab.open(f"{filled}/{path}?{SELECTION}")
        assert title in tab.page.locator("h1").first.inner_text()
        background = tab.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
        assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(14, 17, 23)")
        tab.page.wait_for_function("!document.body.innerText.includes('Computing ')", timeout=120_000)
        tab.settle()
        overflow = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} is wider than the screen"
        if size[0] > 1000:
            assert violations(tab.page) == [], path
        tab.shot(f"{path or 'overview'}-{size[0]}-{scheme}")
        tab.check()
    tab.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_talk_is_held_with_the_arrow_keys(filled, browser, scheme):
    tab = Tab(browser, scheme=scheme)
    tab.open(f"{filled}/transfer?{SELECTION}")
    # Draws a part of the page anew; what is presented is what is shown.
    tab.page.get_by_test_id("stMain").get_by_text("relative performance", exact=True).first.click()
    tab.settle()
    tab.page.get_by_role("button", name="Present", exact=True).click()
    tab.page.get_by_role("button", name="Leave").wait_for()
    tab.settle()
    heading = tab.page.locator("h1")
    assert heading.inner_text() == "Transfer matrix", "it begins with the page's first figure"
    assert "figure=transfer-matrix~show" in tab.page.url.replace("%7E", "~")
    assert not tab.page.get_by_test_id("stSidebar").is_visible()
    room, plot = tab.page.evaluate(
        "() => ['.st-key-slide', '.js-plotly-plot'].map(name => document.querySelector(name).getBoundingClientRect().toJSON())"
    )
    assert abs(plot["width"] - room["width"]) < 2
    assert abs(plot["height"] - room["height"]) < 2
    assert max(plot["width"] / 1440, plot["height"] / 900) > 0.7, "as large as the window"
    assert plot["right"] <= 1440
    assert plot["bottom"] <= 900
    assert violations(tab.page) == []
    tab.shot(f"presentation-1440-{scheme}")
    # The pointer finds what it points at although the figure is scaled.
    box = tab.page.locator(".nsewdrag").first.bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.page.wait_for_selector(".hoverlayer .hovertext")
    tab.page.keyboard.press("ArrowRight")
    tab.page.wait_for_function("document.querySelector('h1').innerText !== 'Transfer matrix'")
    tab.settle()
    there = tab.page.url
    again = Tab(browser, scheme=scheme)
    again.open(there)
    assert again.page.locator("h1").inner_text() == heading.inner_text()
    again.check()
    again.open(f"{filled}/presentation?{SELECTION}&figure=no-such")
    assert "This link asks for what is not here" in again.page.inner_text("body")
    tab.page.keyboard.press("ArrowLeft")
    tab.page.wait_for_function("document.querySelector('h1').innerText === 'Transfer matrix'")
    tab.page.keyboard.press("Escape")
    tab.page.wait_for_url(re.compile("/transfer"))
    tab.page.get_by_test_id("stSidebar").wait_for()
    assert "seeds=0" in tab.page.url
    tab.check()
    for one in (tab, again):
        one.context.close()


WATCH = """() => {
  const place = document.querySelector('[class*=st-key-steady-transfer-matrix]');
  const top = place.getBoundingClientRect().height;
  window.gone = []; window.counts = new Set(); window.titles = new Set(); window.mounts = new Set();
  const look = () => {
    const svg = place.isConnected && [...place.querySelectorAll('.main-svg')].some(one => one.getBoundingClientRect().height > 50);
    if (!svg || Math.abs(place.getBoundingClientRect().height - top) > 5)
      window.gone.push([document.title, place.isConnected, svg, place.getBoundingClientRect().height, top]);
    window.mounts.add(place.querySelector('.js-plotly-plot:not(.steady-cover)'));
    window.counts.add([...place.querySelectorAll('text')].filter(one => /^[.]\\d\\d$/.test(one.textContent)).length);
    window.titles.add(document.title);
  };
  // Sizes are told when all else of a frame is done and before it is painted.
  const probe = document.body.appendChild(document.createElement('div'));
  probe.style.cssText = 'position:fixed;height:1px;width:1px';
  const tick = number => { probe.style.width = `${1 + number % 2}px`; requestAnimationFrame(() => tick(number + 1)); };
  new ResizeObserver(look).observe(probe);
  tick(0);
}"""
"""In every picture that the browser paints: whether a drawn matrix is at its place and as high as before, and how many scores stand in it."""


def test_a_matrix_fills_in_without_flicker_and_every_tab_follows_the_run(server, browser):
    address, _ = server
    tab, other = Tab(browser), Tab(browser)
    tab.open(f"{address}/transfer?seeds=0&n=100")
    tab.page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=60_000)
    tab.settle()
    tab.page.evaluate(WATCH)
    tab.page.get_by_role("button", name="Run missing cells").click()
    tab.page.get_by_role("button", name="Pause").wait_for(timeout=30_000)
    other.open(f"{address}/runs")
    other.page.get_by_role("button", name="Pause").click()
    tab.page.get_by_role("button", name="Resume").wait_for(timeout=30_000)
    tab.page.get_by_text("nothing of it is evaluated until it is resumed").wait_for(timeout=30_000)
    tab.page.get_by_role("button", name="Resume").click()
    other.page.get_by_role("button", name="Pause").wait_for(timeout=30_000)
    tab.page.wait_for_function("(document.querySelector('[data-testid=stMain]')?.innerText ?? '').includes('· complete')", timeout=180_000)
    tab.settle()
    counts, titles = (tab.page.evaluate(f"() => [...window.{name}]") for name in ("counts", "titles"))
    assert tab.page.evaluate("() => window.gone") == [], "the matrix was never away"
    assert tab.page.evaluate("() => window.mounts.size") > 2, "streamlit did draw it anew"
    assert len([count for count in counts if count]) >= 3, f"it filled in step by step: {counts}"
    assert sum("% · Prompt transfer" in title for title in titles) >= 2
    assert tab.page.title() == "Prompt transfer"
    other.page.wait_for_function("document.title === 'Prompt transfer'", timeout=30_000)
    for one in (tab, other):
        one.check()
        one.context.close()
