import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ptlib import cli
from ptlib.runs import progress, supervise
from ptlib.store import Store
from tests.hands import end_started


@pytest.fixture(autouse=True)
def surroundings(request, monkeypatch, tiny_library, tmp_path_factory):
    """The zoo's commands on the tiny library; one cache for all tests of a file."""
    import ptlib.library

    monkeypatch.setattr(ptlib.library, "ZOO", tiny_library)
    monkeypatch.setenv("PTLIB_LIBRARY", str(tiny_library))
    monkeypatch.setenv("PTLIB_CACHE", str(tmp_path_factory.getbasetemp() / f"cache-{request.module.__name__}"))
    yield
    end_started()


def run(capsys, *arguments):
    code = cli.main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_shelves(capsys):
    code, out, _ = run(capsys, "plms", "--format", "json")
    assert code == 0
    assert json.loads(out)[0]["id"] == "tiny-1"
    code, out, _ = run(capsys, "prompts", "--format", "csv")
    assert len(out.splitlines()) == 11
    code, out, _ = run(capsys, "tasks")
    assert "films" in out
    assert "negative positive" in out


def test_transfer_neurons_correlate_project_and_runs(capsys):
    code, out, err = run(capsys, "transfer", "--limit", "10", "--format", "json")
    assert code == 0, err
    rows = {row["source"]: row for row in json.loads(out)}
    assert set(rows) == {"films", "meals", "pairs", "doubles", "random prompts", "no prompt"}
    assert all(0 <= value <= 1 for row in rows.values() for name, value in row.items() if name != "source")
    code, out, _ = run(capsys, "neurons", "--format", "csv", "--layers", "1", "3")
    assert code == 0
    assert len(out.splitlines()) == 8 * 7 // 2 + 1
    code, out, _ = run(capsys, "correlate", "--limit", "10", "--format", "json")
    assert {row["name"] for row in json.loads(out)} >= {"ON", "same_type"}
    code, out, err = run(capsys, "project", "--format", "csv")
    assert len(out.splitlines()) == 9
    assert "PCA" in err
    code, out, _ = run(capsys, "runs", "list", "--format", "json")
    assert {row["state"] for row in json.loads(out)} == {"done"}
    assert np.isfinite(json.loads(out)[0]["cells/s"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["transfer", "--plm", "absent"], "no PLM 'absent'"),
        (["transfer", "--tasks", "absent"], "no task 'absent'"),
        (["transfer", "--sources", "absent"], "no task 'absent'"),
        (["transfer", "--limit", "0"], "leaves no rows"),
        (["transfer", "--seeds", "9"], "no prompt of seed 9 (expected seeds 0, 1)"),
        (["correlate", "--seeds", "9"], "no prompt of seed 9"),
        (["correlate", "--layers", "9"], "expected 1 to 3"),
        (["neurons", "--seeds", "0", "9"], "no prompt of seed 9"),
        (["project", "--seeds", "9"], "no prompt of seed 9"),
        (["runs", "show"], "needs the id"),
        (["runs", "cancel", "absent"], "no run 'absent'"),
        (["runs", "cancel"], "needs the id"),
        (["neurons", "--layers", "9"], "no such layer"),
        (["neurons", "--layers", "0"], "count from 1"),
        (["zoo", "absent"], "unknown zoo command"),
        (["correlate", "--sources", "films"], "same tasks"),
    ],
)
def test_errors_are_a_sentence(capsys, arguments, sentence):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err


def test_help_of_every_verb():
    done = subprocess.run([sys.executable, "-m", "ptlib", "--help"], capture_output=True, text=True, check=True)
    for verb in ("plms", "prompts", "tasks", "transfer", "neurons", "correlate", "project", "runs", "zoo"):
        assert verb in done.stdout
        with pytest.raises(SystemExit) as leaving:
            cli.main([verb, "--help"])
        assert leaving.value.code == 0


def test_start_does_not_wait_and_cancel_does(capsys):
    code, out, err = run(capsys, "runs", "start", "--limit", "11", "--tasks", "films", "--json")
    assert code == 0, err
    started = json.loads(out)[0]
    assert started["total"] >= 11
    code, out, _ = run(capsys, "runs", "cancel", started["id"], "--json")
    assert code == 0
    assert json.loads(out)[0]["state"] in ("cancelled", "done")
    code, out, _ = run(capsys, "runs", "resume", started["id"], "--wait", "--json")
    assert json.loads(out)[0]["state"] == "done"


def test_broken_data_is_said_beside_the_other_tasks(capsys, tiny_library, tmp_path, monkeypatch):
    shutil.copytree(tiny_library, tmp_path / "library")
    (tmp_path / "library/tasks/data/films/test.jsonl").write_text("")
    monkeypatch.setattr("ptlib.library.ZOO", tmp_path / "library")
    monkeypatch.setenv("PTLIB_LIBRARY", "")
    code, out, err = run(capsys, "tasks", "--csv")
    assert code == 0
    assert [line.split(",")[0] for line in out.splitlines()[:6]] == ["name", "doubles", "films", "meals", "pairs", "imdb"]
    assert "films" in err


def test_what_failed_does_not_hide_the_rest(capsys, tiny_library, tmp_path, monkeypatch):
    shutil.copytree(tiny_library, tmp_path / "library")
    path = tmp_path / "library/prompts/tiny-1/meals-s0.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + bytes(4))
    monkeypatch.setattr("ptlib.library.ZOO", tmp_path / "library")
    monkeypatch.setenv("PTLIB_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setenv("PTLIB_CACHE", str(tmp_path / "cache"))
    code, out, err = run(capsys, "transfer", "--limit", "9", "--tasks", "films", "--seeds", "0", "--json")
    assert code == 2
    rows = {row["source"]: row["films"] for row in json.loads(out)}
    assert rows["meals"] is None
    assert rows["films"] is not None
    assert "meals-s0" in err
    assert "ptlib runs show" in err


def test_ctrl_c_cancels_and_says_so(tiny_library, tmp_path):
    surroundings = {**os.environ, "PTLIB_LIBRARY": str(tiny_library), "PTLIB_CACHE": str(tmp_path / "cache")}
    # A shell's background jobs ignore Ctrl-C, and so would this process when the tests are run as one.
    process = subprocess.Popen([sys.executable, "-m", "ptlib", "transfer", "--plm", "tiny-1", "--tasks", "films", "meals", "pairs", "doubles"],
                               env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # fmt: skip
    store = Store(tmp_path / "cache")
    end = time.monotonic() + 60
    while not any(item.running for item in progress.all_progress(store)) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "what was finished is kept" in err
    assert progress.all_progress(store)[0].state == "cancelled"
    for worker in supervise.workers(store):
        os.kill(worker["pid"], signal.SIGKILL)
