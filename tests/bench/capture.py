"""Evaluating while every layer's neurons at the answers are summed up: what that costs in time and memory."""

from __future__ import annotations

from pathlib import Path

from tests.bench import shapes
from tests.bench.cells import Peer
from tests.bench.results import keep, spread


def run(folder: Path, *, device: str, dtype: str, rounds: int, threads: int, **_options) -> None:
    """One table."""
    rows = []
    for shape in ("roberta-base", "t5-small", "gpt2") if device == "cpu" else ("roberta-large", "t5-large"):
        job = {**shapes.job(shapes.make(shape, folder), "short", 32), "device": device, "dtype": dtype}
        peers = [Peer("ours", threads=threads) for _ in range(2)]
        for peer, capture in zip(peers, (False, True), strict=True):
            peer.ask("load", job={**job, "capture": capture})
        found = [[peer.ask("run") for peer in peers] for _ in range(rounds + 1)][1:]
        plain, captured = ([one[place]["seconds"] for one in found] for place in (0, 1))
        peaks = [max(one[place]["peak"] for one in found) / 2**20 for place in (0, 1)]
        ratios = [two / one for one, two in zip(plain, captured, strict=True)]
        rows.append([shape, spread(plain), spread(captured), spread(ratios), f"{peaks[0]:.0f}", f"{peaks[1]:.0f}"])
        for peer in peers:
            peer.end()
    keep("capture", "Neurons at the answers, all layers", f"32 short examples; {device}, {dtype}, {threads} thread; {rounds} rounds, interleaved. Asked for: at most 1.1 x the time.",
         ["", "seconds without", "seconds with", "ratio", "peak MiB without", "peak MiB with"], rows)  # fmt: skip
