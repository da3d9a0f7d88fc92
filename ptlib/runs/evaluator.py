"""Evaluates batches of cells and gives parcels: the muscle of every engine. It knows the library and no store.

The only room of ptlib.runs that needs torch, and only when called.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import psutil

from ptlib.errors import PtlibError, RunError
from ptlib.library import Library
from ptlib.runs import kinds, precision
from ptlib.runs.parcel import Batch, Parcel, place_of
from ptlib.runs.plan import Cell

log = logging.getLogger("ptlib.worker")
MEMORY_SHARE = 0.5
"""Part of a device's memory that PLMs may stay loaded in, where ``PTLIB_PLM_MEMORY`` (GiB) says nothing."""


class Evaluator:
    """Evaluates cells. Keeps PLMs loaded between batches within a memory budget; the least recently used goes first."""

    def __init__(self, library: Library, device: str | None = None, budget: int | None = None) -> None:
        """``budget``: bytes of weights that may stay loaded; None takes what the machine is told to give."""
        self.library, self.device, self.budget = library, device, budget
        self._plms: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._found: list[Parcel] = []

    @property
    def loaded(self) -> list[str]:
        """Ids of the PLMs that are loaded, with their precision; the most recently used last."""
        return [f"{plm.info.id} {plm.dtype}" for plm in list(self._plms.values())]

    def evaluate(
        self, batch: Batch, should_stop: Callable[[], bool] = lambda: False, begin: Callable[[Cell], None] = lambda cell: None
    ) -> Iterator[Parcel]:
        """Works through a batch; gives a parcel for each cell as it is finished, and some beside them.

        ``begin`` hears of each cell before it is evaluated. Ends early when ``should_stop`` says so.
        """
        from ptlib.runs.column import until_clear

        cells = batch.cells
        try:
            plm = self._plm(cells[0], batch)
        except Exception as error:
            yield from (self.failure(cell, error) for cell in cells)
            return
        before = dict(plm.slots)
        work = until_clear(self, plm, batch, should_stop, begin) if cells[0].until else self.each(plm, batch, should_stop, begin)
        left = {cell.key: cell for cell in cells}
        try:
            for parcel in work:
                if parcel.kind != "partial" or parcel.row["reason"]:
                    left.pop(parcel.key, None)
                yield parcel
                yield from self._found
                self._found.clear()
        except Exception as error:
            yield from (self.failure(cell, error) for cell in left.values())
        yield from (Parcel("slots", row={"plm": cells[0].plm, "device": plm.device.split(":")[0], "dtype": plm.dtype, "width": width, "slots": slots})
                    for width, slots in plm.slots.items() if before.get(width) != slots)  # fmt: skip

    def each(self, plm: Any, batch: Batch, should_stop: Callable[[], bool], begin: Callable[[Cell], None]) -> Iterator[Parcel]:
        """One cell after the other, to the end."""
        from ptlib.transfer.forward import Stopped

        for cell in batch.cells:
            if should_stop():
                return
            begin(cell)
            started = time.perf_counter()
            try:
                for found in self._work(plm, cell, batch, should_stop):
                    yield replace(found, seconds=time.perf_counter() - started)
            except Stopped:
                return
            except Exception as error:
                yield replace(self.failure(cell, error), seconds=time.perf_counter() - started)

    def _work(self, plm: Any, cell: Cell, batch: Batch, should_stop: Callable[[], bool]) -> Iterator[Parcel]:
        if cell.kind == "score":
            yield self._score(plm, cell, batch, should_stop)
        elif cell.kind == "stimulation":
            yield self._stimulate(plm, cell)
        else:
            yield from kinds.evaluate(self, plm, cell, batch, should_stop)

    def failure(self, cell: Cell, error: Exception) -> Parcel:
        """Says why a cell has no result."""
        if isinstance(error, PtlibError):
            return Parcel("failed", cell.key, error=str(error))
        log.error("%s", cell.words, exc_info=error)
        return Parcel("failed", cell.key, error=unexpected(error))

    def _plm(self, cell: Cell, batch: Batch) -> Any:
        from ptlib.plms.device import WIDTH
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
            self._make_room(info.parameters * WIDTH[cell.dtype])
            self._plms[name] = load(info, device=self.device, dtype=cell.dtype)
            self._test_precision(info, self._plms[name], batch)
        self._plms.move_to_end(name)
        plm = self._plms[name]
        start = place_of(cell.plm, plm.device, plm.dtype, 0)[:-1]
        plm.slots.update({int(place.removeprefix(start)): slots for place, slots in batch.slots.items() if place.startswith(start)})
        return plm

    def _make_room(self, needed: int) -> None:
        budget = memory_budget(self.device) if self.budget is None else self.budget
        while self._plms and needed + sum(weights_of(plm) for plm in self._plms.values()) > budget:
            (_, dtype), gone = self._plms.popitem(last=False)
            log.info("makes room: %s in %s is unloaded", gone.info.id, dtype)
            del gone
            self._give_memory_back()

    def free(self) -> None:
        """Unloads every PLM."""
        self._plms.clear()
        self._give_memory_back()

    def _give_memory_back(self) -> None:
        gc.collect()
        if self.device and self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def _test_precision(self, info: Any, plm: Any, batch: Batch) -> None:
        """On a GPU, once for a PLM: whether half precision pays and agrees. The page shows it, "auto" follows it."""
        if plm.dtype != "float32" or not plm.device.startswith("cuda") or plm.device in batch.tested:
            return
        from ptlib.plms.load import load

        try:
            half = load(info, device=self.device, dtype="bfloat16")
            tested = precision.measure(plm, half, *precision.material(self.library, info.id))
        except PtlibError as error:
            log.warning("precision not tested: %s", error)
        else:
            self._found.append(Parcel("probe", row={"plm": info.fingerprint, **tested._asdict()}))

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

    @staticmethod
    def seen(batch: Batch, cell: Cell) -> Any:
        """What a cell that was stopped early, or interrupted, has evaluated already; or None."""
        from ptlib.transfer.evaluate import Seen

        known = batch.seen.get(cell.key)
        return None if known is None else Seen(known.rows, known.logits, known.seconds)

    def _score(self, plm: Any, cell: Cell, batch: Batch, should_stop: Callable[[], bool]) -> Parcel:
        from ptlib.transfer.evaluate import evaluate

        task, prompt = self.task(cell, plm), self.prompt(cell)
        how = {"split": cell.split, "limit": cell.limit, "insertion": cell.insertion, "should_stop": should_stop}
        return self.result(
            cell, next(evaluate(plm, [prompt], task, seen=[self.seen(batch, cell)], **how)), prompt, task, batch, should_stop
        )

    def exact(self, cell: Cell, task: Any, batch: Batch) -> Any:
        """The PLM in single precision, for a cell in half precision; None where it is not asked or does not fit beside it."""
        from ptlib.errors import PlmError

        if cell.dtype == "float32" or task.generates:
            return None
        try:
            return self._plm(replace(cell, dtype="float32"), batch)
        except PlmError as error:
            log.warning("not held against float32: %s", error)
            return None

    def _checked(self, cell: Cell, found: Any, prompt: Any, task: Any, batch: Batch, should_stop: Callable[[], bool]) -> tuple[Any, Any]:
        """Half precision held against single precision; as it is where those weights do not fit beside it."""
        from ptlib.transfer.precision import checked

        exact = self.exact(cell, task, batch)
        if exact is None:
            return found, None
        how = {"split": cell.split, "limit": cell.limit, "insertion": cell.insertion, "should_stop": should_stop}
        return checked(exact, found, prompt, task, **how)

    def result(self, cell: Cell, found: Any, prompt: Any, task: Any, batch: Batch, should_stop: Callable[[], bool] = lambda: False) -> Parcel:  # fmt: skip
        """The parcel of a cell's evaluation; what half precision leaves in doubt is settled first."""
        found, check = self._checked(cell, found, prompt, task, batch, should_stop)
        row = {"key": cell.key, "kind": "score", "plm": cell.plm, "prompt": cell.prompt, "task": cell.task,
               "task_digest": cell.task_digest, "split": cell.split, "limit_n": cell.limit, "insertion": cell.insertion,
               "dtype": found.dtype, "metric": found.metric, "value": found.value, "n": found.n, "ci_low": found.ci_low,
               "ci_high": found.ci_high, "accuracy": found.accuracy, "macro_f1": found.macro_f1, "seconds": found.seconds,
               "tokens": found.tokens, "halvings": found.halvings, "device": found.device,
               "agreement": check and check.agreement, "checked": check and check.checked}  # fmt: skip
        texts = {"texts": np.frombuffer(json.dumps(found.texts).encode(), np.uint8)} if found.texts else {}
        arrays = {"predictions": found.predictions, "labels": found.labels, "logits": found.logits, **texts}
        return Parcel("result", cell.key, row, arrays, seconds=found.seconds)

    def _stimulate(self, plm: Any, cell: Cell) -> Parcel:
        from ptlib.neurons.states import States, to_arrays
        from ptlib.neurons.stimulate import stimulate

        found = stimulate(plm, [self.prompt(cell)], cell.insertion)
        row = {"key": cell.key, "kind": "stimulation", "plm": cell.plm, "prompt": cell.prompt, "insertion": cell.insertion,
               "dtype": plm.dtype, "device": plm.device}  # fmt: skip
        return Parcel("result", cell.key, row, to_arrays(States(found.values[0], found.activated[0])))


