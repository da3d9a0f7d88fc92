"""Computed results on disk: SQLite for cells and runs, safetensors for arrays. Imports no torch.

Every result is kept under the hash of all that decides it (:mod:`ptlib.runs.plan`), is written at once when it is
finished, and can be computed again. Arrays are content-addressed: a file is named by the sha256 of its bytes, written
beside its place and renamed, and checked against its name when it is read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd

from ptlib.errors import StoreError

SCHEMA_VERSION = 3
SECOND = """
CREATE TABLE partials (
    key TEXT PRIMARY KEY, plm TEXT NOT NULL, prompt TEXT NOT NULL, task TEXT, task_digest TEXT, insertion TEXT,
    dtype TEXT, metric TEXT, value REAL, n INTEGER, total INTEGER, ci_low REAL, ci_high REAL, reason TEXT, width REAL,
    tensor TEXT, seconds REAL, tokens INTEGER, device TEXT, created REAL NOT NULL
);
CREATE TABLE probes (
    plm TEXT NOT NULL, device TEXT NOT NULL, dtype TEXT NOT NULL, speed REAL NOT NULL, agreement REAL NOT NULL,
    error REAL NOT NULL, n INTEGER NOT NULL, created REAL NOT NULL, PRIMARY KEY (plm, device, dtype)
);
ALTER TABLE results ADD COLUMN agreement REAL;
ALTER TABLE results ADD COLUMN checked INTEGER;
CREATE INDEX partials_task ON partials(task_digest, plm);
CREATE INDEX results_task ON results(task_digest, plm);
"""
THIRD = """
ALTER TABLE runs ADD COLUMN paused REAL;
ALTER TABLE runs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN engine TEXT NOT NULL DEFAULT 'local';
ALTER TABLE run_cells ADD COLUMN seconds REAL;
ALTER TABLE run_cells ADD COLUMN examples INTEGER;
ALTER TABLE run_cells ADD COLUMN device TEXT;
UPDATE run_cells SET seconds = max(finished - started, 0) WHERE state = 'done' AND started IS NOT NULL;
DROP TABLE workers;
CREATE TABLE workers (
    id TEXT PRIMARY KEY, pid INTEGER NOT NULL, boot TEXT NOT NULL, engine TEXT NOT NULL, device TEXT NOT NULL, started REAL NOT NULL,
    heartbeat REAL NOT NULL, doing TEXT, plms TEXT, memory INTEGER, memory_of INTEGER, peak_memory INTEGER
);
CREATE TABLE run_log (run_id TEXT NOT NULL REFERENCES runs(id), at REAL NOT NULL, line TEXT NOT NULL);
CREATE TABLE batch_slots (
    plm TEXT NOT NULL, device TEXT NOT NULL, dtype TEXT NOT NULL, width INTEGER NOT NULL, slots INTEGER NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (plm, device, dtype, width)
);
CREATE INDEX run_cells_next ON run_cells(run_id, state, position);
CREATE INDEX run_cells_batch ON run_cells(run_id, state, batch);
CREATE INDEX run_cells_recent ON run_cells(run_id, state, finished);
CREATE INDEX run_log_run ON run_log(run_id, at);
"""
SCHEMA = (
    """
