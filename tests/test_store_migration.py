"""Caches that earlier versions made: brought up with everything they held."""

import sqlite3

import pytest

from ptlib.runs import plan, progress, queue, select, tables
from ptlib.store import SCHEMA_VERSION, Store
from tests.hands import work

FIRST = """CREATE TABLE results (
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
"""As the first release made it; the second one added to it."""
SECOND = (
    FIRST
    + """CREATE TABLE partials (
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
)
RESULTS = ("key", "kind", "plm", "prompt", "task", "task_digest", "split", "limit_n", "insertion", "dtype", "metric", "value", "n", "ci_low", "ci_high",
           "accuracy", "macro_f1", "tensor", "seconds", "tokens", "halvings", "device", "created")  # fmt: skip


def old_cache(store, folder, schema, version):
    """A cache of an earlier schema that holds what a store holds, half of a run finished when its worker was killed."""
    folder.mkdir()
    with sqlite3.connect(folder / "ptlib.sqlite") as old:
        old.executescript(schema + f"PRAGMA user_version = {version};")
        old.execute("ATTACH ? AS new", [str(store.path)])
        names = ", ".join(RESULTS)
        old.execute(
            f"INSERT INTO results ({names}) SELECT {names} FROM new.results ORDER BY key LIMIT (SELECT count(*) / 2 FROM new.results)"
        )
        old.execute("INSERT INTO runs SELECT id, created, title, asked_by, NULL FROM new.runs")
        old.execute(
            "INSERT INTO run_cells SELECT run_id, key, position, batch, spec, CASE WHEN key IN (SELECT key FROM main.results) THEN 'done' "
            "ELSE 'running' END, NULL, 1, 'dead', 1000.0, CASE WHEN key IN (SELECT key FROM main.results) THEN 1000.5 END FROM new.run_cells"
        )
        old.execute("INSERT INTO workers VALUES ('dead', 1, 'cpu', 1000, 1000, '', 0)")
    old.close()
    (folder / "tensors").symlink_to(store.folder / "tensors")
    return folder


@pytest.mark.parametrize(("schema", "version"), [(FIRST, 1), (SECOND, 2)])
def test_an_old_cache_keeps_results_and_goes_on_with_its_run(store, library, tmp_path, schema, version):
    selection = select(library, limit=20)
    cells = plan(library, selection)
    run = queue.start(store, cells, "all", "test")
    work(store, library)
    expected = tables.scores(store, library, selection)

    found = Store(old_cache(store, tmp_path / "old", schema, version))
    with found.read() as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        shape = {
            row["name"]: row["sql"] for row in db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        }
    with store.read() as db:
        assert set(shape) == {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")}
    half = found.results([cell.key for cell in cells])
    assert len(half) == len(cells) // 2
    item = progress.progress(found, run)
    assert (item.done, item.running, item.total) == (len(half), len(cells) - len(half), len(cells))
    assert item.seconds == pytest.approx(0.5 * len(half))
    queue.bury(found)
    work(found, library)
    assert progress.progress(found, run).state == "done"
    assert (
        tables.scores(found, library, selection).drop(columns=["created", "seconds"]).equals(expected.drop(columns=["created", "seconds"]))
    )
    assert (found.results(list(half.index)).created == half.created).all(), "a finished cell was computed again"
