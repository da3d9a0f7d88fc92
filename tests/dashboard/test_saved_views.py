"""Views kept in the user's folder: names of any kind, damage, and a folder that cannot be written."""

import os

import pytest

from dashboard import saved_views
from ptlib.errors import StoreError

NAMES = ["a", "../../etc/passwd", "<script>alert(1)</script>", "=HYPERLINK(1)", "**bold** $x$ `y`", "\u05e9\u05dc\u05d5\u05dd", "\U0001f469\u200d\U0001f52c zoo",
         'quotes " and \\ back', "x" * 300, "CON", "."]  # fmt: skip


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "ptlib" / "views"


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_kept_and_nothing_is_written_elsewhere(home, tmp_path, name):
    view = saved_views.save(name, "transfer", "tasks=films&cell=meals~pairs")
    assert view.name == saved_views.clean(name) == name[:80]
    assert saved_views.saved() == ([view], [])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == list(home.glob("*.toml"))


def test_names_lose_what_cannot_be_seen():
    assert saved_views.clean("  a\n\tb\u202e\u200b\x00c  ") == "a bc"
    assert saved_views.clean("e\u0301") == "\u00e9"
    for empty in ("", " \n", "\u202e\u200b"):
        with pytest.raises(StoreError, match="needs a name"):
            saved_views.save(empty, "", "")


def test_a_name_is_taken_once_renamed_and_deleted():
    first = saved_views.save("one", "", "n=25")
    with pytest.raises(StoreError, match="there already"):
        saved_views.save("one", "", "n=100")
    assert saved_views.save("one", "", "n=100", over=True).query == "n=100"
    saved_views.save("two", "runs", "")
    with pytest.raises(StoreError, match="there already"):
        saved_views.rename("one", "two")
    assert saved_views.rename("one", "One ")[:3] == ("One", "", "n=100")
    assert [view.name for view in saved_views.saved()[0]] == ["One", "two"]
    saved_views.delete("One")
    saved_views.delete("One")
    assert [view.name for view in saved_views.saved()[0]] == ["two"]
    with pytest.raises(StoreError, match="cannot be read"):
        saved_views.rename("One", "three")
    assert first.saved.endswith("+00:00")


@pytest.mark.parametrize(
    "text",
    ["", "name = 1", "\x00", 'name = "a"\npage = "../x"\nquery = ""\nsaved = ""', 'name = "a\\u202e"\npage = ""\nquery = ""\nsaved = ""'],
)
def test_damage_is_told_and_the_others_stay(home, text):
    kept = saved_views.save("kept", "transfer", "")
    (home / "broken.toml").write_text(text)
    views, refused = saved_views.saved()
    assert views == [kept]
    assert "cannot be read" in refused[0].reason


def test_a_query_is_only_ever_a_query():
    view = saved_views.save("odd", "transfer", "tasks=a b&cell=\"><script>&=x&plm='javascript:alert(1)'")
    assert view.query == "tasks=a+b&cell=%22%3E%3Cscript%3E&=x&plm=%27javascript%3Aalert%281%29%27"


def test_a_folder_that_cannot_be_written(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", os.devnull)
    assert saved_views.saved() == ([], [])
    with pytest.raises(StoreError, match="cannot be written"):
        saved_views.save("one", "", "")
