"""Which precision a PLM runs in where the user leaves the choice: what a short test on its device found. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.store import Store

AUTO = "auto"
FASTER, AGREES = 1.1, 0.97
"""Half precision is chosen where it is this many times as fast and answers this share alike."""


class Tested(NamedTuple):
    """What is known of a precision on a device."""

    device: str
    dtype: str
    speed: float
    agreement: float
    error: float
    n: int

    def words(self) -> str:
        """A sentence."""
        return (f"{self.dtype} is {self.speed:.1f} times as fast as float32 on {self.device} and answers {self.agreement:.0%} of {self.n} "
                f"examples alike.")  # fmt: skip


def tested(store: Store, plm: str) -> list[Tested]:
    """Tests of a PLM (by fingerprint), newest first."""
    with store.read() as db:
        rows = db.execute("SELECT device, dtype, speed, agreement, error, n FROM probes WHERE plm = ? ORDER BY created DESC", [plm])
        return [Tested(*row) for row in rows]


def best(tests: Sequence[Tested]) -> str:
    """The precision that the newest of some tests speaks for: half where it is faster and in agreement, otherwise float32."""
    last = tests[:1]
    return last[0].dtype if last and last[0].speed >= FASTER and last[0].agreement >= AGREES else "float32"


def chosen(store: Store, plm: str) -> str:
    """The precision for a PLM (by fingerprint) where the user leaves the choice."""
    return best(tested(store, plm))


def try_out(store: Store, library: Library, plm_id: str, device: str | None = None, dtype: str = "bfloat16") -> Tested:
    """Times a PLM in single and half precision on one of its tasks, and keeps what was found.

    Raises:
        RunError: a PLM without a trained prompt or a task to try it on. PlmError: weights that do not load or fit.
    """
    from ptlib.plms.load import load

    info = library.plm(plm_id)
    prompt, task = material(library, plm_id)
    exact, other = (load(info, device=device, dtype=name) for name in ("float32", dtype))
    return keep(store, info.fingerprint, measure(exact, other, prompt, task))


def keep(store: Store, plm: str, tested: Tested) -> Tested:
    """Keeps what was found of a PLM (by fingerprint)."""
    with store.write() as db:
        db.execute("INSERT OR REPLACE INTO probes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [plm, *tested, time.time()])
    return tested


def measure(exact: Any, other: Any, prompt: Any, task: Any) -> Tested:
    """Tests a PLM that is loaded in single and in another precision."""
    from ptlib.transfer.precision import probe

    found = probe(exact, other, prompt, task)
    return Tested(exact.device, found.dtype, found.speed, found.agreement, found.error, found.n)


def material(library: Library, plm_id: str) -> tuple[Any, Any]:
    """A prompt and the task it was trained on, whose answers are classes."""
    for entry in library.prompts(plm_id, ("trained",)):
        if (
            entry.task in library.tasks_for(plm_id)
            and not (task := library.task(entry.task).for_family(library.plm(plm_id).family)).generates
        ):
            return entry.load(), task
    raise RunError("no prompt and task to try a precision with", where=plm_id, mend="Fetch the data of one of its prompts' tasks.")
