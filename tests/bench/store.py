"""What keeping results costs beside computing them, in a run of 10,000 cells, and how soon a warm worker starts."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from ptlib.library import Library
from ptlib.plms.load import load
from ptlib.runs import api, plan, queue, select, supervise, tables
from ptlib.runs.material import deliver
from ptlib.runs.parcel import Parcel
from ptlib.store import Store
from ptlib.transfer.evaluate import evaluate
from tests.bench.results import keep, spread

CELLS, TIMED = 10_000, 300


def seconds(work) -> float:
    """Of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def store_share(folder: Path) -> list[list[str]]:
    """Claim, begin, look for a cancel, put and finish, as the worker does them, when thousands of cells wait."""
    library = Library.open()
    plm = load(library.plm(str(library.default_plm())), device="cpu")
    base = [cell for cell in plan(library, select(library, plm.info.id)) if cell.kind == "score"]
    prompts = [entry.load() for entry in library.prompts(plm.info.id, ("trained",))[:5]]
    cost = [
        seconds(lambda p=prompt, t=task: next(evaluate(plm, [p], library.task(t))))
        for prompt in prompts
        for task in ("laptop", "qnli", "duty", "laptop", "qnli", "duty")
    ]
    cost = cost[3:]
    store = Store(folder / "store")
    cells = [replace(base[place % len(base)], prompt=f"{place:064x}") for place in range(CELLS)]
    started = seconds(lambda: queue.start(store, cells, "bench", "bench"))
    rng, spent, claims, done = np.random.default_rng(0), [], [], 0
    queue.beat(store, "w", "cpu", "")
    with store.read():
        while done < TIMED:
            at = time.perf_counter()
            claimed = queue.claim(store, "w")
            claims.append(time.perf_counter() - at)
            for cell in claimed:
                at = time.perf_counter()
                queue.begin(store, "w", cell.key)
                queue.unwanted(store, "w")
                arrays = {"predictions": rng.integers(0, 2, 400).astype(np.int16), "labels": rng.integers(0, 2, 400).astype(np.int16),
                          "logits": rng.normal(size=(400, 2)).astype(np.float32)}  # fmt: skip
                row = {"key": cell.key, "kind": "score", "plm": cell.plm, "prompt": cell.prompt, "task": cell.task, "value": 0.5, "n": 400,
                       "device": "cpu"}  # fmt: skip
                deliver(store, "w", cell, Parcel("result", cell.key, row, arrays, seconds=0.1))
                spent.append(time.perf_counter() - at)
                done += 1
    each = statistics.median(spent) + statistics.median(claims) / queue.BATCH_CELLS
    share = each / (each + statistics.median(cost))
    return [["a run of 10,000 cells queued", f"{started * 1e3:.0f} ms"], ["64 cells claimed", f"{spread([one * 1e3 for one in claims], 1)} ms"],
            ["one cell begun, stored and finished", f"{spread([one * 1e3 for one in spent])} ms (n = {len(spent)})"],
            ["one cell of the zoo's smaller PLM evaluated (400 examples)", f"{spread([one * 1e3 for one in cost], 0)} ms (n = {len(cost)})"],
            ["the store's share of the time", f"{share:.2%} (asked for: 2 % at most)"]]  # fmt: skip


def warm_start(folder: Path, rounds: int) -> list[list[str]]:
    """From queueing a run to its first cell being at hand, with a worker that has its PLM loaded."""
    os.environ["PTLIB_CACHE"] = str(folder / "warm")
    store, library = Store(), Library.open()
    found, whole = [], []
    for number in range(rounds + 1):
        cells = plan(library, select(library, tasks=["laptop"], seeds=[0], baselines=False, limit=20 + number))
        todo = tables.missing(store, cells)
        at = time.perf_counter()
        run = queue.start(store, todo, "warm", "bench")
        supervise.ensure_worker(store)
        while True:
            with store.read() as db:
                if db.execute(
                    "SELECT 1 FROM run_cells WHERE run_id = ? AND (state = 'done' OR worker IS NOT NULL) LIMIT 1", [run]
                ).fetchone():
                    break
            time.sleep(0.001)
        first = time.perf_counter() - at
        api.wait(store, run)
        if number:
            found.append(first * 1e3)
            whole.append((time.perf_counter() - at) * 1e3)
    for worker in supervise.workers(store):
        queue.end(worker["pid"], 15)
    return [["from queueing a run to its first cell, worker warm", f"{spread(found, 0)} ms (n = {len(found)}; asked for: 200 ms at most)"]]


def run(_folder: Path, *, rounds: int, **_options) -> None:
    """One table."""
    with tempfile.TemporaryDirectory() as folder:
        keep("store", "Store and queue", "SQLite and safetensors on this machine's disk, every array synced to it.", ["", "time"],
             store_share(Path(folder)) + warm_start(Path(folder), max(rounds, 7)))  # fmt: skip
