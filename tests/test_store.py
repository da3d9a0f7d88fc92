import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ptlib.errors import StoreError
from ptlib.store import Damaged, Store


def put(store, key="k", **more):
    store.put({"key": key, "kind": "score", "plm": "p", "prompt": "q", "value": 0.5, **more}, {"predictions": np.arange(5)})


def test_round_trip_in_another_instance(store):
    put(store)
    found = Store(store.folder)
    assert found.results(["k", "absent"]).value.to_dict() == {"k": 0.5}
    assert set(found.present(["k", "absent"])) == {"k"}
    assert found.result_arrays("k")["predictions"].tolist() == [0, 1, 2, 3, 4]
    assert found.result_arrays("absent") is None


def test_the_cache_is_private(store):
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def test_same_bytes_one_file(store):
    put(store, "a")
    put(store, "b")
    assert len(list(store.folder.glob("tensors/*/*.safetensors"))) == 1


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_damage_is_found_said_and_computed_again(store, damage):
    put(store)
    path = next(store.folder.glob("tensors/*/*.safetensors"))
    data = path.read_bytes()
    if damage == "truncate":
        path.write_bytes(data[:-3])
    elif damage == "flip":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        path.unlink()
    with pytest.raises(StoreError, match=r"missing|damaged"):
        store.result_arrays("k")
    assert store.present(["k"]) == {}
    put(store)
    assert store.result_arrays("k")["predictions"].size == 5


def test_a_failed_transaction_leaves_nothing(store):
    def broken():
        with store.write() as db:
            db.execute("INSERT INTO runs (id, created, title, asked_by) VALUES ('r', 0, 't', 'me')")
            raise KeyError("half way")

    with pytest.raises(KeyError):
        broken()
    with store.read() as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone()[0] == 0


def test_many_writers(store):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: put(store, f"k{number}"), range(64)))
    assert len(store.present([f"k{number}" for number in range(64)])) == 64


def test_unwritable_cache(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot be written.*PTLIB_CACHE"):
        Store(tmp_path / "file" / "cache")


def test_a_database_that_is_none(tmp_path):
    (tmp_path / "ptlib.sqlite").write_bytes(b"this is not a database, it is a text of some length" * 40)
    with pytest.raises(StoreError, match="cannot be written"):
        Store(tmp_path)


def test_newer_schema(store):
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"newer version.*schema 99"):
        Store(store.folder)


def test_damage_drops_every_result_of_the_file(store):
    put(store, "a")
    put(store, "b")
    next(store.folder.glob("tensors/*/*.safetensors")).write_bytes(b"")
    with pytest.raises(Damaged):
        store.result_arrays("a")
    assert not store.present(["a", "b"])


def test_a_file_that_cannot_be_read_is_not_taken_for_a_damaged_one(store):
    put(store)
    path = next(store.folder.glob("tensors/*/*.safetensors"))
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be read") as failure:
        store.result_arrays("k")
    assert not isinstance(failure.value, Damaged)
    assert "k" in store.present(["k"])


def test_a_full_disk_is_a_sentence_and_leaves_no_part(store, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot be written.*No space left"):
        put(store)
    assert not [path for path in store.folder.rglob("*") if path.suffix in (".part", ".safetensors")]
    assert not store.present(["k"])


def test_a_database_that_fails_later_is_a_sentence(store):
    with store.write() as db:
        db.execute("DROP TABLE results")
    with pytest.raises(StoreError, match=r"cannot be read.*no such table"):
        store.present(["k"])


def test_a_shared_folder_is_refused_and_stays_open(tmp_path):
    tmp_path.chmod(0o1777)
    with pytest.raises(StoreError, match="shared with other users"):
        Store(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777
