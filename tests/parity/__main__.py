"""``python -m tests.parity``: largest absolute difference to transformers' own forward, for every family and insertion."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from ptlib.plms.load import load
from ptlib.transfer.evaluate import evaluate
from tests.families import build
from tests.parity.test_families import CASES, TEXTS, make_task, prompt_for, slow


def main() -> None:
    """Prints one line a case."""
    with tempfile.TemporaryDirectory() as folder:
        for family, insertion in CASES:
            home = Path(folder) / family
            plm = load(home if home.exists() else build(family, home), device="cpu")
            task, prompt = make_task(Path(folder), family), prompt_for(plm, insertion)
            rows = [row for (row,) in plm.label_ids(task.label_words)]
            expected = np.array([slow(plm, family, insertion, prompt, text)[rows].numpy() for text in TEXTS])
            error = np.abs(next(evaluate(plm, [prompt], task)).logits - expected).max()
            print(f"{family:10s} {insertion:10s} {error:.1e} (logits up to {np.abs(expected).max():.1f})")


if __name__ == "__main__":
    main()
