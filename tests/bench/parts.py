"""Times the parts a user waits for, each against a yardstick in the same run, and prints medians with their spread.

Ratios are what counts: machines are shared and noisy.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch

from ptlib.analysis import correlation
from ptlib.library import Library
from ptlib.plms.load import load
from ptlib.runs import plan, queue, select
from ptlib.runs.study import load_study
from ptlib.store import Store
from ptlib.transfer.evaluate import Shortcuts, evaluate

ROUNDS = 7


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def row(name: str, seconds: list[float], yardstick: list[float] | None = None) -> None:
    """Median, minimum and maximum, and the median of the ratios pair by pair."""
    text = f"{name:58s} {statistics.median(seconds) * 1e3:9.1f} ms  [{min(seconds) * 1e3:.1f}, {max(seconds) * 1e3:.1f}]"
    if yardstick:
        ratios = [one / other for one, other in zip(yardstick, seconds, strict=True)]
        text += f"   {statistics.median(ratios):5.2f} x faster than the yardstick [{min(ratios):.2f}, {max(ratios):.2f}]"
    print(text, flush=True)


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    library = Library.open()
    plm = load(library.plm(str(library.default_plm())), device="cpu")
    task, prompt = library.task("movie-long"), library.prompts(plm.info.id, ("trained",))[0].load()
    print(f"{plm.info.id}, {len(task.read('test').labels)} examples of {task.name}, one thread, n = {ROUNDS} rounds, interleaved\n")

    def cell(shortcuts: Shortcuts, tokens: int | None) -> Callable[[], object]:
        return lambda: next(evaluate(plm, [prompt], task, shortcuts=shortcuts, tokens_per_batch=tokens))

    plain, fast = cell(Shortcuts(False, False), None), cell(Shortcuts(), None)
    plain(), fast()
    pairs = [(timed(plain), timed(fast)) for _ in range(ROUNDS)]
    row("one cell, all logits and all rows (yardstick)", [one for one, _ in pairs])
    row("one cell, answer rows and label rows only", [two for _, two in pairs], [one for one, _ in pairs])

    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        cells = plan(library, select(library))
        row("library opened", [timed(Library.open) for _ in range(ROUNDS)])
        row(
            f"{len(cells)} cells planned, {len(store.present([]))} present",
            [timed(lambda: plan(library, select(library))) for _ in range(ROUNDS)],
        )
        row("a run queued", [timed(lambda: queue.start(store, cells, "bench", "bench")) for _ in range(ROUNDS)])
        row("progress of all runs", [timed(lambda: queue.all_progress(store)) for _ in range(ROUNDS)])
        row("study loaded from an empty store", [timed(lambda: load_study(store, library, plm.info.id)) for _ in range(ROUNDS)])
    rng = np.random.default_rng(0)
    transfer, similarity = rng.random((3, 13, 13)), rng.random((3, 13, 13))
    row(
        "mean Spearman, 2,000 resamples and permutations",
        [timed(lambda: correlation.mean_spearman(transfer, similarity)) for _ in range(ROUNDS)],
    )


if __name__ == "__main__":
    main()
