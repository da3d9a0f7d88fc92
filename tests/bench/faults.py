"""Workers killed at random moments, every fault that the tests try, and twenty sessions on one server with a large store."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ptlib.library import Library
from ptlib.runs import plan, progress, queue, select, supervise, tables
from ptlib.runs.plan import Grid
from ptlib.runs.snapshot import Snapshot
from ptlib.store import Store
from tests.bench.results import keep, spread
from tests.conftest import fill_tiny_library, make_tiny_plm
from tests.large import make
from tests.sessions import ROOT, hold, server

KILLS = 30
SESSIONS, SECONDS, THINK = 20, 90.0, 5.0
COLD_SECONDS = 40.0
"""So long the sessions are there before what they wait for counts as that of a server that has been up for a while."""
LEFT = 5000
"""Cells that the run has to do, so that it lasts."""
ALONE_THINK = 1.0


def kills(folder: Path, wanted: int) -> list[list[str]]:
    """Runs cells while workers are killed at random moments, run after run until there were enough kills."""
    from tests.faults.test_kills import kill_at_random

    place = fill_tiny_library(make_tiny_plm(folder / "tiny" / "plms" / "tiny-1"))
    os.environ["PTLIB_LIBRARY"] = str(place)
    library, total = Library.open([place]), np.zeros(4, dtype=int)
    runs = 0
    while total[0] < wanted:
        store = Store(folder / f"killed-{runs}")
        total += kill_at_random(store, library, runs, int(wanted - total[0]))
        supervise.end_workers(store)
        runs += 1
    killed, cells, lost, twice = total
    return [["kill -9 of the worker at random moments", str(killed)], ["runs they fell into", str(runs)], ["cells of these runs", str(cells)],
            ["cells lost", str(lost)], ["cells evaluated twice", str(twice)]]  # fmt: skip


def faults(folder: Path) -> list[list[str]]:
    """Every test of ``tests/faults``, each of which does the real thing, and how it ended."""
    report = folder / "faults.xml"
    environment = {name: value for name, value in os.environ.items() if name not in ("PTLIB_LIBRARY", "PTLIB_CACHE")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/faults",
        "--deselect",
        "tests/faults/test_load.py",
        f"--junitxml={report}",
        "--timeout=600",
    ]
    subprocess.run(command, cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, check=False)
    rows = []
    for case in ET.parse(report).getroot().iter("testcase"):
        ended = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "survived")
        words = case.get("name", "").removeprefix("test_").replace("_", " ")
        rows.append(
            [case.get("classname", "").rpartition(".test_")[2], words.partition("[")[0], ended, f"{float(case.get('time', 0)):.1f}"]
        )
    return rows


def percentiles(values: Sequence[float], unit: float = 1.0, digits: int = 2) -> str:
    """ "p50 / p95 (n)"."""
    low, high = np.percentile(values, [50, 95]) * unit
    return f"{low:.{digits}f} / {high:.{digits}f} (n = {len(values)})"


def load(folder: Path, seconds: float) -> tuple[list[list[str]], list[list[str]]]:
    """Pages' times by page, and what else was seen, of sessions that open pages at random while a run goes on; then queries."""
    library, store = make(folder, LEFT)
    selection = select(library, "tiny-1")
    missing = tables.missing(store, plan(library, selection))
    environment = {"PTLIB_CACHE": str(store.folder), "PTLIB_LIBRARY": str(folder / "library"), "PTLIB_DEVICES": "cpu"}
    with server(folder, environment) as (port, door):
        run = queue.start(store, missing, "the rest", "bench")
        cold = hold(port, door.pid, SESSIONS, COLD_SECONDS, THINK, query="plm=tiny-1")
        held = hold(port, door.pid, SESSIONS, seconds, THINK, query="plm=tiny-1")
        item, busy = progress.progress(store, run), os.getloadavg()[0]
        queue.cancel(store, run)
        alone = hold(port, door.pid, 1, seconds / 2, ALONE_THINK, query="plm=tiny-1")
    rows = [[name, percentiles([visit.seconds for visit in held.visits if visit.page == name])]
            for name in sorted({visit.page for visit in held.visits})]  # fmt: skip
    rows += [
        ["all pages", percentiles([visit.seconds for visit in held.visits])],
        [
            f"all pages in the {COLD_SECONDS:.0f} s before: twenty within five seconds on a server that had read nothing",
            percentiles([visit.seconds for visit in cold.visits]),
        ],
        ["parts redrawn during the run", percentiles(held.fragments)],
        ["all pages, one session and no run", percentiles([visit.seconds for visit in alone.visits])],
    ]
    about = [["sessions held to the end", f"{SESSIONS - len(held.failures) - len(cold.failures)} of {SESSIONS}, {COLD_SECONDS + seconds:.0f} s"],
             ["errors on pages", str(len(cold.words) + len(held.words))], ["cells the run finished in all that time", str(item.done)],
             ["memory of the page's server process at its largest", f"{held.memory / 2**20:.0f} MiB"],
             ["its processor time for a page or a part of one, mean",
              f"{held.cpu / (len(held.visits) + len(held.fragments)):.2f} s (n = {len(held.visits) + len(held.fragments)})"],
             ["processes that wanted the machine's cores meanwhile, mean of the last minute", f"{busy:.1f} for {os.cpu_count()} cores"],
             ["largest message to a browser", f"{held.largest / 2**20:.1f} MiB"]]  # fmt: skip
    return rows, about + queries(store, library, selection)


