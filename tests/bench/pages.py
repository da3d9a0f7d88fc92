"""What a user waits for in a real browser, with a warm server on a store of 2,000 prompts and 100,000 cells.

A time runs from the click to the last change of the page: its script has run, every figure is drawn, nothing is being computed. Of a
control it is also told when the last figure that the window shows was drawn anew, which is what its user waits for.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly
import psutil
from plotly.io import to_json

from dashboard.figures import correlation, matrix, projection
from dashboard.once import Once
from tests.bench.results import keep, spread
from tests.large import make
from tests.sessions import server

PAGES = (
    "Overview",
    "Transfer",
    "Compare",
    "Neurons",
    "Ablation",
    "Correlation",
    "Prompt space",
    "Cross-model",
    "Training",
    "Initialisation",
    "Library",
    "Runs",
)
TITLES = {"Overview": "Which soft prompts", "Initialisation": "Transfer as initialisation"}
QUIET = 350
"""Milliseconds without a change after which a page counts as drawn."""
WATCH = """
window.changed = performance.now();
// What a table's canvas holds for screen readers, a toolbar that shows on hover, and a figure's place that is told to stay as high as
// it is (dashboard/steady.js, 150 ms after the figure has come to rest) are not seen.
const seen = change => !change.target.closest?.('canvas, .modebar-container, .draglayer')
  && !(change.type === 'attributes' && change.target.matches('[class*=st-key-steady-]'));
