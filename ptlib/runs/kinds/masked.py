"""A score with neurons switched off. Which ones, the cell's settings say by contents: see :func:`ptlib.runs.masking.settings_for`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from ptlib.errors import RunError
from ptlib.neurons.mask import Stimulated, choose, distinctiveness
from ptlib.neurons.states import States

if TYPE_CHECKING:
    from ptlib.runs.evaluator import Evaluator
    from ptlib.runs.parcel import Batch, Parcel
    from ptlib.runs.plan import Cell

KEEP = 256
"""Stimulations of a loaded PLM that are kept; the least recently used goes first."""
_states: WeakKeyDictionary[Any, OrderedDict[tuple[str, str], States]] = WeakKeyDictionary()


def evaluate(
    evaluator: Evaluator, plm: Any, cell: Cell, batch: Batch, should_stop: Callable[[], bool]
) -> Iterator[Parcel]:  # fmt: skip
    """The cell's prompt on its task, neurons masked. Arrays: predictions, labels, and of each layer (layers,) int32 how many neurons are
    ``masked``, how many of those the prompt activates whose neurons they are, and where it was asked how many are ``distinctive``.

    Raises:
        RunError: settings that name no mask. PromptError, TaskError: as for a score. Stopped: ``should_stop`` said so.
    """
    from ptlib.transfer.evaluate import evaluate as scores

    off, by_layer = _cut(evaluator, plm, cell)
    task, prompt = evaluator.task(cell, plm), evaluator.prompt(cell)
    exact = evaluator.exact(cell, task, batch)
    how = {"split": cell.split, "limit": cell.limit, "insertion": cell.insertion, "should_stop": should_stop}
    with plm.mask_neurons(off), nullcontext() if exact is None else exact.mask_neurons(off):
        found = evaluator.result(cell, next(scores(plm, [prompt], task, **how)), prompt, task, batch, should_stop)
    # Given after the block: whoever takes it may do other things with the PLM before coming back.
    arrays = {name: found.arrays[name] for name in ("predictions", "labels")}
    yield replace(found, row={**found.row, "kind": cell.kind}, arrays={**arrays, **by_layer})


def _cut(evaluator: Evaluator, plm: Any, cell: Cell) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(layers, ffn) bool, the neurons that a cell's settings switch off, and what they are by layer."""
    told = cell.told
    try:
        rule, share = told["rule"], float(told["share"])
        found = Stimulated(_state(evaluator, plm, told["of"]), *_activated(evaluator, plm, told.get("own", []), told.get("others", [])))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError("these settings name no neurons", where=cell.words, found=f"{type(error).__name__}: {error}"[:100],
                       expected="rule, share and of", mend="Plan the cells anew.") from error  # fmt: skip
    off = choose(rule, share, found, told.get("layers"), draw=int(told.get("draw", 0)), like=told.get("like", "most"))
    kinds = {"masked": off, "activated": off & found.prompt.activated}
    if len(found.others):
        kinds["distinctive"] = off & (distinctiveness(found.own, found.others) > 0)
    return off, {name: part.sum(axis=1, dtype=np.int32) for name, part in kinds.items()}


def _activated(evaluator: Evaluator, plm: Any, own: list, others: list) -> tuple[np.ndarray, list[np.ndarray]]:
    def stacked(names: list) -> np.ndarray:
        return np.stack([_state(evaluator, plm, name).activated for name in names])

    return (stacked(own) if own else np.empty((0, plm.layers, plm.ffn), bool)), [stacked(names) for names in others]


def _state(evaluator: Evaluator, plm: Any, name: list[str]) -> States:
    """Stimulation of a prompt, by its digest and insertion."""
    from ptlib.neurons.stimulate import stimulate

    digest, insertion = name
    kept: Mapping = _states.setdefault(plm, OrderedDict())
    if (digest, insertion) not in kept:
        prompt = evaluator.library.by_digest(digest).load()
        if prompt.digest != digest:
            raise RunError("the prompt changed since the run was planned", where=prompt.name, found=prompt.digest[:12],
                           expected=digest[:12], mend="Start the run again.")  # fmt: skip
        found = stimulate(plm, [prompt], insertion)
        kept[digest, insertion] = States(found.values[0], found.activated[0])
        while len(kept) > KEEP:
            kept.popitem(last=False)
    kept.move_to_end((digest, insertion))
    return kept[digest, insertion]
