"""One cell: this project against its peers, interleaved, each in its own process, their scores compared beforehand."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.bench import shapes
from tests.bench.results import keep, spread

ROOT = Path(__file__).parents[2]
AGREE = 2e-3
"""Largest difference of two peers' log-odds, in standard deviations of the log-odds, that counts as the same scores."""


class Peer:
    """A peer's process."""

    def __init__(self, module: str, python: str = sys.executable, threads: int = 1) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false",
               "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "PYTHONWARNINGS": "ignore"}  # fmt: skip
        log = subprocess.DEVNULL if "PTLIB_BENCH_LOG" not in os.environ else None
        self.process = subprocess.Popen([python, "-m", f"tests.bench.peers.{module}", str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=log, env=env, text=True, cwd=ROOT)  # fmt: skip

    def ask(self, do: str, **more: Any) -> dict:
        """The answer to an order; fails when the process has ended."""
        self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a peer ended: {' '.join(self.process.args)}; its words are shown with PTLIB_BENCH_LOG=1")
        return json.loads(line)

    def end(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait(30)


class Row(NamedTuple):
    """A line of the table."""

    name: str
    seconds: list[float]
    peak: int
    against: list[float]
    """This project's seconds of the same rounds."""

    @property
    def ratio(self) -> tuple[float, float, float]:
        """Median, least and most of how many times this project is as fast."""
        found = [one / other for one, other in zip(self.seconds, self.against, strict=True)]
        return statistics.median(found), min(found), max(found)


def odds(scores: list[list[float]]) -> np.ndarray:
    """Log-odds of the two label words."""
    values = np.array(scores)
    return values[:, 0] - values[:, 1]


def agree(name: str, one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference in standard deviations; ends the bench where scores are not the same."""
    found = float(np.abs(one - other).max() / one.std())
    if found > AGREE:
        raise SystemExit(f"{name} does not give the same scores: log-odds differ by {found:.2g} standard deviations")
    return found


def openprompt_python(folder: Path) -> str | None:
    """Python of OpenPrompt's environment, made where it can be."""
    done = subprocess.run([str(ROOT / "tests/bench/openprompt_env.sh"), str(folder / "openprompt")], capture_output=True, check=False)
    return str(folder / "openprompt/bin/python") if done.returncode == 0 else None


def compare(
    shape: str, lengths: str, count: int, rounds: int, folder: Path, device: str, dtype: str, threads: int
) -> tuple[list[Row], dict]:
    """Times a cell by every peer; ``rounds`` rounds in which each runs once, after one round that is not counted."""
    home = shapes.make(shape, folder)
    job = {**shapes.job(home, lengths, count), "device": device, "dtype": dtype}
    family = shapes.config_of(shape)[0]
    python = openprompt_python(folder) if family == "roberta" and device == "cpu" else None
    own = {"roberta": "thunlp", "t5": "thunlp"}.get(family, "peft")
    todo = [
        ("ours", "ours", own, None),
        ("bare forward", "bare", own, None),
        ("the usual way", "usual", own, None),
        ("PEFT", "peft_way", "peft", None),
    ]
    if python:
        todo.append(("OpenPrompt", "openprompt_way", "openprompt", python))
    peers, facts = {}, {"agreement": {}, "count": count}
    for name, module, insertion, interpreter in todo:
        began = time.perf_counter()
        peers[name] = Peer(module, interpreter or sys.executable, threads)
        peers[name].ask("load", job={**job, "insertion": insertion})
        facts[f"start {name}"] = time.perf_counter() - began
    mine = {"": odds(peers["ours"].ask("scores")["scores"])}
    for name, _, insertion, _ in todo[1:]:
        answer = peers[name].ask("scores")
        if name == "bare forward":
            facts.update({key: answer[key] for key in ("slots", "padded", "batches")})
            continue
        if insertion != own and insertion not in mine:
            other = Peer("ours", threads=threads)
            other.ask("load", job={**job, "insertion": insertion})
            mine[insertion] = odds(other.ask("scores")["scores"])
            other.end()
        reference = mine[insertion if insertion != own else ""]
        facts["agreement"][name] = agree(name, reference, odds(answer["scores"])) if dtype == "float32" else float("nan")
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    most = dict.fromkeys(peers, 0)
    for number in range(rounds + 1):
        for name, peer in peers.items():
            found = peer.ask("run")
            most[name] = max(most[name], found["peak"])
            if number:
                seconds[name].append(found["seconds"])
    for peer in peers.values():
        peer.end()
    facts["openprompt"] = "" if python else "skipped: a masked LM on the CPU only, or its environment could not be made"
    return [Row(name, seconds[name], most[name], seconds["ours"]) for name in peers], facts


SUITE = {
    "cpu": {"roberta-base": {"short": 24, "pair": 16, "long": 8}, "t5-small": {"short": 48, "pair": 32, "long": 16},
            "gpt2": {"short": 32, "pair": 16, "long": 8}},
    "cuda": {"roberta-large": {"short": 2048, "pair": 1024, "long": 512}, "t5-large": {"short": 1024, "pair": 512, "long": 256},
             "llama-7b": {"short": 512, "pair": 256, "long": 128}},
}  # fmt: skip
"""Device -> shape -> examples a cell of each kind of text."""


def run(folder: Path, *, device: str, dtype: str, rounds: int, threads: int, only: list[str] | None) -> None:
    """One table a PLM and kind of text."""
    for shape, kinds in SUITE[device.split(":")[0]].items():
        for lengths, count in kinds.items():
            if only and shape not in only and f"{shape}/{lengths}" not in only:
                continue
            rows, facts = compare(shape, lengths, count, rounds, folder, device, dtype, threads)
            _table(f"{shape}, {lengths} texts", rows, facts, rounds, f"{device}, {dtype}, {threads} thread")


def _table(title: str, rows: list[Row], facts: dict, rounds: int, where: str) -> None:
    bare = statistics.median(facts["slots"] / second for row in rows if row.name == "bare forward" for second in row.seconds)
    shown = []
    for row in rows:
        speed = [facts["slots"] / second for second in row.seconds]
        ratio = "1" if row.name == "ours" else f"{row.ratio[0]:.2f} [{row.ratio[1]:.2f}, {row.ratio[2]:.2f}]"
        differs = facts["agreement"].get(row.name)
        shown.append([row.name, spread(row.seconds), spread(speed, 0), f"{statistics.median(speed) / bare:.0%}", ratio, f"{row.peak / 2**20:.0f}",
                      "" if differs is None or np.isnan(differs) else f"{differs:.0e}"])  # fmt: skip
    padding = 1 - facts["slots"] / facts["padded"]
    note = f" OpenPrompt: {facts['openprompt']}." if facts["openprompt"] else ""
    keep("cells", title, f"{facts['count']} examples behind a prompt of {shapes.PROMPT_LENGTH} tokens, {facts['slots']} real slots, {padding:.1%} padding in "
         f"{facts['batches']} batches; {where}; {rounds} rounds, interleaved.{note}",
         ["", "seconds a cell", "real slots/s", "of the bare forward", "ours is faster by", "peak MiB", "log-odds differ (sd)"], shown)  # fmt: skip
