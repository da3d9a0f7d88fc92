"""The evidence: every finding about the zoo, computed anew from the committed artefacts, with intervals.

``ptlib zoo report`` evaluates what the store lacks (each PLM's prompts on every test split), fine-tunes the default PLM
of each width once a task, prints tables and says of every claim whether it holds. Exit code 1 when one does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ptlib.analysis import correlation, relative, statistics
from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.runs import api
from ptlib.runs.study import Study, load_study
from ptlib.store import Store


class Claim(NamedTuple):
    """Something that must hold, and whether it does."""

    plm: str
    what: str
    found: str
    holds: bool


def main(argv: Sequence[str] | None = None) -> int:
    """``ptlib zoo report``; returns 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(
        prog="ptlib zoo report", description="Computes and prints the evidence for the zoo's findings.",
        epilog="example: ptlib zoo report --plms zoo-64-s1 --no-fine-tuning",
    )  # fmt: skip
    parser.add_argument("--plms", nargs="+", help="PLMs to report on (default: all of the zoo)")
    parser.add_argument("--no-fine-tuning", action="store_true", help="leave out full fine-tuning, the slowest part")
    parser.add_argument("--json", metavar="FILE", help="write every number there as well")
    options = parser.parse_args(argv)
    store, library = Store(), Library.open()
    plms = options.plms or [plm.id for plm in library.plms.values() if plm.card.get("synthetic")]
    if not plms:
        raise PtlibError("there is no zoo PLM", where="library", mend="Run: ptlib zoo build")
    claims, numbers = [], {}
    for plm in plms:
        started = time.perf_counter()
        api.transfer_matrix(plm, store=store, library=library, on_progress=_progress)
        study = load_study(store, library, plm)
        print(f"\n== {plm} == {len(study.tasks)} tasks, {len(study.seeds)} prompt seeds, {len(study.random)} random prompts, "
              f"{study.transfer.size + study.random.size + study.none.size} cells, {time.perf_counter() - started:.0f} s\n")  # fmt: skip
        tuned = {} if options.no_fine_tuning or not library.plm(plm).default else fine_tuning(store, library, plm, study.tasks)
        numbers[plm] = report_one(library, study, tuned, claims)
    print("\n== Claims ==\n")
    table = pd.DataFrame(claims)
    print(table.assign(holds=table.holds.map({True: "holds", False: "DOES NOT HOLD"})).to_string(index=False))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"plms": numbers, "claims": [claim._asdict() for claim in claims]}, file, indent=1, default=float)
    return 0 if table.holds.all() else 1


def _progress(item) -> None:
    if sys.stderr.isatty():
        print(f"\r{item.title}: {item.done}/{item.total}   ", end="", file=sys.stderr, flush=True)


def fine_tuning(store: Store, library: Library, plm: str, tasks: Sequence[str]) -> dict[str, float]:
    """Test accuracy of the whole PLM fine-tuned on each task without a prompt. Takes minutes; kept in the store."""
    import hashlib

    import torch

    from ptlib.plms.load import load
    from ptlib.transfer.baselines import FINE_TUNE_VERSION, fine_tune

    torch.set_num_threads(1)
    info, model, found = library.plm(plm), None, {}
    for task in map(library.task, tasks):
        story = ["fine-tune", FINE_TUNE_VERSION, info.fingerprint, task.digest("train"), task.digest("test")]
        key = hashlib.sha256(json.dumps(story).encode()).hexdigest()
        kept = store.result_arrays(key)
        if kept is None:
            model = model or load(info, device="cpu", dtype="float32")
            result = fine_tune(model, task)
            kept = {"predictions": result.predictions, "labels": result.labels}
            row = {"key": key, "kind": "fine-tune", "plm": info.fingerprint, "prompt": "", "task": task.name, "split": "test",
                   "metric": "accuracy", "value": result.value, "n": result.n, "device": result.device, "dtype": result.dtype}  # fmt: skip
            store.put(row, kept)
        found[task.name] = float((kept["predictions"] == kept["labels"]).mean())
    return found


def report_one(library: Library, study: Study, tuned: dict[str, float], claims: list[Claim]) -> dict:
    """Prints one PLM's tables and adds its claims."""
    own = own_prompts(library, study, tuned, claims)
    types = type_structure(study, claims)
    groups = overlap_groups(study, claims)
    tables = predictions(study, claims)
    return {"own": own.to_dict("records"), "types": types, "groups": groups,
            "correlation": {name: table.to_dict("records") for name, table in tables.items()}}  # fmt: skip


