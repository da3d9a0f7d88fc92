import json
import subprocess
import sys

import numpy as np
import pytest

from ptlib import cli
from ptlib.runs import supervise


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tiny_library, tmp_path_factory):
    """The zoo's commands on the tiny library; one cache for all tests of this file."""
    import ptlib.library

    monkeypatch.setattr(ptlib.library, "ZOO", tiny_library)
    monkeypatch.setenv("PTLIB_LIBRARY", str(tiny_library))
    monkeypatch.setenv("PTLIB_CACHE", str(tmp_path_factory.getbasetemp() / "cli-cache"))
    yield
    for process in supervise._started.values():
        process.kill()
        process.wait()
    supervise._started.clear()


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
