"""A real server on an empty cache and a real browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
ARTEFACTS = Path(__file__).parent / "artefacts"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Address of a dashboard that was started as run.sh starts it; ended with all its processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cache = tmp_path_factory.mktemp("browser") / "cache"
    env = {**os.environ, "PTLIB_CACHE": str(cache), "XDG_DATA_HOME": str(cache.parent / "data"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.address", "127.0.0.1", "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).read()
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.2)
        yield address, cache
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        family += [worker for worker in psutil.process_iter(["cmdline"]) if str(cache) in (worker.info["cmdline"] or [])]
        for member in (*family, process):
            member.kill()
        process.wait()


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium of the system; Playwright's own build is never downloaded."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium); .ci/run installs it")
    options = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=options)
        yield browser
        browser.close()
