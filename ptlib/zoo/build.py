"""Builds the zoo from a seed: tasks, PLMs, prompts, model card. ``python -m ptlib zoo build`` is its door.

Every stage is checked before the next begins, and what exists already is kept, so a build that was cut off goes on
where it stopped. Choices (learning rates, gates, mixture) were made on validation splits and on the gates of
:mod:`ptlib.zoo.pretrain` only, never on a test split and never on the overlapping rate.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ptlib.errors import PtlibError
from ptlib.zoo import tasks as zoo_tasks
from ptlib.zoo.shapes import SHAPES

ZOO = Path(__file__).parent
PRETRAINING_SEEDS = (1, 2, 3)
PROMPT_SEEDS = (0, 1, 2)
RANDOM_PROMPTS = 4
PROMPT_LENGTH = 16
TUNING = {"64": {"lr": 0.02, "steps": 160}, "128": {"lr": 0.02, "steps": 160}, "t5-64": {"lr": 0.02, "steps": 160}}
"""Prompt tuning of the zoo, by shape: learning rate and steps, chosen on validation accuracy."""
MARGIN = 0.05
"""A trained prompt must beat its PLM's random prompts on validation by at least this."""


def plm_id(shape: str, seed: int) -> str:
    """Id and folder name of a zoo PLM."""
    return f"zoo-{shape}-s{seed}"


def build_tasks(folder: Path) -> None:
    """Writes the thirteen tasks under ``folder/tasks``."""
    for task in zoo_tasks.TASKS:
        zoo_tasks.write(task, folder / "tasks")


