"""What each technique is worth: switched on one after the other, from the usual way to this project's."""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.bench import shapes
from tests.bench.cells import Peer
from tests.bench.results import keep, spread

OFF = {"last_layer_answer_only": False, "fold_keys": False, "prompt_once": False, "label_rows_only": False}
STEPS = {
    "roberta-base": [
        ("the usual way", "usual", {}),
        ("+ SDPA attention", "usual", {"attention": "sdpa"}),
        ("+ padding to the longest of a batch", "usual", {"attention": "sdpa", "pad": "batch"}),
        ("+ output layer at the answer only", "usual", {"attention": "sdpa", "pad": "batch", "head": "answer"}),
        ("+ tokens once, batches cut by length", "ours", {"shortcuts": OFF}),
        ("+ rows of the label words only", "ours", {"shortcuts": {**OFF, "label_rows_only": True}}),
        ("+ last layer for the answer's row only", "ours", {"shortcuts": {"fold_keys": False}}),
        ("+ keys and values folded", "ours", {}),
    ],
    "t5-small": [
        ("the usual way", "usual", {}),
        ("+ padding to the longest of a batch", "usual", {"pad": "batch"}),
        ("+ tokens once, batches cut by length, one decoder step, label rows", "ours", {"shortcuts": {"fold_keys": False}}),
        ("+ keys and values folded", "ours", {}),
    ],
    "gpt2": [
        ("the usual way", "usual", {}),
        ("+ SDPA attention, padding to the longest of a batch", "usual", {"attention": "sdpa", "pad": "batch"}),
        ("+ tokens once, batches cut by length, label rows", "ours", {"shortcuts": {"prompt_once": False}}),
        ("+ prompt's keys and values once", "ours", {}),
    ],
}  # fmt: skip


def run(folder: Path, *, device: str, dtype: str, rounds: int, threads: int, only: list[str] | None) -> None:
    """One table a PLM, on short texts."""
    for shape, steps in STEPS.items():
        if only and shape not in only:
            continue
        job = {**shapes.job(shapes.make(shape, folder), "short", 64 if shape == "gpt2" else 32), "device": device, "dtype": dtype}
        peers = [Peer(module, threads=threads) for _, module, _ in steps]
        for peer, (_, _, options) in zip(peers, steps, strict=True):
            peer.ask("load", job={**job, **options})
        found = [[peer.ask("run") for peer in peers] for _ in range(rounds + 1)][1:]
        rows = []
        for place, (name, _, _) in enumerate(steps):
            seconds = [one[place]["seconds"] for one in found]
            before = [one[max(place - 1, 0)]["seconds"] / one[place]["seconds"] for one in found]
            total = [one[0]["seconds"] / one[place]["seconds"] for one in found]
            rows.append(
                [
                    name,
                    spread(seconds),
                    f"{statistics.median(total):.2f}",
                    spread(before),
                    f"{max(one[place]['peak'] for one in found) / 2**20:.0f}",
                ]
            )
        for peer in peers:
            peer.end()
        keep("techniques", f"{shape}, short texts", f"{len(job['texts'])} examples behind a prompt of {shapes.PROMPT_LENGTH} tokens; {device}, {dtype}, "
             f"{threads} thread; {rounds} rounds, interleaved.",
             ["", "seconds a cell", "faster than the usual way", "faster than the line above", "peak MiB"], rows)  # fmt: skip
