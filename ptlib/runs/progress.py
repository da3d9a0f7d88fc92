"""How far runs are, and what went wrong in them. Imports no torch.

Everything is asked of indexes: a run of a hundred thousand cells answers in milliseconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from ptlib.errors import RunError
from ptlib.runs.plan import Cell
from ptlib.store import Store

OPEN = ("queued", "running", "paused")
RECENT = 400
"""Finished cells that rate and time left are told from."""
NORMAL = 1.96
UNSEEN_SPREAD = 0.5
"""Relative spread assumed between tasks while only one has been seen."""


class Progress(NamedTuple):
    """How far a run is."""

    run_id: str
    title: str
    state: str
    """"queued", "running", "paused", "done", "failed" (some cells), "cancelled"."""
    total: int
    done: int
    failed: int
    cancelled: int
    running: int
    rate: float
    """Cells a second while cells are evaluated, pauses and loading left out; 0 before the first is finished."""
    examples_rate: float
    """Examples a second, as ``rate``."""
    seconds_left: float | None
    """Unknown before the first score is finished."""
    seconds_spread: float
    """Half the width of the 95 % interval of ``seconds_left``, from how cells differ within and between tasks."""
    doing: tuple[str, ...]
    """What workers are at, a line each."""
    ahead: int
    """Cells of other runs that come before this one's next."""
    priority: int
    engine: str
    asked_by: str
    created: float
    seconds: float
    """Spent on cells that this run's workers evaluated; others were finished for another run."""

    @property
    def open(self) -> bool:
        """Whether anything is still to come."""
        return self.state in OPEN

    @property
    def ended(self) -> int:
        """Cells that nothing more happens to."""
        return self.done + self.failed + self.cancelled


def any_open(store: Store) -> bool:
    """Whether anything is queued or running, or held by a pause."""
    with store.read() as db:
        return db.execute("SELECT 1 FROM run_cells WHERE state IN ('queued', 'running') LIMIT 1").fetchone() is not None


def to_do(store: Store) -> set[str]:
    """Engines that runs wait for, paused ones left out."""
    with store.read() as db:
        rows = db.execute("SELECT DISTINCT engine FROM runs WHERE (paused IS NULL AND EXISTS (SELECT 1 FROM run_cells WHERE run_id = runs.id "
                          "AND state = 'queued')) OR EXISTS (SELECT 1 FROM run_cells WHERE run_id = runs.id AND state = 'running')")  # fmt: skip
        return {row[0] for row in rows}


def progress(store: Store, run_id: str) -> Progress:
    """How far one run is. Raises RunError for an unknown run."""
    found = _progress(store, "WHERE id = ?", [run_id])
    if not found:
        raise RunError(f"no run {run_id!r}", where=store.path, mend="List them with: ptlib runs list")
    return found[0]


def all_progress(store: Store, most: int | None = None) -> list[Progress]:
    """Every run, or the latest ``most``, newest first."""
    return _progress(store, "ORDER BY created DESC LIMIT ?", [-1 if most is None else most])


def open_runs(store: Store) -> list[Progress]:
    """Runs with anything still to come, newest first."""
    return _progress(
        store, "WHERE id IN (SELECT DISTINCT run_id FROM run_cells WHERE state IN ('queued', 'running')) ORDER BY created DESC", []
    )


def _progress(store: Store, which: str, values: Sequence[object]) -> list[Progress]:
    with store.read() as db:
        # One moment for all that is asked.
        db.execute("BEGIN")
        runs = db.execute(f"SELECT * FROM runs {which}", list(values)).fetchall()
        return [_of(db, run) for run in runs]


