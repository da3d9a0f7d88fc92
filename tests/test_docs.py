"""What the documentation names is what the program has, and the README's commands run."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ptlib

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def made():
    """The script that makes the reference pages."""
    place = importlib.util.spec_from_file_location("make_docs", DOCS / "make.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


VERBS = made().verbs()


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_and_option_is_documented(words):
    section = (DOCS / "cli.md").read_text(encoding="utf-8").split(f"\n## {' '.join(words)}\n")
    assert len(section) == 2, "make docs/cli.md anew: python docs/make.py"
    told = section[1].split("\n## ")[0]
    flags = re.findall(r"--[a-z][a-z-]*", made().help_of(words))
    assert flags
    assert [flag for flag in flags if flag not in told] == []


def test_every_public_name_is_documented_as_it_is():
    told = (DOCS / "api.md").read_text(encoding="utf-8")
    for name in ptlib.__all__:
        if not name.startswith("__"):
            assert f"\n## {name}\n" in told
            first = (getattr(ptlib, name).__doc__ or "").strip().splitlines()[0].strip()
            assert first in told, name


def test_every_setting_is_documented():
    told = (DOCS / "settings.md").read_text(encoding="utf-8")
    files = [path for pattern in ("ptlib/**/*.py", "dashboard/**/*.py", "tests/**/*.py", "run.sh") for path in ROOT.glob(pattern)]
    used = {name for path in files for name in re.findall(r"PTLIB_[A-Z]+(?:_[A-Z]+)*", path.read_text(encoding="utf-8"))}
    assert sorted(name for name in used if f"`{name}`" not in told) == []


def test_no_setting_is_documented_that_is_not_there():
    everything = "\n".join(
        path.read_text(encoding="utf-8") for path in [*ROOT.glob("ptlib/**/*.py"), *ROOT.glob("tests/**/*.py"), ROOT / "run.sh"]
    )
    named = re.findall(r"`(PTLIB_[A-Z_]+)`", (DOCS / "settings.md").read_text(encoding="utf-8"))
    assert [name for name in named if name not in everything] == []


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in DOCS.glob("*.md"))])
def test_links_lead_somewhere(page):
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert "://" in target or (path.parent / target).exists(), target


def commands():
    """Command lines of the README and the how-to that need no network and no file of the reader's."""
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (DOCS / "how-to.md").read_text(encoding="utf-8")
    found = re.findall(r"\./run\.sh ptlib ([^`\n#]*)", text)
    return sorted({line.strip() for line in found})


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line):
    words = line.split()
    if words and words[0] in ("zoo", "import", "figure", "study"):
        known = {" ".join(one) for one in VERBS}
        assert {words[0], " ".join(words[:2])} & known
    elif "--help" not in words and "VERB" not in words:
        from ptlib import cli

        cli._parser().parse_args(words)


def test_the_notebook_examples_run(tmp_path, monkeypatch):
    """Python of the README and the how-to, in one process and on an empty cache."""
    blocks = [block for page in (ROOT / "README.md", DOCS / "how-to.md")
              for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)]  # fmt: skip
    assert len(blocks) >= 3
    code = "\n".join(blocks).replace("limit=100", "limit=4").replace('"zoo-64-s1", limit', '"zoo-64-s1", seeds=[0], limit')
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "PTLIB_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)})  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_no_two_pictures_of_the_guide_are_the_same():
    pictures = [path.read_bytes() for path in sorted((ROOT / "docs" / "screenshots").glob("*.png"))]
    assert len(set(pictures)) == len(pictures) > 10
