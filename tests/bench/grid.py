"""A whole grid end to end: 13 source prompts on 13 tasks, 64 examples a cell, from the shell's prompt to the last score.

The usual way starts a process for every cell; a sample of its cells is timed and multiplied. This project's command is timed as
a user calls it, with an empty cache (cold), and again with nothing left to do (warm).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ptlib.library import Library
from ptlib.plms.load import load
from ptlib.transfer.evaluate import evaluate
from ptlib.transfer.tokens import tokens_of
from tests.bench import shapes
from tests.bench.cells import ROOT, SUITE, Peer
from tests.bench.results import keep, spread

EXAMPLES, SAMPLE = 64, 8


def command(cache: Path) -> float:
    """Seconds of the grid by this project's command line."""
    env = {**os.environ, "PTLIB_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "ptlib", "transfer", "--seeds", "0", "--limit", str(EXAMPLES), "--csv"], env=env, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    return time.perf_counter() - started


def usual_cell(job: dict) -> tuple[float, np.ndarray]:
    """Seconds and logits of one cell in a process of its own."""
    started = time.perf_counter()
    peer = Peer("usual")
    peer.ask("load", job=job)
    scores = np.array(peer.ask("scores")["scores"])
    peer.end()
    return time.perf_counter() - started, scores


def zoo_grid(folder: Path) -> list[list[str]]:
    """The embedded zoo: the usual way's sample, its logits compared with this project's."""
    library = Library.open()
    plm = load(library.plm(str(library.default_plm())), device="cpu")
    prompts = [entry.load() for entry in library.prompts(plm.info.id, ("trained",)) if entry.seed == 0]
    tasks, spent = library.tasks_for(plm.info.id), []
    rng = np.random.default_rng(0)
    for _ in range(SAMPLE):
        prompt, task = prompts[rng.integers(len(prompts))], library.task(tasks[rng.integers(len(tasks))])
        data = tokens_of(plm, task, "test", EXAMPLES)
        path = folder / "prompt.npy"
        np.save(path, prompt.values)
        texts = [plm.tokenizer.decode(ids[1:-1]) for ids in data.ids]
        job = {"folder": str(plm.info.folder), "texts": texts, "label_ids": [row for (row,) in data.label_ids], "prompt": str(path),
               "max_tokens": plm.longest_text("thunlp", prompt.length)}  # fmt: skip
        seconds, scores = usual_cell(job)
        single = [
            row for row, ids in enumerate(data.ids) if list(plm.tokenizer(texts[row], add_special_tokens=False)["input_ids"]) == ids[1:-1]
        ]
        mine = next(evaluate(plm, [prompt], task, limit=EXAMPLES)).logits
        if len(single) < EXAMPLES / 2 or np.abs(scores[single] - mine[single]).max() > 1e-3:
            raise SystemExit(f"the usual way gives other scores on {task.name}")
        spent.append(seconds)
    whole = statistics.median(spent) * len(prompts) * len(tasks)
    cold = [command(folder / f"cold-{number}") for number in range(3)]
    warm = [command(folder / "cold-0") for _ in range(3)]
    return [["the usual way, a process a cell", f"{spread(spent)} s a cell (n = {SAMPLE}), {whole:.0f} s for all (multiplied)", "1"],
            ["ptlib transfer, empty cache", f"{spread(cold, 1)} s (n = 3)", f"{whole / statistics.median(cold):.0f}"],
            ["ptlib transfer, everything computed before", f"{spread(warm, 1)} s (n = 3)", f"{whole / statistics.median(warm):.0f}"]]  # fmt: skip


def shape_grid(folder: Path, shape: str = "roberta-base") -> list[list[str]]:
    """A PLM of a real size: one cell of each way, and what a grid of them comes to."""
    job = {**shapes.job(shapes.make(shape, folder), "short", EXAMPLES), "device": "cpu"}
    seconds, _ = usual_cell(job)
    started = time.perf_counter()
    peer = Peer("ours")
    peer.ask("load", job=job)
    start = time.perf_counter() - started
    peer.ask("run")
    each = statistics.median(peer.ask("run")["seconds"] for _ in range(3))
    peer.end()
    grid, ours = 169 * seconds, start + 169 * each
    return [["the usual way", f"{seconds:.1f} s a cell (n = 1)", f"{grid / 60:.0f} min (multiplied)", "1"],
            ["this project", f"{each:.1f} s a cell (n = 3), {start:.1f} s to start", f"{ours / 60:.0f} min (multiplied)", f"{grid / ours:.1f}"]]  # fmt: skip


def run(folder: Path, *, device: str, **_options) -> None:
    """The zoo's grid, and that of a real size."""
    with tempfile.TemporaryDirectory() as home:
        keep("grid", "The zoo, 13 x 13 cells of 64 examples", "End to end, processes and imports included; one thread a process; the sample's logits agree.",
             ["", "seconds", "faster"], zoo_grid(Path(home)))  # fmt: skip
    if "roberta-base" in SUITE[device.split(":")[0]]:
        keep("grid", "roberta-base, 13 x 13 cells of 64 short examples", "Here a cell's examples take ten times as long as starting a process, so the grid is faster by "
             "little more than a cell is: no exact way can be faster than the multiplications that are left.",
             ["", "a cell", "the grid", "faster"], shape_grid(folder))  # fmt: skip
