"""A training step against forward and backward of the bare PLM on the same tokens."""

from __future__ import annotations

import json
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from ptlib.library import Library
from ptlib.plms.describe import describe
from ptlib.plms.load import load
from ptlib.plms.plm import Plm
from ptlib.tasks import Task, load_task
from ptlib.transfer.draws import Draws, seed_of
from ptlib.transfer.settings import TrainingSettings
from ptlib.transfer.tuning import _Training
from tests.bench import shapes
from tests.bench.results import keep, spread

SHAPES = {"zoo": (32, 10), "roberta-base": (4, 1), "t5-small": (8, 1), "gpt2": (4, 1)}
"""Examples a step, steps a round."""


def run(folder: Path, *, device: str, dtype: str, rounds: int, threads: int, only: list[str] | None) -> None:
    """One table, a row a PLM."""
    torch.set_num_threads(threads)
    rows = []
    for shape, (batch, steps) in SHAPES.items():
        if not only or shape in only:
            rows.append([shape, *_measure(*_material(shape, folder, device, dtype), batch, steps, rounds)])
    keep("training", "A step of prompt tuning" + (f": {', '.join(only)}" if only else ""),
         f"Forward, loss over the label words, backward to the prompt, Adam's step; against forward and backward of transformers' own model without its output "
         f"layer, on the same embeddings, batches and padding. Short texts behind a prompt ({shapes.PROMPT_LENGTH} tokens; the zoo's 16); {device}, {dtype}, "
         f"{threads} thread; {rounds} rounds, interleaved.",
         ["", "examples a step", "seconds a step", "bare forward and backward", "ratio", "a validation, examples/s"], rows)  # fmt: skip


def _material(shape: str, folder: Path, device: str, dtype: str) -> tuple[Plm, Task, int]:
    if shape == "zoo":
        library = Library.open()
        return load(library.plm(str(library.default_plm())), device=device, dtype=dtype), library.task("laptop"), 16
    home = shapes.make(shape, folder)
    job, task = shapes.job(home, "short", 64), folder / "training" / shape
    task.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(json.dumps({"text": text, "label": str(number % 2)}) for number, text in enumerate(job["texts"]))
    (task / "rows.jsonl").write_text(rows + "\n")
    (task / "bench.toml").write_text(
        'name = "bench"\ntype = "bench"\nfields = ["text"]\nlabel_field = "label"\nlabels = ["0", "1"]\n'
        f'label_words = {json.dumps(job["label_words"])}\n[splits]\ntrain = "rows.jsonl"\nvalidation = "rows.jsonl"\n'
    )
    return load(describe(home), device=device, dtype=dtype), load_task(task / "bench.toml"), shapes.PROMPT_LENGTH


def _measure(plm: Plm, task: Task, length: int, batch: int, steps: int, rounds: int) -> list[object]:
    settings = TrainingSettings(length, steps=10**6, batch=batch, validation_examples=64)
    ours = _Training(plm, task, settings, [], None)
    drawn = Draws([len(ids) for ids in ours.data.ids], batch, seed_of(task.name, 0))
    spent = []
    # The first round warms up.
    for _ in range(rounds + 1):
        rows = list(islice(drawn, steps))
        pair = []
        for work in (lambda: ours.learn(), None):
            started = time.perf_counter()
            for place in range(steps):
                _bare(plm, ours, rows[place]) if work is None else work()
            if plm.device.startswith("cuda"):
                torch.cuda.synchronize()
            pair.append((time.perf_counter() - started) / steps)
        spent.append(pair)
    one, other = np.array(spent[1:]).T
    started = time.perf_counter()
    ours.validate(lambda: False)
    count = min(64, len(task.read("validation").labels))
    return [batch, spread(one, 3), spread(other, 3), spread(one / other), f"{count / (time.perf_counter() - started):.0f}"]


def _bare(plm: Plm, ours: _Training, rows: list[int]) -> None:
    """transformers' model forward and backward, its input embeddings' gradient wanted as ours is."""
    ids, lengths, _ = ours.data.batch(rows, plm.pad_id, plm.device)
    values = ours.values.detach().clone().requires_grad_(True)
    embeds, count = plm.behind(values, ids)
    there = torch.arange(ids.shape[1], device=ids.device)[None] < lengths[:, None]
    there = torch.cat([there.new_ones(len(ids), count), there], dim=1).long()
    if plm.info.family == "t5":
        start = torch.full((len(ids), 1), plm.model.config.decoder_start_token_id, device=ids.device)
        read = plm.model.encoder(inputs_embeds=embeds, attention_mask=there).last_hidden_state
        found = plm.model.decoder(input_ids=start, encoder_hidden_states=read, encoder_attention_mask=there).last_hidden_state
    else:
        found = plm.model.base_model(inputs_embeds=embeds, attention_mask=there).last_hidden_state
    found[:, -1].float().pow(2).sum().backward()
