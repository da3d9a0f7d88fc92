"""The walls of the house (design.md, 3), and what must never be in it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_layers():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", ["run.sh", ".ci/run"])
def test_scripts_parse_and_can_be_run(script):
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)
    assert (ROOT / script).stat().st_mode & 0o111


def test_nothing_unsafe_is_called():
    # Written in two parts, so that this file does not find itself.
    words = [
        "unsafe_allow" + "_html",
        "weights_only" + "=False",
        "trust_remote_code" + "=True",
        "pickle" + ".load",
        "shell" + "=True",
        "0.0" + ".0.0",
    ]
    for path in tracked():
        if path.suffix in (".py", ".sh", ".toml"):
            text = path.read_text(encoding="utf-8")
            assert not [word for word in words if word in text], path


def test_nothing_large_and_no_absolute_path_is_tracked():
    for path in tracked():
        assert path.stat().st_size < 20e6, path
        if path.suffix in (".py", ".sh", ".toml", ".md") and path != Path(__file__):
            assert not re.search(r"/work/|/home/|pypi\.org", path.read_text(encoding="utf-8")), path


def test_requirements_are_pinned():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert not line or line.startswith("#") or re.fullmatch(r"[a-z-]+==[\d.]+", line), line


def test_streamlit_settings_exist():
    import tomllib

    from streamlit import config

    known = set(config.get_config_options())
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())

    def names(table, prefix=""):
        for key, value in table.items():
            yield from names(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]

    assert set(names(settings)) <= known
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["client"]["showErrorDetails"] == "none"
    assert settings["browser"]["gatherUsageStats"] is False