CREATE TABLE results (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, plm TEXT NOT NULL, prompt TEXT NOT NULL, task TEXT, task_digest TEXT,
    split TEXT, limit_n INTEGER, insertion TEXT, dtype TEXT, metric TEXT, value REAL, n INTEGER, ci_low REAL,
    ci_high REAL, accuracy REAL, macro_f1 REAL, tensor TEXT, seconds REAL, tokens INTEGER, halvings INTEGER,
    device TEXT, created REAL NOT NULL
);
CREATE TABLE runs (
    id TEXT PRIMARY KEY, created REAL NOT NULL, title TEXT NOT NULL, asked_by TEXT NOT NULL, cancelled REAL
);
CREATE TABLE run_cells (
    run_id TEXT NOT NULL REFERENCES runs(id), key TEXT NOT NULL, position INTEGER NOT NULL, batch TEXT NOT NULL,
    spec TEXT NOT NULL, state TEXT NOT NULL, error TEXT, attempts INTEGER NOT NULL DEFAULT 0, worker TEXT,
    started REAL, finished REAL, PRIMARY KEY (run_id, key)
);
CREATE INDEX run_cells_state ON run_cells(state, position);
CREATE INDEX run_cells_key ON run_cells(key);
CREATE TABLE workers (
    id TEXT PRIMARY KEY, pid INTEGER NOT NULL, device TEXT NOT NULL, started REAL NOT NULL, heartbeat REAL NOT NULL,
    doing TEXT, peak_memory INTEGER
);
"""
    + SECOND
    + THIRD
)
MIGRATIONS = {1: SECOND, 2: THIRD}
"""Version -> what makes the next one of it."""
BUSY_SECONDS = 20

log = logging.getLogger("ptlib.store")


class Damaged(StoreError):
    """A stored array is not what was written; its results count as missing from now on."""


def default_cache() -> Path:
    """``PTLIB_CACHE``, or ``cache/`` beside the package."""
    return Path(os.environ.get("PTLIB_CACHE") or Path(__file__).parent.parent / "cache")


class Store:
    """One cache folder. Cheap to make; every call opens its own short-lived connection, so it may cross threads."""

    def __init__(self, folder: Path | str | None = None) -> None:
        """Opens or makes the cache (mode 0700).

        Raises:
            StoreError: the folder cannot be made or written, is shared with other users, or was made by a newer version.
        """
        self.folder = Path(folder) if folder is not None else default_cache()
        self.path = self.folder / "ptlib.sqlite"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.folder.stat().st_mode & stat.S_ISVTX:
                # Closing a folder such as /tmp to everyone else would break the machine.
                raise StoreError("the cache folder is shared with other users", where=self.folder,
                                 mend="Name a folder of its own in PTLIB_CACHE.")  # fmt: skip
            self.folder.chmod(0o700)
            with self.write() as db:
                version = db.execute("PRAGMA user_version").fetchone()[0]
                _migrate(db, version)
        except OSError as error:
            raise unusable("written", self.folder, error) from error
        if version > SCHEMA_VERSION:
            raise StoreError("the cache was made by a newer version", where=self.path, found=f"schema {version}",
                             expected=f"schema {SCHEMA_VERSION}", mend="Update, or name another folder in PTLIB_CACHE.")  # fmt: skip

    @contextmanager
    def _connection(self, use: str) -> Iterator[sqlite3.Connection]:
        db = None
        try:
            db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            yield db
        except sqlite3.Error as error:
            raise unusable(use, self.folder, error) from error
        finally:
            # Closing rolls back a transaction that did not come to its end.
            if db is not None:
                db.close()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for queries. Raises StoreError when the database fails."""
        with self._connection("read") as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start; all or nothing. Raises StoreError when the database fails."""
        with self._connection("written") as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def put(self, row: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps a finished result: its arrays first, then its row, so that a row never names a missing file."""
        found = {**row, "tensor": self.put_arrays(arrays), "created": time.time()}
        with self.write() as db:
            insert(db, "results", found)
            old = drop_partial(db, str(row["key"]))
        self.forget(old)

    def put_partial(self, row: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps a cell that has seen a part of its examples, or a training's last checkpoint; a finished result takes its place."""
        found = {**row, "tensor": self.put_arrays(arrays), "created": time.time()}
        with self.write() as db:
            old = drop_partial(db, str(row["key"]))
            insert(db, "partials", found)
        self.forget(old)

    def forget(self, tensor: str | None) -> None:
        """Removes a file of arrays that no row names any more: checkpoints would fill the disk."""
        if tensor is None:
            return
        with self.write() as db:
            named = any(
                db.execute(f"SELECT 1 FROM {table} WHERE tensor = ? LIMIT 1", [tensor]).fetchone() for table in ("results", "partials")
            )
            if not named:
                with suppress(OSError):
                    self._tensor(tensor).unlink(missing_ok=True)

    def partials(self, keys: Sequence[str]) -> pd.DataFrame:
        """Rows of cells that have seen a part of their examples, indexed by key; ``reason`` is empty where the cell was
        interrupted before it was clear."""
        names, rows = self._wanted(keys, "*", "partials")
        return pd.DataFrame(rows, columns=names).set_index("key")

    def partial_arrays(self, key: str) -> dict[str, np.ndarray] | None:
        """Arrays of a partial cell (rows, logits, predictions, labels), or None; a damaged one is dropped, to be read anew."""
        tensor = dict(self._wanted([key], "key, tensor", "partials")[1]).get(key)
        try:
            return None if tensor is None else self.arrays(tensor)
        except Damaged as error:
            log.warning("%s", error)
            with self.write() as db:
                db.execute("DELETE FROM partials WHERE tensor = ?", [tensor])
            return None

    def column(self, plm: str, task_digest: str, dtype: str, insertion: str) -> tuple[dict[str, str], dict[str, str]]:
        """Every score there is of one task on one PLM: prompt digest -> key, of results and of partial cells."""
        where = "WHERE task_digest = ? AND plm = ? AND dtype = ? AND insertion = ?"
        given = [task_digest, plm, dtype, insertion]
        # A score with neurons masked has the same prompt and task, and is no score of theirs.
        tables = ("results " + where + " AND kind = 'score'", "partials " + where)
        with self.read() as db:
            return tuple(dict(map(tuple, db.execute(f"SELECT prompt, key FROM {table}", given))) for table in tables)

    def put_arrays(self, arrays: Mapping[str, np.ndarray]) -> str:
        """Writes arrays to a file named by the sha256 of its bytes, and returns that name.

        Raises:
            StoreError: the file cannot be written.
        """
        from safetensors.numpy import save

        data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        digest = hashlib.sha256(data).hexdigest()
        path = self._tensor(digest)
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                _write_whole(path, data)
        except OSError as error:
            raise unusable("written", self.folder, error) from error
        return digest

    def arrays(self, digest: str) -> dict[str, np.ndarray]:
        """Arrays by name.

        Raises:
            Damaged: the file is missing or its bytes are not those that were written.
            StoreError: the file is there and cannot be read.
        """
        from safetensors.numpy import load

        path = self._tensor(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise Damaged("a stored array is missing", where=path, mend="Run its cells again.") from error
        except OSError as error:
            raise unusable("read", path, error) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise Damaged("a stored array was damaged", where=path, expected="the bytes its name stands for",
                          mend="Run its cells again; the damaged result is dropped.")  # fmt: skip
        return load(data)

    def result_arrays(self, key: str, tensor: str | None = None) -> dict[str, np.ndarray] | None:
        """Arrays of a result, or None where there is none. A damaged result is dropped, so that it is run again.

        ``tensor``: the name of its file, where the caller knows it from :meth:`present`.

        Raises:
            Damaged: the file is missing or broken; all results that name it are dropped.
            StoreError: the file cannot be read; nothing is dropped.
        """
        tensor = tensor or self.present([key]).get(key)
        if tensor is None:
            return None
        try:
            return self.arrays(tensor)
        except Damaged as error:
            log.warning("%s", error)
            with self.write() as db:
                db.execute("DELETE FROM results WHERE tensor = ?", [tensor])
            with suppress(OSError):
                self._tensor(tensor).unlink(missing_ok=True)
            raise

    def results(self, keys: Sequence[str]) -> pd.DataFrame:
        """Rows of the results that are there, indexed by key."""
        names, rows = self._wanted(keys, "*")
        return pd.DataFrame(rows, columns=names).set_index("key")

    def present(self, keys: Sequence[str]) -> dict[str, str]:
        """Those of the keys that have a result, with the name of its file of arrays."""
        return dict(self._wanted(keys, "key, tensor")[1])

    def _wanted(self, keys: Sequence[str], columns: str, table: str = "results") -> tuple[list[str], list[tuple]]:
        with self.read() as db:
            db.row_factory = None
            cursor = db.execute(f"SELECT {columns} FROM {table} WHERE key IN (SELECT value FROM json_each(?))", [json.dumps(list(keys))])
            return [column[0] for column in cursor.description], cursor.fetchall()

    def _tensor(self, digest: str) -> Path:
        return self.folder / "tensors" / digest[:2] / f"{digest}.safetensors"


def _migrate(db: sqlite3.Connection, version: int) -> None:
    todo = [SCHEMA] if version == 0 else [MIGRATIONS[old] for old in range(version, SCHEMA_VERSION)]
    for statement in ";".join(todo).split(";"):
        db.execute(statement)
    if version < SCHEMA_VERSION:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def drop_partial(db: sqlite3.Connection, key: str) -> str | None:
    """Deletes a cell's partial row; gives the name of its file, to be forgotten once that is committed."""
    row = db.execute("DELETE FROM partials WHERE key = ? RETURNING tensor", [key]).fetchone()
    return None if row is None else row[0]


def insert(db: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    """One row, in the place of another with its key."""
    db.execute(f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


TRANSIENT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What may pass without anybody changing names: the disk is full or read only for now."""


def unusable(use: str, place: Path, error: Exception) -> StoreError:
    """The sentence for a cache that cannot be used."""
    found = StoreError(f"the cache cannot be {use}", where=place, found=error,
                      mend="Make the folder writable, free disk space, or name another one in PTLIB_CACHE.")  # fmt: skip
    found.transient = not isinstance(error, OSError) or error.errno in TRANSIENT
    return found


def _write_whole(path: Path, data: bytes) -> None:
    # Threads and processes may write the same bytes at once: each has a part of its own.
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
