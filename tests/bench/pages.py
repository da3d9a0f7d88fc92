"""What a user waits for in a real browser, with a warm server on a store of 2,000 prompts and 100,000 cells.

A time runs from the click to the last change of the page: its script has run, every figure is drawn, nothing is being computed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

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
// What a table's canvas holds for screen readers is not drawn.
const seen = change => !change.target.closest?.('canvas');
const watch = () => new MutationObserver(changes => { if (changes.some(seen)) window.changed = performance.now(); })
  .observe(document.documentElement, {subtree: true, childList: true, attributes: true, characterData: true});
document.documentElement ? watch() : document.addEventListener('readystatechange', watch, {once: true});
"""
DRAWN = f"""() => performance.now() - window.changed > {QUIET} && document.querySelector('h1')
  && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning' && !document.body.innerText.includes('Computing ')
  && !document.querySelector('[data-testid=stSkeleton]')
  && [...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(node => node.querySelector('.main-svg'))"""
CONTROLS: tuple[tuple[str, str, Callable[[Any], None]], ...] = (
    ("Transfer", "relative instead of scores", lambda page: page.get_by_text("relative performance", exact=True).first.click()),
    ("Correlation", "pairs of other types only", lambda page: page.get_by_text("other types only").first.click()),
    ("Prompt space", "coloured by task", lambda page: page.get_by_text("task", exact=True).first.click()),
    ("Neurons", "another layer", lambda page: page.get_by_test_id("stButtonGroup").last.get_by_text("2", exact=True).click()),
)


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

    def after(self, act: Callable[[], object]) -> float:
        """Seconds from an act to the page's last change."""
        begun = self.page.evaluate("performance.now()")
        act()
        # The click itself changes something at once; the server's answer takes a moment.
        self.page.wait_for_timeout(60)
        self.page.wait_for_function(DRAWN, timeout=600_000)
        return (self.page.evaluate("window.changed") - begun) / 1000

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

        return self.after(click)

    def close(self) -> None:
        self.page.context.close()


def measured(browser: Any, address: str, rounds: int) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of page changes and control changes, and what is asked for beside them."""
    warm = Tab(browser, address)
    # What takes minutes on such a store is computed beside the page, once.
    beside = {"Overview": warm.visit(patience=900)} | {name: warm.go(name) for name in PAGES[1:]}
    for name, what, act in CONTROLS:
        warm.go(name)
        beside[what] = warm.after(lambda act=act: act(warm.page))
    warm.close()
    first, changes, controls, largest = [], {name: [] for name in PAGES}, {what: [] for _, what, _ in CONTROLS}, 0
    for _ in range(rounds):
        tab = Tab(browser, address)
        first.append(tab.visit())
        for name in (*PAGES[1:], PAGES[0]):
            changes[name].append(tab.go(name))
        for name, what, act in CONTROLS:
            tab.go(name)
            controls[what].append(tab.after(lambda act=act, tab=tab: act(tab.page)))
        largest = max(largest, tab.largest)
        tab.close()
    rows = [[f"to {name}", spread(times), f"{len(times)}"] for name, times in changes.items()]
    rows += [[f"{what} ({name})", spread(controls[what]), f"{len(controls[what])}"] for name, what, _ in CONTROLS]
    every, redrawn = [one for times in changes.values() for one in times], [one for times in controls.values() for one in times]
    asked = [["page change, p95 (asked for: 1.2 s)", f"{np.quantile(every, 0.95):.2f} s", f"{len(every)}"],
             ["control change, p95 (asked for: .5 s)", f"{np.quantile(redrawn, 0.95):.2f} s", f"{len(redrawn)}"],
             ["first visit (asked for: 4 s)", f"{spread(first)} s", f"{len(first)}"],
             ["largest message (asked for: 2 MB a figure)", f"{largest / 1e6:.2f} MB", ""]]  # fmt: skip
    asked += [
        [f"what is computed beside the page once: {name}", f"{seconds:.0f} s", "1"] for name, seconds in beside.items() if seconds > 10
    ]
    return rows, asked


def run(_folder: Path, *, rounds: int, **_options: object) -> None:
    """Two tables."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        make(Path(home))
        environment = {"PTLIB_CACHE": f"{home}/cache", "PTLIB_LIBRARY": f"{home}/library"}
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        with server(Path(home), environment) as (port, process):
            rows, asked = measured(browser, f"http://127.0.0.1:{port}/?plm=tiny-1", rounds)
            memory = [one.memory_info().rss / 2**20 for one in psutil.Process(process.pid).children(recursive=True)]
        browser.close()
        text = "2,000 prompts and 100,000 cells, a warm server, headless Chromium at 1440 x 900 on the same two cores."
        keep("pages", "Pages in the browser", text, ["", "seconds from the click to the last change", "n"], rows)
        keep("pages", "Pages in the browser: what was asked for", text, ["", "measured", "n"], [*asked, ["memory of the page's processes", f"{sum(memory):.0f} MiB", ""]])  # fmt: skip