def weights_of(plm: Any) -> int:
    """Bytes of a loaded PLM's weights."""
    return sum(weight.numel() * weight.element_size() for weight in plm.model.parameters())


def memory_budget(device: str | None) -> int:
    """Bytes of weights that may stay loaded on a device.

    Raises:
        RunError: ``PTLIB_PLM_MEMORY`` is no number.
    """
    told = os.environ.get("PTLIB_PLM_MEMORY")
    if told:
        try:
            return int(float(told) * 2**30)
        except ValueError as error:
            raise RunError("not a number of GiB", where="PTLIB_PLM_MEMORY", found=repr(told), expected="for example 8") from error
    if device and device.startswith("cuda"):
        import torch

        return int(MEMORY_SHARE * torch.cuda.mem_get_info(device)[1])
    return int(MEMORY_SHARE * psutil.virtual_memory().total)


def unexpected(error: BaseException) -> str:
    """The sentence for a failure that no one foresaw."""
    reason = (str(error).strip().splitlines() or [""])[0][:200]
    return f"Unexpected {type(error).__name__}: {reason} The details are in logs/worker.log in the cache."


def words_of(cells: Sequence[Cell]) -> str:
    """What a batch is, for the eye."""
    first = cells[0]
    what = {"stimulation": "stimulations", "score": first.task, "masked": f"masked neurons, {first.task}"}.get(first.kind)
    return first.words if what is None else f"{what} on {first.plm_id}"
