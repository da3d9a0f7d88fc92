"""What a worker does for cells beside scores and stimulations, a room a kind. Imports no torch.

Each room has ``evaluate(evaluator, plm, cell, batch, should_stop)``, which gives parcels: any number of "partial" ones without a
reason (what was reached; on resume ``batch.states[cell.key]`` has their last arrays) and a "result"; it raises
:class:`ptlib.transfer.forward.Stopped` when ``should_stop`` says so. Rooms of :data:`ptlib.runs.plan.ALONE` also have
``keep(cell, parcel)``, which puts what was made into the user's library.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ptlib.runs.evaluator import Evaluator
    from ptlib.runs.parcel import Batch, Parcel
    from ptlib.runs.plan import Cell


def _room(cell: Cell) -> Any:
    return importlib.import_module(f"ptlib.runs.kinds.{cell.kind}")


def evaluate(evaluator: Evaluator, plm: Any, cell: Cell, batch: Batch, should_stop: Callable[[], bool]) -> Iterator[Parcel]:
    """Parcels of one cell as they come. Raises PtlibError where it cannot be done, Stopped where it is to end."""
    yield from _room(cell).evaluate(evaluator, plm, cell, batch, should_stop)


def keep(cell: Cell, parcel: Parcel) -> None:
    """Puts what a finished cell made into the user's library; doing it twice changes nothing.

    Raises:
        StoreError: it cannot be written.
    """
    _room(cell).keep(cell, parcel)