def own_prompts(library: Library, study: Study, tuned: dict[str, float], claims: list[Claim]) -> pd.DataFrame:
    """Own prompt against random prompts, no prompt, majority class and full fine-tuning, test accuracy."""
    from ptlib.transfer.baselines import majority

    own = np.diagonal(study.transfer, axis1=1, axis2=2)
    table = pd.DataFrame({
        "task": study.tasks, "type": study.types, "n": [len(library.task(name).read("test").labels) for name in study.tasks],
        "own": own.mean(axis=0), "lowest seed": own.min(axis=0), "highest seed": own.max(axis=0),
        "random": study.random.mean(axis=0), "best random": study.random.max(axis=0), "no prompt": study.none,
        "majority": [majority(library.task(name)) for name in study.tasks],
        "fine-tuned": [tuned.get(name, np.nan) for name in study.tasks],
    })  # fmt: skip
    print("Own prompts (mean, lowest and highest of the prompt seeds) and baselines, test accuracy")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}", na_rep="-"), "\n")
    gain = table.own - table["random"]
    draws = gain.to_numpy()[np.random.default_rng(0).integers(len(gain), size=(2000, len(gain)))].mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    beaten = own.min(axis=0) > study.random.max(axis=0)
    claims.append(Claim(study.plm, "every own prompt beats every random prompt on its task",
                        f"{int((own > study.random.max(axis=0)).sum())} of {own.size}", bool(beaten.all())))  # fmt: skip
    claims.append(Claim(study.plm, "own prompts beat random prompts by .25 on average",
                        f"{gain.mean():.3f} [{low:.3f}, {high:.3f}]", bool(gain.mean() >= 0.25)))  # fmt: skip
    return table


def type_structure(study: Study, claims: list[Claim]) -> dict:
    """Relative performance by type."""
    effect = relative.type_effect(study.transfer, study.types)
    names, blocks = relative.type_blocks(study.transfer, study.types)
    print("Relative performance on other tasks, by type of source (rows) and target (columns)")
    print(pd.DataFrame(blocks, index=names, columns=names).to_string(float_format=lambda value: f"{value:.3f}"))
    for label, mean in zip(("same type", "different type", "difference"), effect, strict=True):
        print(
            f"{label:15s} {mean.value:.3f} [{mean.ci_low:.3f}, {mean.ci_high:.3f}]  ({mean.n} {'pairs' if label != 'difference' else 'targets'})"
        )
    print()
    gap = effect.same.value - effect.other.value
    claims.append(Claim(study.plm, "same-type relative performance exceeds different-type by .2",
                        f"{gap:.3f}; per target {effect.difference.value:.3f} [{effect.difference.ci_low:.3f}, {effect.difference.ci_high:.3f}]",
                        bool(gap >= 0.2)))  # fmt: skip
    return {"same": effect.same._asdict(), "other": effect.other._asdict(), "difference": effect.difference._asdict()}


def overlap_groups(study: Study, claims: list[Claim]) -> dict:
    """ON within a task, within a type, across types."""
    from ptlib.neurons.overlap import overlap

    seeds, tasks = len(study.seeds), len(study.tasks)
    states = study.active.reshape(seeds * tasks, *study.active.shape[2:])
    groups = correlation.group_means(overlap(states), np.tile(study.tasks, seeds), np.tile(study.types, seeds))
    print(f"ON: same task, other seed {groups.same_task:.3f}; same type {groups.same_type:.3f}; other type {groups.other_type:.3f}; "
          f"permutation p {groups.p:.4f}")  # fmt: skip
    print("Activated neurons by layer:", " ".join(f"{share:.3f}" for share in study.active.mean(axis=(0, 1, 3))), "\n")
    claims.append(Claim(study.plm, "ON is higher within types than across (p < .01)",
                        f"{groups.same_type:.3f} against {groups.other_type:.3f}, p {groups.p:.4f}",
                        bool(groups.same_type > groups.other_type and groups.p < 0.01)))  # fmt: skip
    return groups._asdict()


def predictions(study: Study, claims: list[Claim]) -> dict[str, pd.DataFrame]:
    """Every indicator against transfer: all pairs, without same-type pairs, and ON by layer."""
    different = ~np.equal.outer(study.types, study.types)
    found = {
        "all pairs": statistics.indicator_table(study.transfer, study.similarities()),
        "all pairs, inert row kept": statistics.indicator_table(study.transfer, study.similarities(drop_inert=False), permutations=0),
        "without same-type pairs": statistics.indicator_table(study.transfer, study.similarities(), pairs=different),
        "ON by layer": statistics.layer_table(
            study.transfer, [study.similarities([layer])["ON"] for layer in range(study.active.shape[2])]
        ),
    }
    for name, table in found.items():
        print(f"Mean per-target Spearman correlation with transfer, {name}")
        shown = table.drop(columns=[column for column in ("name", "minus_on_low", "minus_on_high") if column in table])
        print(shown.to_string(index=False, float_format=lambda value: f"{value:.3f}", na_rep="-"))
        if "minus_on" in table:
            print(*(statistics.better_than_on(table) or ["No indicator lies above ON."]), sep="\n")
        print()
    on = found["all pairs"].set_index("name").loc["ON"]
    claims.append(Claim(study.plm, "ON predicts transfer (mean per-target Spearman, p < .01)",
                        f"{on.value:.3f} [{on.ci_low:.3f}, {on.ci_high:.3f}], p {on.p:.4f}", bool(on.value > 0 and on.p < 0.01)))  # fmt: skip
    return found