window.figures = new Map();
addEventListener('click', () => { window.clicked = window.changed = performance.now(); window.figures.clear(); }, true);
const watch = () => new MutationObserver(changes => {
  const there = changes.filter(seen);
  if (!there.length) return;
  window.changed = performance.now();
  for (const change of there) window.figures.set(change.target.closest?.('[data-testid=stPlotlyChart]'), window.changed);
}).observe(document.documentElement, {subtree: true, childList: true, attributes: true, characterData: true});
document.documentElement ? watch() : document.addEventListener('readystatechange', watch, {once: true});
"""
DRAWN = f"""() => performance.now() - window.changed > {QUIET} && document.querySelector('h1')
  && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning' && !document.body.innerText.includes('Computing ')
  && !document.querySelector('[data-testid=stSkeleton]')
  && [...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(node => node.querySelector('.main-svg'))"""

# Milliseconds from the click to the last change of the page, and of the figures that the window shows.
TIMES = """() => {
  const inside = figure => { const {top, bottom} = figure.getBoundingClientRect(); return bottom > 0 && top < innerHeight; };
  const shown = [...window.figures].filter(([figure]) => figure?.isConnected && inside(figure)).map(([, when]) => when);
  return [window.changed, shown.length ? Math.max(...shown) : window.changed].map(when => when - window.clicked);
}"""


def _choice(*texts: str) -> tuple[Callable[[Any], None], ...]:
    return tuple(lambda page, text=text: page.get_by_test_id("stMain").get_by_text(text, exact=True).first.click() for text in texts)


def _layer(number: int) -> Callable[[Any], None]:
    return lambda page: page.get_by_test_id("stButtonGroup").last.get_by_text(str(number), exact=True).click()


CONTROLS: tuple[tuple[str, str, tuple[Callable[[Any], None], ...]], ...] = (
    ("Transfer", "relative performance, score", _choice("relative performance", "score")),
    ("Correlation", "pairs: other types only, all", _choice("other types only", "all")),
    ("Prompt space", "coloured by task, type", _choice("task", "type")),
    ("Neurons", "another layer", (_layer(2), _layer(1))),
)
"""Page, what is chosen there, and the clicks that choose it and what was there before."""


class Tab:
    """A browser tab with a clock and an ear on what the server sends."""

    def __init__(self, browser: Any, address: str) -> None:
        self.page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        self.address, self.largest = address, 0
        self.page.add_init_script(WATCH)
        self._ear = self.page.context.new_cdp_session(self.page)
        self._ear.on("Network.webSocketFrameReceived", self._heard)
        self._ear.send("Network.enable")

    def _heard(self, event: dict) -> None:
        # Base64 takes four characters for three bytes.
        self.largest = max(self.largest, len(event["response"]["payloadData"]) * 3 // 4)

    def after(self, act: Callable[[], object]) -> tuple[float, float]:
        """Seconds from an act's click to the page's last change, and to the last one of a figure in the window."""
        act()
        # The click itself changes something at once; the server's answer takes a moment.
        self.page.wait_for_timeout(60)
        self.page.wait_for_function(DRAWN, timeout=600_000)
        whole, figures = self.page.evaluate(TIMES)
        return whole / 1000, figures / 1000

    def visit(self, patience: float = 120) -> float:
        """Seconds of a first visit: from the address to the last change."""
        self.page.goto(self.address)
        self.page.wait_for_function(DRAWN, timeout=patience * 1000)
        return self.page.evaluate("window.changed") / 1000

    def go(self, name: str) -> float:
        """Seconds from the click on a page's name."""

        def click() -> None:
            self.page.get_by_test_id("stSidebarNav").get_by_text(name, exact=True).click()
            self.page.wait_for_function("title => document.querySelector('h1')?.innerText.startsWith(title)", arg=TITLES.get(name, name))

        return self.after(click)[0]

    def close(self) -> None:
        self.page.context.close()


def warmed(browser: Any, address: str) -> list[list[str]]:
    """Rows of what takes minutes on such a store: it is computed beside the page, once a server."""
    tab = Tab(browser, address)
    beside = {"Overview": tab.visit(patience=900)} | {name: tab.go(name) for name in PAGES[1:]}
    for name, what, (there, _) in CONTROLS:
        tab.go(name)
        beside[what] = tab.after(lambda there=there: there(tab.page))[0]
    tab.close()
    return [[f"what is computed beside the page once: {name}", f"{seconds:.0f} s", "1"] for name, seconds in beside.items() if seconds > 10]


def measured(browser: Any, address: str, rounds: int) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of page changes and control changes, and what is asked for beside them.

    In a new tab the browser reads and compiles what it needs when a page is opened first; people stay for more than one look.
    """
    visits, largest = [], 0
    pages: dict[str, tuple[list, list]] = {name: ([], []) for name in PAGES}
    controls: dict[str, tuple[list, list]] = {what: ([], []) for _, what, _ in CONTROLS}
    wholes: dict[str, tuple[list, list]] = {what: ([], []) for _, what, _ in CONTROLS}
    for _ in range(rounds):
        tab = Tab(browser, address)
        visits.append(tab.visit())
        for name in (*PAGES[1:], PAGES[0]):
            pages[name][0].append(tab.go(name))
        for name in (*PAGES[1:], PAGES[0]):
            pages[name][1].append(tab.go(name))
        for name, what, (there, back) in CONTROLS:
            tab.go(name)
            for number, act in enumerate((there, back, there, back)):
                whole, figures = tab.after(lambda act=act, tab=tab: act(tab.page))
                controls[what][min(number, 1)].append(figures)
                wholes[what][min(number, 1)].append(whole)
        largest = max(largest, tab.largest)
        tab.close()
    rows = [[f"to {name}", *_both(pages[name])] for name in PAGES]
    for name, what, _ in CONTROLS:
        rows += [
            [f"{what} ({name}): figures in the window", *_both(controls[what])],
            [f"{what} ({name}): whole page", *_both(wholes[what])],
        ]
    asked = [
        *_asked("page change, p95 (asked for: 1.2 s)", pages),
        *_asked("control change to the figures in the window, p95 (asked for: .5 s)", controls),
        *_asked("control change to the last change of the page, p95", wholes),
        ["first visit (asked for: 4 s)", f"{spread(visits)} s", f"{len(visits)}"],
        ["largest message (asked for: 2 MB a figure)", f"{largest / 1e6:.2f} MB", ""],
    ]
    return rows, asked


def _both(times: tuple[list, list]) -> list[str]:
    return [cell for some in times for cell in (spread(some), f"{len(some)}")]


def _asked(what: str, found: dict[str, tuple[list, list]]) -> list[list[str]]:
    rows = []
    for place, when in enumerate(("first time in a tab", "again")):
        times = [one for pair in found.values() for one in pair[place]]
        rows.append([f"{what}, {when}", f"{np.quantile(times, 0.95):.2f} s", f"{len(times)}"])
    return rows


HANDED = """async text => {
  const node = document.getElementById('figure'), one = JSON.parse(text), other = JSON.parse(text);
  const begun = performance.now();
  await Plotly.newPlot(node, one.data, one.layout);
  await Plotly.react(node, other.data, other.layout);
  await new Promise(painted => requestAnimationFrame(() => setTimeout(painted)));
  const took = performance.now() - begun;
  Plotly.purge(node);
  return took;
}"""


def handed_over(browser: Any, rounds: int) -> list[list[str]]:
    """Milliseconds that plotly takes for a figure and its copy, as streamlit hands them over: as the figure is, and as pages send it."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_content("<div id=figure style='width:900px'></div>")
    page.add_script_tag(path=Path(plotly.__file__).parent / "package_data" / "plotly.min.js")
    rows = []
    for name, fig in large_figures().items():
        forms = [to_json(form.to_dict(), validate=False) for form in (fig, Once(fig))]
        # The first of each is for the browser to compile what it needs.
        times = np.array([[page.evaluate(HANDED, form) for form in forms] for _ in range(rounds + 1)])[1:]
        rows.append([name, *(spread(column, 0) for column in times.T), spread(times[:, 0] / times[:, 1]), f"{rounds}"])
    page.close()
    return rows


def large_figures() -> dict[str, Any]:
    """Figures of the size that 50 tasks with 40 prompts each make."""
    rng, kinds = np.random.default_rng(0), ["sentiment", "nli", "ethics", "paraphrase", "question answering"]
    types = {f"task-{number:02}": kinds[number % len(kinds)] for number in range(50)}
    pairs = pd.DataFrame([{"seed": 0, "source": one, "target": two, "source_type": types[one], "target_type": types[two],
                           "same_type": types[one] == types[two], "similarity": rng.random(), "transfer": rng.random()}
                          for one in types for two in types if one != two])  # fmt: skip
    points = pd.DataFrame([{"name": f"{task}-s{seed}", "source": task, "type": kind, "seed": str(seed), "plm": "p", "x": rng.normal(), "y": rng.normal()}
                           for task, kind in types.items() for seed in range(40)])  # fmt: skip
    axis, scores = matrix.Axis(list(types), list(types.values())), rng.random((50, 50))
    shown = list(types)[:9]
    return {
        "scatter of 2,450 pairs": correlation.scatter(pairs, "ON", "score", "light"),
        "9 panels of 49 pairs": correlation.panels(pairs[pairs.target.isin(shown)], pd.Series(0.5, index=shown), "ON", "score", "light"),
        "2,000 prompts coloured by type": projection.space(points, "type", ["1", "2"], "", "light"),
        "2,000 prompts coloured by task": projection.space(points, "source", ["1", "2"], "", "light"),
        "matrix of 50 x 50": matrix.transfer_matrix(scores, axis, axis, low=scores, high=scores, count=np.full((50, 50), 64.0), own=[],
                                                    relative=False, mode="light"),
    }  # fmt: skip


def run(_folder: Path, *, rounds: int, **_options: object) -> None:
    """Two tables."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        make(Path(home))
        environment = {"PTLIB_CACHE": f"{home}/cache", "PTLIB_LIBRARY": f"{home}/library"}
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        with server(Path(home), environment) as (port, process):
            address = f"http://127.0.0.1:{port}/?plm=tiny-1"
            beside = warmed(browser, address)
            rows, asked = measured(browser, address, rounds)
            handed = handed_over(browser, rounds)
            memory = [one.memory_info().rss / 2**20 for one in psutil.Process(process.pid).children(recursive=True)]
        browser.close()
        keep("pages", "A figure and its copy, as streamlit hands them to plotly", "A figure and an equal one drawn in its place, to the painted picture; the two forms in turns.",
             ["", "ms, as the figure is", "ms, as pages send it", "times as fast", "n"], handed)  # fmt: skip
        text = "2,000 prompts and 100,000 cells, a warm server, headless Chromium at 1440 x 900 on the same two cores."
        keep(
            "pages",
            "Pages in the browser",
            text,
            ["", "seconds from the click to the last change, first time in a tab", "n", "again", "n"],
            rows,
        )
        keep("pages", "Pages in the browser: what was asked for", text, ["", "measured", "n"], [*asked, *beside, ["memory of the page's processes", f"{sum(memory):.0f} MiB", ""]])  # fmt: skip