def queries(store: Store, library: Library, selection) -> list[list[str]]:
    """Times of what pages ask of a store of 100,000 cells."""
    grid, snapshot = Grid(library, selection), Snapshot(store)
    first = milliseconds(snapshot.refresh, 1)
    asked: list[tuple[str, Callable[[], object]]] = [
        ("what of 100,000 cells is missing", lambda: snapshot.state(grid.keys)),
        ("what is new since the last look", snapshot.refresh),
        ("all runs and how far they are", lambda: progress.all_progress(store, 30)),
        ("one task's 2,000 scores as rows", lambda: snapshot.frame(grid.keys[: len(grid.entries)])),
        ("100,000 scores as rows", lambda: snapshot.frame(grid.keys)),
        ("one cell's row and arrays", lambda: store.result_arrays(grid.keys[0])),
    ]
    return [[f"query: {name}", f"{spread(milliseconds(work, 20), 1)} ms"] for name, work in asked] + [
        ["query: everything read for the first time", f"{statistics.median(first):.0f} ms (once a server)"]
    ]


def milliseconds(work: Callable[[], object], times: int) -> list[float]:
    """Of so many calls."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append((time.perf_counter() - started) * 1e3)
    return found


def run(_folder: Path, **_options) -> None:
    """Four tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pages, about = load(folder / "large", SECONDS)
        keep("faults", "Twenty sessions on one server during a run", f"2,000 prompts on 50 tasks: 100,000 cells, {LEFT:,} of them run meanwhile on the same "
             f"cores. Seconds from asking for a page to the end of its script, p50 / p95; {THINK:.0f} s on a page on average.", ["page", "seconds"], pages)  # fmt: skip
        keep("faults", "Sessions, memory, queries", "The same server and store.", ["", ""], about)
        keep("faults", "Workers killed", "Every cell that was finished before a kill is compared with what is there after it.", ["", ""],
             kills(folder, KILLS))  # fmt: skip
        rows = faults(folder)
        survived = sum(row[2] == "survived" for row in rows)
        skipped = sum(row[2] == "skipped" for row in rows)
        keep("faults", "Faults tried", f"{len(rows) - skipped} tried, {survived} survived, {skipped} skipped for want of what they need here.",
             ["place", "fault", "", "seconds"], rows)  # fmt: skip