def build_plm(shape: str, seed: int, folder: Path, say=print) -> Path:
    """Pre-trains one PLM and saves it (float16 weights, tokenizer, ``zoo.json``) under ``folder/plms``."""
    import torch

    from ptlib.zoo import pretrain
    from ptlib.zoo.vocabulary import Vocabulary

    torch.set_num_threads(1)
    home = folder / "plms" / plm_id(shape, seed)
    if (home / "zoo.json").exists():
        return home
    history: list[dict] = []

    def report(progress) -> None:
        history.append(
            {
                "stage": progress.stage,
                "step": progress.step,
                "loss": round(progress.loss, 4),
                "cue_accuracy": {skill: round(value, 4) for skill, value in progress.accuracy.items()},
            }
        )
        worst = min(progress.accuracy, key=progress.accuracy.get)
        say(f"{home.name}: {progress.stage:9s} step {progress.step:5d}  loss {progress.loss:.3f}  "
            f"weakest skill {worst} {progress.accuracy[worst]:.3f}  {progress.seconds:.0f} s")  # fmt: skip

    cpu = time.process_time()
    vocabulary = Vocabulary(SHAPES[shape].family)
    model = pretrain.pretrain(SHAPES[shape], seed, vocabulary, report)
    # Prompts are trained on exactly what is stored: half-precision weights are rounded once, here.
    unfinished = home.with_name(f".{home.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.half().save_pretrained(unfinished, safe_serialization=True)
    vocabulary.tokenizer().save_pretrained(unfinished)
    card = {
        "group": f"zoo-{shape}", "pretraining_seed": seed, "default": seed == PRETRAINING_SEEDS[0],
        "cpu_seconds": round(time.process_time() - cpu, 1), "steps": history[-1]["step"],
        "parameters": sum(p.numel() for p in model.parameters()), "synthetic": True,
        "note": "Pre-trained by ptlib on generated text with cues, so pre-training is instruction-like.",
        "history": history,
    }  # fmt: skip
    (unfinished / "zoo.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    unfinished.rename(home)
    return home


def _random_scores(plm, task, prompts: Sequence) -> list[float]:
    from ptlib.transfer.evaluate import evaluate

    return [result.value for result in evaluate(plm, prompts, task, split="validation")]


def build_prompts(shape: str, seed: int, folder: Path, say=print) -> None:
    """Trains the prompts of one PLM (three seeds a task) and draws its random prompts, under ``folder/prompts``.

    Raises:
        PtlibError: a trained prompt does not beat the random prompts by :data:`MARGIN` on validation, twice.
    """
    import torch

    from ptlib.plms.load import load
    from ptlib.prompts.random import random_prompt
    from ptlib.prompts.safetensors_format import save
    from ptlib.tasks import load_task

    torch.set_num_threads(1)
    name = plm_id(shape, seed)
    plm = load(folder / "plms" / name, device="cpu", dtype="float32")
    home = folder / "prompts" / name
    home.mkdir(parents=True, exist_ok=True)
    std = float(plm.model.get_input_embeddings().weight.std())
    drawn = []
    for number in range(RANDOM_PROMPTS):
        prompt = random_prompt(PROMPT_LENGTH, plm.hidden, std, number, plm.info.fingerprint)
        save(prompt, home / f"random-s{number}.safetensors")
        drawn.append(prompt)
    for task in (load_task(folder / "tasks" / f"{item.name}.toml") for item in zoo_tasks.TASKS):
        baseline = max(_random_scores(plm, task, drawn))
        for prompt_seed in PROMPT_SEEDS:
            path = home / f"{task.name}-s{prompt_seed}.safetensors"
            if path.exists():
                continue
            tuned = _tuned(plm, task, prompt_seed, TUNING[shape], baseline)
            save(tuned.prompt, path)
            say(f"{name}: {path.stem:22s} validation {tuned.prompt.meta['validation']:.3f}  best random {baseline:.3f}")


def _tuned(plm, task, seed: int, settings: dict, baseline: float):
    from ptlib.transfer.tuning import tune

    for patience in (1, 3):
        tuned = tune(plm, task, length=PROMPT_LENGTH, seed=seed, batch=32, lr=settings["lr"] / patience,
                     steps=settings["steps"] * patience)  # fmt: skip
        if tuned.prompt.meta["validation"] >= baseline + MARGIN:
            return tuned
    raise PtlibError(
        f"the prompt of {task.name} does not beat the random prompts on validation", where=plm.info.id,
        found=f"{tuned.prompt.meta['validation']:.3f}", expected=f"at least {baseline + MARGIN:.3f}",
        mend="Build with another --seed, or give the curriculum more steps (ptlib/zoo/pretrain.py).",
    )  # fmt: skip


def _one(job: tuple[str, int, str]) -> str:
    shape, seed, folder = job
    started = time.perf_counter()
    say = _stamped(started)
    build_plm(shape, seed, Path(folder), say)
    build_prompts(shape, seed, Path(folder), say)
    return plm_id(shape, seed)


def _stamped(started: float):
    def say(text: str) -> None:
        print(f"[{time.perf_counter() - started:6.0f} s] {text}", flush=True)

    return say


def main(argv: Sequence[str] | None = None) -> int:
    """``ptlib zoo build``: everything, or the shapes and seeds named."""
    parser = argparse.ArgumentParser(
        prog="ptlib zoo build", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Makes tasks, PLMs and prompts of the zoo from seeds. What exists already is kept.\n"
        "example: ptlib zoo build --out /tmp/zoo --shapes 64 --seeds 7",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=ZOO, help="folder to build in (default: the zoo that ships)")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="64, 128: RoBERTa of that width; t5-64: T5")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(PRETRAINING_SEEDS), help="pre-training seeds")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="PLMs built side by side")
    options = parser.parse_args(argv)
    print(f"tasks: {len(zoo_tasks.TASKS)} to {options.out / 'tasks'}")
    build_tasks(options.out)
    jobs = [(shape, seed, str(options.out)) for shape in reversed(options.shapes) for seed in options.seeds]
    # One thread a process: on shared cores that is many times faster than letting every process take them all.
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(min(options.jobs, len(jobs)), maxtasksperchild=1) as pool:
        for done in pool.imap_unordered(_one, jobs):
            print(f"{done}: built", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
