"""Views kept under a name in the user's own folder, one small TOML file each; no streamlit."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import tomllib
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from ptlib.errors import Refused, StoreError
from ptlib.library import user_folder

LONGEST_NAME = 80
LONGEST_QUERY = 4000
PAGE = re.compile(r"[a-z0-9_-]{0,64}")


class SavedView(NamedTuple):
    """A page with everything that was picked on it."""

    name: str
    page: str
    """Its path in the address; empty for the first page."""
    query: str
    """What follows the question mark."""
    saved: str
    """When, ISO 8601 in UTC."""


def folder() -> Path:
    """Where they lie: not in the cache, which may be deleted at any time."""
    return user_folder() / "views"


def clean(name: str) -> str:
    """The name as it is kept: one line without characters that cannot be seen or that turn the text around, 80 at most."""
    text = unicodedata.normalize("NFC", " ".join(name.split()))
    # Cf without the two joiners that scripts and emoji need.
    kept = (mark for mark in text if mark in "\u200c\u200d" or unicodedata.category(mark) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return " ".join("".join(kept).split())[:LONGEST_NAME].strip()


def saved() -> tuple[list[SavedView], list[Refused]]:
    """All views by name, and the files that hold none."""
    views, refused = [], []
    for path in sorted(folder().glob("[!.]*.toml")):
        try:
            views.append(_read(path))
        except StoreError as error:
            refused.append(Refused(str(path), str(error)))
    return sorted(views, key=lambda view: (view.name.casefold(), view.name)), refused


def save(name: str, page: str, query: str, *, over: bool = False) -> SavedView:
    """Keeps a view.

    Args:
        over: whether another view of this name may be replaced.

    Raises:
        StoreError: an empty name, one that is taken, or a folder that cannot be written.
    """
    view = SavedView(clean(name), page, urlencode(parse_qsl(query)), datetime.now(UTC).isoformat(timespec="seconds"))
    if not view.name:
        raise StoreError("a view needs a name", where="saved views", found=repr(name), mend="Type one.")
    path = _path(view.name)
    if path.exists() and not over:
        raise StoreError("a view of this name is there already", where="saved views", found=repr(view.name),
                         mend="Choose another name, or delete that one first.")  # fmt: skip
    _write(path, view)
    return view


def rename(old: str, new: str) -> SavedView:
    """Gives a view another name. Raises StoreError as :func:`save`, or where there is no such view."""
    view, name = _read(_path(old)), clean(new)
    if name == old:
        return view
    moved = save(name, view.page, view.query)
    delete(old)
    return moved


def delete(name: str) -> None:
    """Forgets a view; one that has gone already is no error. Raises StoreError when the folder cannot be written."""
    try:
        _path(name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(error) from error


def _path(name: str) -> Path:
    # Not the name itself: it may hold anything, and file systems differ in what they tell apart.
    return folder() / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.toml"


def _read(path: Path) -> SavedView:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        view = SavedView(*(told[field] for field in SavedView._fields))
        right = all(isinstance(value, str) for value in view) and view.name == clean(view.name) != "" and path == _path(view.name)
        if not right or not PAGE.fullmatch(view.page) or len(view.query) > LONGEST_QUERY:
            raise ValueError("file name, name, page, query or saved are not as they were written")
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            "the saved view cannot be read", where=path, found=error, mend="Delete the file and save the view anew."
        ) from error
    return view


def _write(path: Path, view: SavedView) -> None:
    # A JSON string is a TOML basic string, but for DEL, which no name or query holds.
    text = "".join(f"{field} = {json.dumps(value, ensure_ascii=False)}\n" for field, value in view._asdict().items())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> StoreError:
    return StoreError("the folder of saved views cannot be written", where=folder(), found=error.strerror or error,
                      mend="Check its permissions and the space on the disk, or set XDG_DATA_HOME to another folder.")  # fmt: skip
