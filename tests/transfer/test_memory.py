"""Memory that runs out, for real on the CPU: the allocator refuses, the batch is halved, the scores stay the same."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from ptlib.errors import RunError
from ptlib.transfer.evaluate import evaluate

SCRIPT = """
import json, resource, sys
import numpy as np, torch
from ptlib.plms.load import load
from ptlib.tasks import load_task
from ptlib.transfer.evaluate import evaluate
torch.set_num_threads(1)
plm, task = load(sys.argv[1], device="cpu"), load_task(sys.argv[2])
expected = next(evaluate(plm, [None], task, tokens_per_batch=2000))
pages = int(open("/proc/self/statm").read().split()[0])
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 24 * 2**20, hard))
found = next(evaluate(plm, [None], task, tokens_per_batch=10**9))
resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
print(json.dumps([expected.halvings, found.halvings, float(np.abs(found.logits - expected.logits).max())]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS bounds memory on Linux")
def test_cpu_memory_that_runs_out_halves_the_batch(tiny_plm_folder, tmp_path):
    """6000 texts in one batch need more than the 24 MiB that the process may still take."""
    rows = [json.dumps({"text": "good bad " * 8, "label": "yes"})] * 6000
    (tmp_path / "test.jsonl").write_text("\n".join(rows))
    (tmp_path / "many.toml").write_text(
        'name="many"\ntype="t"\nfields=["text"]\nlabel_field="label"\nlabels=["no","yes"]\nlabel_words=["no","yes"]\n'
        '[splits]\ntest="test.jsonl"\n'
    )
    command = [sys.executable, "-c", SCRIPT, str(tiny_plm_folder), str(tmp_path / "many.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    before, halvings, difference = json.loads(done.stdout)
    assert before == 0
    assert halvings >= 1
    assert difference < 1e-5


@pytest.mark.parametrize("most", [1, 5])
def test_every_row_is_scored_once_however_often_batches_are_halved(tiny_plm, library, monkeypatch, most):
    """A PLM that takes few rows; the error is the one that a full GPU raises."""
    task, real, passed = library.task("films"), tiny_plm.answer_hidden, []

    def small(inputs, *options):
        if len(inputs.embeds) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        passed.append(len(inputs.embeds))
        return real(inputs, *options)

    expected = next(evaluate(tiny_plm, [None], task))
    monkeypatch.setattr(tiny_plm, "answer_hidden", small)
    found = next(evaluate(tiny_plm, [None], task))
    assert sum(passed) == found.n
    assert max(passed) <= most
    assert np.abs(found.logits - expected.logits).max() < 1e-5


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_a_single_text_that_does_not_fit_says_so(tiny_plm, library, monkeypatch, error):
    def full(inputs, *options):
        raise error

    monkeypatch.setattr(tiny_plm, "answer_hidden", full)
    with pytest.raises(RunError, match=r"tiny-1 on cpu: memory ran out on a single text \(found \d+ tokens\)"):
        next(evaluate(tiny_plm, [None], library.task("films")))
