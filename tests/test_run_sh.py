"""run.sh on machines where something is missing: a copy of it in a folder with a space, with stand-ins for python."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("bash", "dirname", "cksum", "cat", "df", "awk", "rm", "mkdir", "flock", "chmod", "cp")


@pytest.fixture
def place(tmp_path):
    """A clone in a folder with a space, and a PATH that holds the usual tools but no python."""
    root = tmp_path / "my clone"
    (root / "dashboard").mkdir(parents=True)
    for name in ("run.sh", "requirements.txt"):
        shutil.copy(ROOT / name, root / name)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    return root, tools


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)


def run(root, tools, *arguments, where=None, **env):
    return subprocess.run([str(root / "run.sh"), *arguments], cwd=where or root, env={"PATH": str(tools), "HOME": str(root), **env},
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip


def make_python(tools, version_ok=True, has_venv=True, pip_works=True):
    """A python that answers as told; the one in the virtual environment it makes writes its arguments to a file."""
    inside = tools / "python-in-venv"
    program(inside, f'echo "$@" >> "{tools}/calls"; exit {0 if pip_works else 1}')
    program(
        tools / "python3",
        f"""case "$*" in
  *version_info*) exit {0 if version_ok else 1} ;;
  --version) echo "Python 3.9.2" ;;
  *"import venv"*) exit {0 if has_venv else 1} ;;
  "-m venv"*) mkdir -p "$3/bin"; cp "{inside}" "$3/bin/python" ;;
esac""",
    )


def test_no_python(place):
    done = run(*place)
    assert done.returncode == 1
    assert "Python 3.11 or newer is missing" in done.stderr
    assert "python3-venv" in done.stderr


def test_old_python(place):
    make_python(place[1], version_ok=False)
    done = run(*place)
    assert "Python 3.11 or newer is missing (Python 3.9.2)" in done.stderr


def test_no_venv_module(place):
    make_python(place[1], has_venv=False)
    done = run(*place)
    assert done.returncode == 1
    assert "no venv module" in done.stderr


def test_no_disk(place):
    make_python(place[1])
    (place[1] / "df").unlink()
    program(place[1] / "df", "echo head; echo '/dev/x 100 90 1024 90% /'")
    done = run(*place)
    assert "not enough disk: 0 GB free" in done.stderr


def test_no_network_leaves_nothing_that_looks_installed(place):
    make_python(place[1], pip_works=False)
    done = run(*place)
    assert done.returncode == 1
    assert "packages could not be installed" in done.stderr
    assert "check the network" in done.stderr
    assert not (place[0] / ".venv" / ".installed").exists()


def test_installs_once_again_when_requirements_change_and_passes_options_on(place, tmp_path):
    root, tools = place
    make_python(tools)
    calls = tools / "calls"
    assert run(root, tools, "--server.port", "8600", where=tmp_path).returncode == 0
    first = calls.read_text()
    assert "pip install" in first
    assert "-m dashboard.serve --server.port 8600" in first
    calls.unlink()
    run(root, tools)
    assert "pip install" not in calls.read_text()
    (root / "requirements.txt").write_text("# changed\n")
    run(root, tools)
    assert "pip install" in calls.read_text()
    calls.unlink()
    run(root, tools, "ptlib", "plms", "--format", "csv")
    assert calls.read_text().strip() == "-m ptlib plms --format csv"


def test_unknown_command(place):
    make_python(place[1])
    done = run(*place, "tset")
    assert done.returncode == 2
    assert "unknown command 'tset'" in done.stderr


def test_the_cache_is_made_private(place):
    make_python(place[1])
    run(*place)
    assert os.stat(place[0] / "cache").st_mode & 0o777 == 0o700
