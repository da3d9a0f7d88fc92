"""The store's scores in memory, kept up to date by reading only what is new: what makes tables of a large store quick.

One snapshot serves all threads of a process. Imports no torch.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ptlib.store import Store, unusable

NUMBERS = ("value", "n", "ci_low", "ci_high", "seconds", "created", "total", "width")
WORDS = ("metric", "device", "stopped", "tensor")
COLUMNS = ["metric", "value", "n", "ci_low", "ci_high", "seconds", "device", "created", "stopped", "total"]
READ = {"results": "SELECT rowid, key, metric, device, '', tensor, value, n, ci_low, ci_high, seconds, created, n, NULL FROM results",
        "partials": "SELECT rowid, key, metric, device, reason, tensor, value, n, ci_low, ci_high, seconds, created, total, width FROM partials"}  # fmt: skip


class _Table:
    """Rows of one table, by key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.clear()

    def clear(self) -> None:
        self.place: dict[str, int] = {}
        self.numbers = np.full((1024, len(NUMBERS)), np.nan)
        self.words: list[tuple[str, ...]] = []
        self.last = 0

    def update(self, db: sqlite3.Connection) -> bool:
        """Whether anything changed. What was removed behind our back makes everything be read again."""
        count = db.execute(f"SELECT count(*) FROM {self.name}").fetchone()[0]
        changed = self._add(db.execute(f"{READ[self.name]} WHERE rowid > ? ORDER BY rowid", [self.last]).fetchall())
        if len(self.place) != count:
            self.clear()
            self._add(db.execute(f"{READ[self.name]} ORDER BY rowid").fetchall())
            return True
        return changed

    def _add(self, rows: list[tuple]) -> bool:
        while len(self.words) + len(rows) > len(self.numbers):
            self.numbers = np.concatenate([self.numbers, np.full_like(self.numbers, np.nan)])
        for rowid, key, *row in rows:
            at = self.place.get(key)
            if at is None:
                at = self.place[key] = len(self.words)
                self.words.append(())
            self.words[at] = tuple(word or "" for word in row[: len(WORDS)])
            self.numbers[at] = [np.nan if number is None else number for number in row[len(WORDS) :]]
            self.last = rowid
        return bool(rows)

    def places(self, keys: Sequence[str]) -> np.ndarray:
        """(keys,) row numbers, -1 where there is none."""
        get = self.place.get
        return np.fromiter((get(key, -1) for key in keys), dtype=np.int64, count=len(keys))


class Snapshot:
    """What a store holds of scores and of stimulations' files."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.version = 0
        """Raised whenever something changed."""
        self._results, self._partials = _Table("results"), _Table("partials")
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._seen: tuple | None = None

    def refresh(self) -> int:
        """Reads what is new; returns the version. Raises StoreError when the database fails.

        While another thread is at it, what was read last stands.
        """
        if not self._lock.acquire(blocking=self._seen is None):
            return self.version
        try:
            try:
                db = self._connection()
                seen = (self._file, db.execute("PRAGMA data_version").fetchone()[0])
                if seen != self._seen:
                    db.execute("BEGIN")
                    try:
                        # Not "or": both have to be read.
                        if self._results.update(db) | self._partials.update(db):
                            self.version += 1
                    finally:
                        db.execute("COMMIT")
                    self._seen = seen
            except (sqlite3.Error, OSError) as error:
                self._close()
                raise unusable("read", self.store.folder, error) from error
            return self.version
        finally:
            self._lock.release()

    def _connection(self) -> sqlite3.Connection:
        found = os.stat(self.store.path)
        file = (found.st_ino, found.st_dev)
        if self._db is None or file != self._file:
            self._close()
            # Kept open: only a connection that stays can tell cheaply whether anybody wrote.
            self._db = sqlite3.connect(
                f"file:{self.store.path}?mode=ro", uri=True, timeout=20, isolation_level=None, check_same_thread=False
            )
            self._file = file
            self._results.clear()
            self._partials.clear()
            self.version += 1
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db, self._seen = None, None

    def frame(self, keys: Sequence[str]) -> pd.DataFrame:
        """One row a key, in their order: :data:`COLUMNS`, NaN and "" where nothing is there. ``stopped``: why a cell was stopped early."""
        with self._lock:
            whole, part = self._results.places(keys), self._partials.places(keys)
            stopped = np.array([words[2] for words in self._partials.words] or [""], dtype=object)
            part[(whole >= 0) | (stopped[part] == "")] = -1
            numbers = np.full((len(keys), len(NUMBERS)), np.nan)
            words = np.full((len(keys), len(WORDS)), "", dtype=object)
            for table, places in ((self._results, whole), (self._partials, part)):
                there = places >= 0
                if there.any():
                    numbers[there] = table.numbers[places[there]]
                    words[there] = np.array(table.words, dtype=object)[places[there]]
        found = {name: numbers[:, NUMBERS.index(name)] if name in NUMBERS else words[:, WORDS.index(name)] for name in COLUMNS}
        for name in ("metric", "device"):
            found[name] = np.where(found[name] == "", None, found[name])
        return pd.DataFrame(found)

    def state(self, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each key whether it has a result, whether it was stopped early (and has none), and the width it was stopped at."""
        with self._lock:
            whole, part = self._results.places(keys) >= 0, self._partials.places(keys)
            reasons = np.array([words[2] != "" for words in self._partials.words] or [False])
            widths = self._partials.numbers[:, NUMBERS.index("width")]
            early = (part >= 0) & reasons[part]
            return whole, early & ~whole, np.where(early, widths[part], np.nan)

    def tensors(self, keys: Sequence[str]) -> list[str]:
        """File of arrays of each key's result; "" where there is none."""
        with self._lock:
            return [self._results.words[place][3] if place >= 0 else "" for place in self._results.places(keys)]
