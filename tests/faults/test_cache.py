"""A cache that fails: full, read only, locked, damaged; a clock that is set back; data that changes under a run."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from ptlib.errors import StoreError
from ptlib.library import Library
from ptlib.runs import api, lane, plan, progress, queue, score_cells, select, supervise, tables
from ptlib.store import Store
from tests.sessions import Session, server

EXAMPLES = range(20, 60, 8)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 32 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(place)], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a tmpfs here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def many(library):
    return [cell for limit in EXAMPLES for cell in score_cells(library, select(library, limit=limit))]


def fill(path):
    """Takes every byte that is left."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 4096)


def trouble(store):
    return " ".join(sentence for _, sentence in lane.troubles(store.folder))


def test_a_full_disk_stops_nothing_that_is_finished_and_goes_on_when_there_is_room(small_disk, library, until, same_as_local, tiny_library):
    store = Store(small_disk / "cache")
    cells = many(library)
    run = queue.start(store, cells, "all", "test")
    supervise.ensure_worker(store)
    until(lambda: progress.progress(store, run).done >= 3)
    filler = small_disk / "filler"
    fill(filler)
    told = until(lambda: trouble(store), 30)
    assert "cache cannot be written" in told
    assert "Nothing finished is lost" in told
    before = store.results([cell.key for cell in cells])
    filler.unlink()
    assert api.wait(store, run).done == len(cells)
    after = store.results(list(before.index))
    assert (after.created == before.created).all()
    with store.read() as db:
        assert db.execute("SELECT max(attempts) FROM run_cells").fetchone()[0] == 1, (
            "what was finished while the disk was full was kept in memory"
        )
    assert until(lambda: not trouble(store))
    same_as_local(store, cells)


def test_a_read_only_cache_is_a_sentence_and_its_results_can_be_seen(tmp_path, library, tiny_library):
    store = Store(tmp_path / "cache")
    (store.folder / "logs").mkdir()
    if subprocess.run(["mount", "--bind", str(store.folder), str(store.folder)], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(store.folder)], check=True)
        with pytest.raises(StoreError, match="cannot be written"):
            Store(store.folder)
        environment = {"PTLIB_CACHE": str(store.folder), "PTLIB_LIBRARY": str(tiny_library)}
        done = subprocess.run([sys.executable, "-m", "ptlib", "runs", "start", "--plm", "tiny-1"], capture_output=True, text=True, check=False,
                              env={**os.environ, **environment}, timeout=60)  # fmt: skip
        assert done.returncode == 2
        assert "the cache cannot be" in done.stderr
        assert "Traceback" not in done.stderr
        with server(tmp_path, environment) as (port, _):
            session = Session(port, 0, 1.0)
            session.start()
            end = time.monotonic() + 60
            while not session.visits and time.monotonic() < end:
                time.sleep(0.1)
            assert session.visits[0].errors == 1, "one sentence, on the page"
            assert "cannot be written" in " ".join(session._words)
            session.stop.set()
    finally:
        subprocess.run(["umount", "-l", str(store.folder)], check=True)
    assert Store(store.folder)


def test_a_database_locked_for_longer_than_the_patience_costs_only_time(store, library, until, monkeypatch, same_as_local):
    cells = many(library)
    run = queue.start(store, cells, "all", "test")
    supervise.ensure_worker(store)
    until(lambda: progress.progress(store, run).done >= 3)
    first = supervise.started_here(store)[0]
    with sqlite3.connect(store.path, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        # Longer than the store waits (20 s), and than a worker may be silent (15 s).
        end, told = time.monotonic() + 26, ""
        while time.monotonic() < end:
            told = told or trouble(store)
            time.sleep(0.2)
        db.execute("ROLLBACK")
    assert "database is locked" in told
    assert api.wait(store, run).done == len(cells)
    assert first.poll() is None, "a worker that waits is not taken for dead"
    with store.read() as db:
        assert db.execute("SELECT max(attempts) FROM run_cells").fetchone()[0] == 1
    same_as_local(store, cells)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: b""])
def test_a_damaged_tensor_file_is_never_read_and_made_again(store, library, cells, damage):
    run = queue.start(store, cells, "all", "test")
    api.wait(store, run)
    key = cells[-1].key
    row = store.results([key]).iloc[0]
    path = store.folder / "tensors" / row.tensor[:2] / f"{row.tensor}.safetensors"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with pytest.raises(StoreError, match="damaged"):
        store.result_arrays(key)
    gone = tables.missing(store, cells)
    assert key in {cell.key for cell in gone}
    api.complete(store, cells, "again", "test")
    assert path.read_bytes() == whole


def test_a_clock_that_is_set_back_and_forth_kills_no_worker(store, library, until, monkeypatch):
    """Heartbeats are told in time since the machine started; setting the wall clock needs a machine of one's own, so the watching process's
    clock is the one that is moved."""
    cells = many(library)
    run = queue.start(store, cells, "all", "test")
    supervise.ensure_worker(store)
    until(lambda: progress.progress(store, run).done >= 3)
    first, real = supervise.started_here(store)[0], time.time
    for hours in (-24, 24):
        monkeypatch.setattr(time, "time", lambda hours=hours: real() + 3600 * hours)
        for _ in range(5):
            supervise.keep_going(store)
            item = progress.progress(store, run)
            assert item.rate >= 0
            assert item.seconds_left is None or item.seconds_left >= 0
            time.sleep(0.1)
    monkeypatch.setattr(time, "time", real)
    assert api.wait(store, run).state == "done"
    assert first.poll() is None
    assert len(supervise.started_here(store)) == 1


def test_a_task_edited_during_the_run_fails_its_cells_and_no_other(store, tiny_library, tmp_path, monkeypatch, until):
    folder = tmp_path / "library"
    shutil.copytree(tiny_library, folder)
    monkeypatch.setenv("PTLIB_LIBRARY", str(folder))
    library = Library.open([folder])
    cells = plan(library, select(library))
    run = queue.start(store, cells, "all", "test")
    last = [cell for cell in cells if cell.task == cells[-1].task]
    data = folder / "tasks" / "data" / cells[-1].task / "test.jsonl"
    data.write_text("\n".join(data.read_text().splitlines()[:-1]) + "\n")
    item = api.wait(store, run)
    assert (item.failed, item.done) == (len(last), len(cells) - len(last))
    told = progress.errors(store, run).error
    assert told.str.contains("data changed since the run was planned").all()
    again = plan(Library.open([folder]), select(Library.open([folder])))
    assert len(tables.missing(store, again)) == len(last), "the new data's cells are other cells"
    api.complete(store, again, "again", "test")
