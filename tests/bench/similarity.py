"""Indicators of 2,000 prompts of roberta-large's shape: time, memory, one more prompt."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ptlib.analysis.indicators import EMBEDDING_INDICATORS, grow
from ptlib.neurons.overlap import overlap
from tests.bench.peers.serve import peak, peak_reset
from tests.bench.results import keep

PROMPTS, LENGTH, HIDDEN, LAYERS, FFN = 2000, 100, 1024, 24, 4096
SOME = 300
"""Prompts of which E_average is timed in whole: its pairs grow with the square."""
CORES = 2


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and GiB at the peak."""
    peak_reset()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started, peak() / 2**30


def run(_folder: Path, **_options) -> None:
    """One table; two cores, as the target asks."""
    rng, rows = np.random.default_rng(0), []
    prompts = rng.normal(0, 0.5, (PROMPTS, LENGTH, HIDDEN)).astype(np.float32)
    active = np.unpackbits(rng.integers(0, 256, (PROMPTS, LAYERS, FFN // 8), dtype=np.uint8), axis=-1).view(bool)

    def add(name: str, whole: Callable[[], object], one: Callable[[], object], note: str = "") -> float:
        seconds, memory = timed(whole)
        rows.append([name + note, f"{seconds:.1f}", f"{memory:.1f}", f"{timed(one)[0]:.2f}"])
        return seconds

    with threadpool_limits(CORES):
        total = add("ON", lambda: overlap(active), lambda: overlap(active[-1:], None, active))
        for name in ("C_average", "C_concat", "E_concat"):
            indicator, known = EMBEDDING_INDICATORS[name], np.zeros((PROMPTS - 1, PROMPTS - 1))
            total += add(name, lambda i=indicator: i(prompts), lambda i=indicator, k=known: grow(i, prompts, k))
        slow, known = EMBEDDING_INDICATORS["E_average"], np.zeros((PROMPTS - 1, PROMPTS - 1))
        seconds = add("E_average", lambda: slow(prompts[:SOME]), lambda: grow(slow, prompts, known), f", {SOME} of the prompts")
        left, right = prompts[0], prompts[:SOME].reshape(-1, HIDDEN)
        rate = 2 * LENGTH * HIDDEN * len(right) * 20 / timed(lambda: [left @ right.T for _ in range(20)])[0]
    work = PROMPTS**2 / 2 * LENGTH**2 * HIDDEN * 2
    text = (f"{PROMPTS:,} prompts of {LENGTH} x {HIDDEN}, {LAYERS} x {FFN} neurons; two cores. All but E_average together {total:.0f} s (asked for: 30 s, "
            f"8 GB). E_average of all would take {seconds * (PROMPTS / SOME) ** 2 / 60:.0f} min: it is {work / 1e12:.0f} trillion operations whose matrix "
            f"products alone take {work / rate / 60:.1f} min at the {rate / 1e9:.0f} GFLOP/s measured here for them, so 30 s cannot be reached on two "
            "cores; one more prompt is a row.")  # fmt: skip
    keep(
        "similarity", "Indicators at scale", text, ["", "seconds", "GiB at the peak, inputs included", "seconds for one more prompt"], rows
    )
