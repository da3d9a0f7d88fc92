"""The library's own parts that a page or a command waits for."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from ptlib.library import Library
from ptlib.runs import plan, progress, queue, select
from ptlib.runs.study import load_study
from ptlib.store import Store
from tests.bench.results import keep, spread


def run(_folder: Path, *, rounds: int, **_options) -> None:
    """One table."""
    library = Library.open()
    plm = str(library.default_plm())
    with tempfile.TemporaryDirectory() as folder:
        store, cells = Store(folder), plan(library, select(library))
        todo = [
            ("library opened", Library.open),
            (f"{len(cells)} cells planned", lambda: plan(library, select(library))),
            (f"a run of {len(cells)} cells queued", lambda: queue.start(store, cells, "bench", "bench")),
            ("progress of all runs", lambda: progress.all_progress(store)),
            ("study loaded from an empty store", lambda: load_study(store, library, plm)),
        ]
        rows = []
        for name, work in todo:
            spent = []
            for _ in range(max(rounds, 5)):
                started = time.perf_counter()
                work()
                spent.append((time.perf_counter() - started) * 1e3)
            rows.append([name, spread(spent, 1)])
    keep("parts", "Parts", f"The embedded zoo, {plm}.", ["", "ms"], rows)
