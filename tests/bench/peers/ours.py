"""This project, as a worker runs a cell. ``job["insertion"]`` and ``job["shortcuts"]`` may differ from the usual."""

import json
import tempfile
from pathlib import Path

import numpy as np

from ptlib.neurons.activity import Activity
from ptlib.plms.load import load
from ptlib.plms.plm import Shortcuts
from ptlib.prompts import SoftPrompt
from ptlib.tasks import load_task
from ptlib.transfer import tokens
from ptlib.transfer.evaluate import evaluate
from tests.bench.peers.serve import serve


def task_of(job: dict, folder: Path):
    """The texts as a task of the library."""
    rows = "\n".join(json.dumps({"text": text, "label": str(row % 2)}) for row, text in enumerate(job["texts"]))
    (folder / "test.jsonl").write_text(rows)
    (folder / "t.toml").write_text('name = "t"\ntype = "x"\nfields = ["text"]\nlabel_field = "label"\nlabels = ["0", "1"]\n'
                                   f'label_words = {json.dumps(job["label_words"])}\nlabel_ids = {job["label_ids"]}\n'
                                   '[splits]\ntest = "test.jsonl"\n')  # fmt: skip
    return load_task(folder / "t.toml")


class Peer:
    def __init__(self, job: dict) -> None:
        self.plm = load(job["folder"], device=job.get("device"), dtype=job.get("dtype", "float32"))
        self.home = tempfile.TemporaryDirectory()
        self.task = task_of(job, Path(self.home.name))
        insertion = job.get("insertion") or self.plm.insertions[0]
        self.prompt = SoftPrompt(np.load(job["prompt"]), "p", "", "t", insertion=insertion)
        self.options, self.capture = {"shortcuts": Shortcuts(**job.get("shortcuts", {}))}, job.get("capture", False)

    def scores(self):
        activity = Activity()
        hear = activity.add if self.capture else None
        return next(evaluate(self.plm, [self.prompt], self.task, on_neurons=hear, **self.options)).logits

    def run(self) -> None:
        # A cell pays for its tokens here, as a peer's does; within a grid they are made once.
        tokens._kept.clear()
        self.scores()


if __name__ == "__main__":
    serve(Peer)