def _of(db, run) -> Progress:
    counts = dict(map(tuple, db.execute("SELECT state, count(*) FROM run_cells WHERE run_id = ? GROUP BY state", [run["id"]])))
    queued, running = counts.get("queued", 0), counts.get("running", 0)
    if not queued and not running:
        state = "failed" if counts.get("failed") else "cancelled" if counts.get("cancelled") else "done"
    else:
        state = "running" if running else "paused" if run["paused"] else "queued"
        state = "running" if state == "queued" and counts.get("done") else state
    hands, doing = (0, ()) if not running else _hands(db, run["id"])
    spent = db.execute("SELECT total(seconds) FROM run_cells WHERE run_id = ? AND state = 'done'", [run["id"]]).fetchone()[0]
    recent = pd.DataFrame(
        map(tuple, db.execute("SELECT batch, seconds, examples FROM run_cells WHERE run_id = ? AND state = 'done' AND seconds IS NOT NULL "
                              "ORDER BY finished DESC LIMIT ?", [run["id"], RECENT])), columns=["batch", "seconds", "examples"],
    )  # fmt: skip
    busy, width = float(recent.seconds.sum()), max(1, hands)
    left, spread = _left(db, run["id"], recent, width) if queued or running else (0.0, 0.0)
    return Progress(
        run["id"], run["title"], state, sum(counts.values()), counts.get("done", 0), counts.get("failed", 0), counts.get("cancelled", 0),
        running, width * len(recent) / busy if busy > 0 else 0.0,
        width * float(recent.examples.fillna(0).sum()) / busy if busy > 0 else 0.0, left, spread, doing,
        _ahead(db, run) if queued and not running else 0, run["priority"], run["engine"], run["asked_by"], run["created"], spent,
    )  # fmt: skip


def _hands(db, run_id: str) -> tuple[int, tuple[str, ...]]:
    rows = db.execute("SELECT doing FROM workers WHERE id IN (SELECT DISTINCT worker FROM run_cells WHERE run_id = ? AND state = 'running')",
                      [run_id]).fetchall()  # fmt: skip
    places = [(json.loads(row["doing"]) if row["doing"] else {}) for row in rows]
    return max(1, sum(place.get("hands", 1) for place in places)), tuple(place["words"] for place in places if "words" in place)


def _ahead(db, run) -> int:
    return db.execute(
        "SELECT count(*) FROM runs JOIN run_cells ON run_id = runs.id WHERE state IN ('queued', 'running') AND paused IS NULL AND engine = ? "
        "AND runs.id != ? AND (priority > ? OR (priority = ? AND created < ?))",
        [run["engine"], run["id"], run["priority"], run["priority"], run["created"]],
    ).fetchone()[0]  # fmt: skip


def _left(db, run_id: str, recent: pd.DataFrame, hands: int) -> tuple[float | None, float]:
    """Seconds left and half the width of their 95 % interval. Batches of a kind whose like was never seen make it unknown;
    tasks not seen yet are expected to be like the others of the kind, and to differ among themselves as those do."""
    rows = db.execute("SELECT batch, count(*) FROM run_cells WHERE run_id = ? AND state IN ('queued', 'running') GROUP BY batch", [run_id])
    seen = recent.groupby("batch").seconds.agg(["mean", "var", "count"])
    total = variance = 0.0
    for batch, count in map(tuple, rows):
        alike = seen[[_kind(name) == _kind(batch) for name in seen.index]]
        if alike.empty:
            return None, 0.0
        if batch in seen.index:
            mean, within, between = seen["mean"][batch], seen["var"][batch], 0.0
            count_seen = seen["count"][batch]
        else:
            mean, within, count_seen = alike["mean"].mean(), alike["var"].mean(), len(alike)
            between = alike["mean"].var() if len(alike) > 1 else (UNSEEN_SPREAD * mean) ** 2
        within = 0.0 if within != within else within
        total += count * mean
        variance += count * within + count**2 * (between + within / count_seen)
    return total / hands, NORMAL * math.sqrt(variance) / hands


def _kind(batch: str) -> str:
    # A stimulation takes a small part of a score's time.
    return batch.split(" ")[1]


def errors(store: Store, run_id: str) -> pd.DataFrame:
    """Failed cells of a run: spec (JSON), error, attempts."""
    with store.read() as db:
        rows = db.execute("SELECT spec, error, attempts FROM run_cells WHERE run_id = ? AND state = 'failed' ORDER BY position", [run_id])
        return pd.DataFrame([tuple(row) for row in rows], columns=["spec", "error", "attempts"])


def log_of(store: Store, run_id: str, most: int = 500) -> list[tuple[float, str]]:
    """A run's log, oldest first: when (unix time) and what; the latest ``most`` lines."""
    with store.read() as db:
        rows = db.execute("SELECT at, line FROM run_log WHERE run_id = ? ORDER BY rowid DESC LIMIT ?", [run_id, most]).fetchall()
    return [tuple(row) for row in rows][::-1]


def cells_of(store: Store, run_id: str) -> list[Cell]:
    """All cells of a run, in order."""
    with store.read() as db:
        return [Cell.from_spec(row[0]) for row in db.execute("SELECT spec FROM run_cells WHERE run_id = ? ORDER BY position", [run_id])]
