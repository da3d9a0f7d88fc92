"""A library of 2,000 prompts and a store of 100,000 cells, made in a minute: what pages must stay usable with.

``python -m tests.large FOLDER`` makes ``FOLDER/library`` and ``FOLDER/cache``; scores are drawn, stimulations too, and the newest
tasks' cells are left missing, so that a run has something to do.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from ptlib.library import Library
from ptlib.neurons.states import States, to_arrays
from ptlib.plms import describe
from ptlib.prompts import SoftPrompt, random_prompt, save
from ptlib.runs import plan, select
from ptlib.store import Store
from tests.conftest import make_tiny_plm, write_task

TASKS, SEEDS, RANDOM, MISSING = 50, 40, 4, 3000
TYPES = ("sentiment", "nli", "topic", "ethics", "paraphrase")


def make_library(folder: Path) -> Library:
    """The tiny PLM, 50 tasks of 5 types, 40 prompt seeds each."""
    info = describe(make_tiny_plm(folder / "plms" / "tiny-1"))
    for number in range(TASKS):
        name = f"task-{number:02d}"
        write_task(folder / "tasks", name, TYPES[number % len(TYPES)], ["negative", "positive"])
        for seed in range(SEEDS):
            rng = np.random.default_rng([number, seed])
            values = (np.random.default_rng(number % len(TYPES)).normal(0, 0.5, (5, 32)) + rng.normal(0, 0.3, (5, 32))).astype(np.float32)
            save(SoftPrompt(values, f"{name}-s{seed}", info.fingerprint, name, seed, "trained"),
                 folder / "prompts" / "tiny-1" / f"{name}-s{seed}.safetensors")  # fmt: skip
    for seed in range(RANDOM):
        save(random_prompt(5, 32, 0.5, seed, info.fingerprint), folder / "prompts" / "tiny-1" / f"random-s{seed}.safetensors")
    return Library.open([folder])


def fill(store: Store, library: Library, missing: int = MISSING) -> int:
    """Results for all cells but the last ``missing`` scores; returns how many there are."""
    cells = plan(library, select(library, "tiny-1"))
    cells = cells[: len(cells) - missing]
    rng, now = np.random.default_rng(0), time.time()
    scores = store.put_arrays(
        {"predictions": np.zeros(60, np.int16), "labels": np.zeros(60, np.int16), "logits": np.zeros((60, 2), np.float32)}
    )
    info, rows = library.plm("tiny-1"), []
    for cell in cells:
        value = float(np.clip(rng.normal(0.7, 0.1), 0, 1))
        tensor = scores
        if cell.kind == "stimulation":
            values = rng.normal(size=(info.layers, info.ffn)).astype(np.float32)
            tensor = store.put_arrays(to_arrays(States(values, values > 0)))
        rows.append((cell.key, cell.kind, cell.plm, cell.prompt, cell.task, cell.task_digest, cell.split, cell.limit, cell.insertion, cell.dtype,
                     "accuracy", value, 60, value - 0.05, min(1.0, value + 0.05), value, value, tensor, 0.01, 600, 0, "cpu", now))  # fmt: skip
    with store.write() as db:
        names = ("key, kind, plm, prompt, task, task_digest, split, limit_n, insertion, dtype, metric, value, n, ci_low, ci_high, accuracy, macro_f1, "
                 "tensor, seconds, tokens, halvings, device, created")  # fmt: skip
        db.executemany(f"INSERT INTO results ({names}) VALUES ({', '.join('?' * len(rows[0]))})", rows)
    return len(rows)


def make(folder: Path, missing: int = MISSING) -> tuple[Library, Store]:
    """Both."""
    library, store = make_library(folder / "library"), Store(folder / "cache")
    fill(store, library, missing)
    return library, store


if __name__ == "__main__":
    make(Path(sys.argv[1]))
