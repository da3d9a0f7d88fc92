"""Slurm as the engine, by submitit: a job a batch; results come back as files and go to the one writer.

Settings: ``PTLIB_SLURM`` (submitit's parameters, for example ``slurm_partition=gpu gpus_per_node=1 timeout_min=240``),
``PTLIB_SLURM_JOBS`` (most jobs at a time, 16), ``PTLIB_SLURM_FOLDER`` (a folder that the nodes see too; in the cache without it),
``PTLIB_SLURM_CLUSTER`` ("slurm", or "local" to try it on this machine). A node needs this checkout, and the library's folders, at the
same paths; it never sees the database.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.runs.executors import Event
from ptlib.runs.parcel import Batch, Parcel
from ptlib.runs.plan import Cell
from ptlib.store import Store

log = logging.getLogger("ptlib.worker")
KILL_SECONDS = 10.0
"""From asking a batch to end to cancelling its job."""
LOOK_SECONDS = 0.2


def job(folder: str) -> None:
    """What runs on a node: evaluates the batch in a folder and leaves a file for each parcel, whole or not at all."""
    import torch

    from ptlib.runs.evaluator import Evaluator

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    place, count = Path(folder), 0

    def leave(name: str, data: bytes) -> None:
        part = place / f".{name}.part"
        part.write_bytes(data)
        part.replace(place / name)

    def begin(cell: Cell) -> None:
        leave(f"{count:06d}.begun", cell.key.encode())

    for parcel in Evaluator(Library.open()).evaluate(Batch.from_bytes((place / "batch").read_bytes()), (place / "stop").exists, begin):
        leave(f"{count:06d}.parcel", parcel.to_bytes())
        count += 1
    leave("end", b"")


class SlurmExecutor:
    """A job a batch."""

    def __init__(self, store: Store, _library: Library, _device: str | None) -> None:
        """Takes up what jobs of a process that died left behind.

        Raises:
            RunError: Slurm is not here, or a parameter that submitit does not know.
        """
        import submitit

        self.folder = Path(os.environ.get("PTLIB_SLURM_FOLDER") or store.folder / "slurm")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        cluster = os.environ.get("PTLIB_SLURM_CLUSTER") or "slurm"
        try:
            self._submitit = submitit.AutoExecutor(self.folder / "logs", cluster=cluster)
            self._submitit.update_parameters(**{"name": "ptlib", "timeout_min": 240, **parameters(os.environ.get("PTLIB_SLURM", ""))})
        except Exception as error:
            raise RunError("jobs cannot be handed to Slurm", where=f"PTLIB_SLURM_CLUSTER={cluster}", found=str(error).splitlines()[0][:200],
                           mend="Check PTLIB_SLURM; submitit's documentation names its parameters.") from error  # fmt: skip
        self.device = cluster
        self.most = int(os.environ.get("PTLIB_SLURM_JOBS") or 16)
        self._jobs: dict[int, tuple[Any, Path]] = {}
        self._asked: dict[int, float] = {}
        self._lock = threading.Lock()
        self._left = list(self.folder.glob("batch-*"))

    def room(self) -> int:
        return max(0, self.most - len(self._jobs))

    def submit(self, number: int, batch: Batch) -> None:
        place = self.folder / f"batch-{os.getpid()}-{number}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        (place / "batch").write_bytes(batch.to_bytes())
        started = self._submitit.submit(job, str(place))
        (place / "job").write_text(started.job_id)
        with self._lock:
            self._jobs[number] = (started, place)

    def collect(self, listen: Callable[[Event], None], seconds: float) -> None:
        self._take_up(listen)
        end, told = time.monotonic() + seconds, False
        while not told:
            for number, (started, place) in list(self._jobs.items()):
                told |= self._look(number, started, place, listen)
            if time.monotonic() > end:
                return
            time.sleep(0 if told else LOOK_SECONDS)

    def _look(self, number: int, started: Any, place: Path, listen: Callable[[Event], None]) -> bool:
        # Asked before the files are read: what a job wrote before its end is there by then.
        over = (place / "end").exists() or started.done()
        told = _tell(number, place, listen)
        asked = self._asked.get(number)
        if not over:
            if asked is not None and time.monotonic() - asked > KILL_SECONDS:
                started.cancel(check=False)
            return told
        with self._lock:
            self._jobs.pop(number)
            self._asked.pop(number, None)
        whole = (place / "end").exists() or asked is not None
        listen(Event(number, "end") if whole else Event(number, "lost", reason=f"The Slurm job {started.job_id} ended as {started.state}"))
        shutil.rmtree(place, ignore_errors=True)
        return True

    def _take_up(self, listen: Callable[[Event], None]) -> None:
        """What was finished for a process that died is kept; its jobs are ended, since their cells are queued again."""
        while self._left:
            place = self._left.pop()
            (place / "stop").touch()
            _tell(-1, place, listen)
            with suppress(OSError):
                self._job_of(place).cancel(check=False)
            shutil.rmtree(place, ignore_errors=True)

    def _job_of(self, place: Path) -> Any:
        return self._submitit.job_class(folder=self._submitit.folder, job_id=(place / "job").read_text())

    def cancel(self, number: int) -> None:
        with self._lock:
            if number in self._jobs and number not in self._asked:
                self._asked[number] = time.monotonic()
                (self._jobs[number][1] / "stop").touch()

    def about(self) -> dict:
        return {"plms": [], "hands": len(self._jobs)}

    def close(self) -> None:
        for started, place in self._jobs.values():
            with suppress(OSError):
                (place / "stop").touch()
            started.cancel(check=False)


def _tell(number: int, place: Path, listen: Callable[[Event], None]) -> bool:
    files = sorted(place.glob("*.begun")) + sorted(place.glob("*.parcel"))
    for file in sorted(files):
        try:
            if file.suffix == ".begun":
                listen(Event(number, "begun", file.read_text()))
            else:
                parcel = Parcel.from_bytes(file.read_bytes())
                listen(Event(number, "parcel", parcel.key, parcel))
        except RunError as error:
            log.warning("%s", error)
        file.unlink(missing_ok=True)
    return bool(files)


def parameters(text: str) -> dict[str, str | int]:
    """submitit's parameters from ``name=value`` words, numbers as numbers.

    Raises:
        RunError: a word that is no such pair.
    """
    found: dict[str, str | int] = {}
    for word in text.split():
        name, sign, value = word.partition("=")
        if not sign or not name.isidentifier():
            raise RunError(
                "not a list of parameters", where="PTLIB_SLURM", found=repr(word), expected="name=value pairs, for example gpus_per_node=1"
            )
        found[name] = int(value) if value.isdigit() else value
    return found
