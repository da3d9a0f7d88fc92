"""Makes the pictures of the guide from the program itself: ``PYTHONPATH=. .venv/bin/python docs/screenshots.py [--published FOLDER]``.

An empty cache and an empty library of the user are filled by the command line (about 20 minutes), a server is started on them, and
Chromium takes a picture of every page. ``--published`` names the authors' checkout, for the picture of their study.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.sessions import ROOT, server

HERE = Path(__file__).parent / "screenshots"
PLM = "zoo-64-s1"
FILL = (
    f"transfer --plm {PLM}",
    f"correlate --plm {PLM}",
    "transfer --plm zoo-128-s1 --seeds 0 --limit 100",
    f"transfer --plm {PLM} --seeds 0 --limit 100",
    f"mask laptop --plm {PLM} --cut-seeds 0",
    f"projector zoo-128-s1 {PLM} --train laptop nli-scene duty event-paraphrase",
    f"projector zoo-128-s1 {PLM} --train laptop nli-scene duty event-paraphrase --as-initialisation",
    f"train laptop --plm {PLM}",
    f"train restaurant --plm {PLM} --from {PLM}/laptop-s0 --initialisation prompt",
    f"initialise --plm {PLM} --tasks laptop nli-scene duty event-paraphrase --no-mean",
)
"""What has to be there, as the guide tells its readers to make it."""
FOUR = "&".join(f"{{0}}={task}" for task in ("laptop", "nli-scene", "duty", "event-paraphrase"))
SHOTS = {
    "overview": "", "transfer": "transfer", "neurons": "neurons", "ablation": "ablation?cut=laptop",
    "correlation": "correlation", "prompt_space": "prompt_space", "compare": "compare?seeds=0&n=100&other-plm=zoo-128-s1",
    "cross_model": f"cross_model?from=zoo-128-s1&{FOUR.format('trained-on')}", "training": "training",
    "initialisation": f"initialisation?init-mean=false&{FOUR.format('tasks')}", "library": "shelf", "runs": "runs",
    "presentation": "presentation?figure=transfer-matrix",
}  # fmt: skip
"""Picture and address."""
DRAWN = """() => !document.querySelector('[data-testid=stStatusWidget]') && !document.body.innerText.includes('Computing ')
  && [...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(node => node.querySelector('.main-svg'))"""
WIDE, HIGH, MOST = 1440, 900, 1500


def fill(environment: dict[str, str], commands: tuple[str, ...]) -> None:
    """Runs the commands one after the other."""
    for words in commands:
        print(f"ptlib {words}", flush=True)
        done = subprocess.run([sys.executable, "-m", "ptlib", *words.split()], cwd=ROOT, env={**os.environ, **environment},
                              stdout=subprocess.DEVNULL, check=False)  # fmt: skip
        if done.returncode:
            raise SystemExit(f"ptlib {words} ended with {done.returncode}")


def take(port: int, shots: dict[str, str]) -> None:
    """One picture a page, as high as the page where that is not too high."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        for name, address in shots.items():
            page = browser.new_page(viewport={"width": WIDE, "height": HIGH})
            page.goto(f"http://127.0.0.1:{port}/{address}")
            page.wait_for_selector("h1", timeout=120_000)
            page.wait_for_timeout(4000)
            page.wait_for_function(DRAWN, timeout=300_000)
            height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
            page.set_viewport_size({"width": WIDE, "height": min(MOST, max(HIGH, height))})
            page.wait_for_timeout(2000)
            page.screenshot(path=HERE / f"{name}.png")
            page.close()
            print(f"docs/screenshots/{name}.png", flush=True)
        browser.close()


def main() -> None:
    """Fills, serves, takes."""
    parser = argparse.ArgumentParser(description="Makes the pictures of the guide.")
    parser.add_argument("--published", type=Path, help="the authors' checkout, as for: ptlib import thunlp")
    parser.add_argument("--cache", type=Path, help="a folder to fill and keep (default: one that is thrown away)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = options.cache or Path(folder)
        (home / "data").mkdir(parents=True, exist_ok=True)
        environment = {"PTLIB_CACHE": str(home / "cache"), "XDG_DATA_HOME": str(home / "data"), "OMP_NUM_THREADS": "1"}
        shots = dict(SHOTS)
        if options.published:
            shots["published"] = "transfer?plm=roberta-base"
        fill(environment, ((f"import thunlp {options.published.resolve()}",) if options.published else ()) + FILL)
        with server(home, environment) as (port, _):
            take(port, shots)


if __name__ == "__main__":
    main()
