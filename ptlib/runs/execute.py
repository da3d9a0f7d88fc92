"""What a worker does with a batch of cells. The only room of ptlib.runs that needs torch, and only when called."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ptlib.errors import PtlibError, RunError
from ptlib.library import Library
from ptlib.runs import precision
from ptlib.runs.plan import Cell
from ptlib.store import Store

log = logging.getLogger("ptlib.worker")
KEEP_PLMS = 3
"""PLMs that stay loaded; the least recently used goes first."""


class Executor:
    """Evaluates cells and stores each result as it is finished. Keeps PLMs loaded between batches."""

    def __init__(self, store: Store, library: Library, device: str | None = None) -> None:
        self.store, self.library, self.device = store, library, device
        self._plms: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def execute(
        self, cells: Sequence[Cell], should_stop: Callable[[], bool], begin: Callable[[Cell], None] = lambda cell: None
    ) -> Iterator[tuple[Cell, str | None]]:
        """Works through cells of one batch; gives each cell with None, or with the sentence that says why it failed.

        ``begin`` hears of each cell before it is evaluated. Ends early when ``should_stop`` says so.
        """
        from ptlib.runs.column import until_clear
        from ptlib.transfer.forward import Stopped

        try:
            plm = self._plm(cells[0])
        except PtlibError as error:
            yield from ((cell, str(error)) for cell in cells)
            return
        if cells[0].until:
            yield from until_clear(self, plm, cells, should_stop, begin)
            return
        for cell in cells:
            if should_stop():
                return
            begin(cell)
            error = None
            try:
                if cell.kind == "stimulation":
                    self._stimulate(plm, cell)
                else:
                    self._score(plm, cell, should_stop)
            except Stopped:
                return
            except PtlibError as failure:
                error = str(failure)
            except Exception as failure:
                log.exception("%s on %s", cell.prompt_name, cell.task)
                error = unexpected(self.store, failure)
            yield cell, error

    def _plm(self, cell: Cell) -> Any:
        from ptlib.plms.load import load

        # By content: the folder may have been renamed since the run was planned.
        info = next((plm for plm in self.library.plms.values() if plm.fingerprint == cell.plm), None) or self.library.plm(cell.plm_id)
        if not info.here:
            raise RunError("the PLM's weights are not here", where=info.id, mend=f"Bring them with: ptlib plms add {info.id}")
        if info.fingerprint != cell.plm:
            raise RunError("the PLM's weights changed since the run was planned", where=info.folder,
                           found=info.fingerprint[:12], expected=cell.plm[:12], mend="Start the run again.")  # fmt: skip
        name = (cell.plm, cell.dtype)
        if name not in self._plms:
            while len(self._plms) >= KEEP_PLMS:
                self._plms.popitem(last=False)
            self._plms[name] = load(info, device=self.device, dtype=cell.dtype)
            self._test_precision(info, self._plms[name])
        self._plms.move_to_end(name)
        return self._plms[name]

    def _test_precision(self, info: Any, plm: Any) -> None:
        """On a GPU, once for a PLM: whether half precision pays and agrees. The page shows it, "auto" follows it."""
        if (
            plm.dtype != "float32"
            or not plm.device.startswith("cuda")
            or any(one.device == plm.device for one in precision.tested(self.store, info.fingerprint))
        ):
            return
        from ptlib.plms.load import load

        try:
            precision.keep(
                self.store,
                info.fingerprint,
                plm,
                load(info, device=self.device, dtype="bfloat16"),
                *precision.material(self.library, info.id),
            )
        except PtlibError as error:
            log.warning("precision not tested: %s", error)

    def prompt(self, cell: Cell) -> Any:
        """The cell's prompt; None without one. Raises PtlibError where it is gone or changed."""
        if not cell.prompt:
            return None
        prompt = self.library.by_digest(cell.prompt).load()
        if prompt.digest != cell.prompt:
            raise RunError("the prompt changed since the run was planned", where=cell.prompt_name,
                           found=prompt.digest[:12], expected=cell.prompt[:12], mend="Start the run again.")  # fmt: skip
        return prompt

    def task(self, cell: Cell, plm: Any) -> Any:
        """The cell's task for the PLM's family. Raises PtlibError where it is gone or changed."""
        task = self.library.task(cell.task).for_family(plm.info.family)
        if task.digest(cell.split, cell.limit) != cell.task_digest:
            raise RunError("the task's data changed since the run was planned", where=task.source,
                           mend="Start the run again; it will plan for the new data.")  # fmt: skip
        return task

    def seen(self, cell: Cell) -> Any:
        """What a cell that was stopped early, or interrupted, has evaluated already; or None."""
        from ptlib.transfer.evaluate import Seen

        arrays = self.store.partial_arrays(cell.key)
        if arrays is None:
            return None
        return Seen(arrays["rows"], arrays["logits"], float(self.store.partials([cell.key]).seconds.iloc[0]))

    def _score(self, plm: Any, cell: Cell, should_stop: Callable[[], bool]) -> None:
        from ptlib.transfer.evaluate import evaluate

        task, prompt = self.task(cell, plm), self.prompt(cell)
        how = {"split": cell.split, "limit": cell.limit, "insertion": cell.insertion, "should_stop": should_stop}
        self.keep(cell, next(evaluate(plm, [prompt], task, seen=[self.seen(cell)], **how)), prompt, task, should_stop)

    def _checked(self, cell: Cell, found: Any, prompt: Any, task: Any, should_stop: Callable[[], bool]) -> tuple[Any, Any]:
        """Half precision held against single precision; as it is where those weights do not fit beside it."""
        from ptlib.errors import PlmError
        from ptlib.transfer.precision import checked

        if found.dtype == "float32" or task.generates:
            return found, None
        try:
            exact = self._plm(replace(cell, dtype="float32"))
        except PlmError as error:
            log.warning("not held against float32: %s", error)
            return found, None
        how = {"split": cell.split, "limit": cell.limit, "insertion": cell.insertion, "should_stop": should_stop}
        return checked(exact, found, prompt, task, **how)

    def keep(self, cell: Cell, found: Any, prompt: Any, task: Any, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Stores the evaluation of a cell; what half precision leaves in doubt is settled first."""
        found, check = self._checked(cell, found, prompt, task, should_stop)
        row = {"key": cell.key, "kind": "score", "plm": cell.plm, "prompt": cell.prompt, "task": cell.task,
               "task_digest": cell.task_digest, "split": cell.split, "limit_n": cell.limit, "insertion": cell.insertion,
               "dtype": found.dtype, "metric": found.metric, "value": found.value, "n": found.n, "ci_low": found.ci_low,
               "ci_high": found.ci_high, "accuracy": found.accuracy, "macro_f1": found.macro_f1, "seconds": found.seconds,
               "tokens": found.tokens, "halvings": found.halvings, "device": found.device,
               "agreement": check and check.agreement, "checked": check and check.checked}  # fmt: skip
        texts = {"texts": np.frombuffer(json.dumps(found.texts).encode(), np.uint8)} if found.texts else {}
        self.store.put(row, {"predictions": found.predictions, "labels": found.labels, "logits": found.logits, **texts})

    def _stimulate(self, plm: Any, cell: Cell) -> None:
        from ptlib.neurons.states import States, to_arrays
        from ptlib.neurons.stimulate import stimulate

        found = stimulate(plm, [self.prompt(cell)], cell.insertion)
        row = {"key": cell.key, "kind": "stimulation", "plm": cell.plm, "prompt": cell.prompt, "insertion": cell.insertion,
               "dtype": plm.dtype, "device": plm.device}  # fmt: skip
        self.store.put(row, to_arrays(States(found.values[0], found.activated[0])))


def unexpected(store: Store, error: Exception) -> str:
    """The sentence for a failure that no one foresaw."""
    reason = (str(error).strip().splitlines() or [""])[0][:200]
    return f"Unexpected {type(error).__name__}: {reason} The details are in {store.folder / 'logs' / 'worker.log'}."


def describe_batch(cells: Sequence[Cell]) -> str:
    """What a batch is, for the eye."""
    first = cells[0]
    what = "stimulation" if first.kind == "stimulation" else first.task
    return json.dumps({"plm": first.plm_id, "task": what, "cells": len(cells)})
