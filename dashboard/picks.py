"""Many picked names in few characters of a link; no streamlit.

A packed list is two characters for its form, four that check the whole, and what tells the names:
``p4`` the hashes (4 characters each) of those picked, ``x4`` of those not picked, ``m0`` one bit for each name of the list
they were picked from. Hashes know a name in any library; bits know only the list they were made from.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

HASHES = (4, 5, 6)
"""Characters (6 bits each) of a name's hash: the fewest that tell the names of the list apart."""
CHECK = 4
LONGEST_NAME = 80
"""Characters of a name that stands in a link as it is."""


class Unpacked(NamedTuple):
    """What a packed list says here."""

    names: list[str]
    lost: int
    """Picked names that are not here; -1 where that cannot be told."""
    exact: bool
    """Whether these are the very names that were packed."""


def length(key: str, picked: Sequence[str]) -> int:
    """Characters of a link that streamlit takes for the picks of a control."""
    return len(urlencode([(key, name) for name in picked]))


def pack(picked: Sequence[str], options: Sequence[str], room: int) -> str:
    """The picks among the options, as hashes where they fit in ``room`` characters, else as bits."""
    chosen = set(picked)
    size = next((size for size in HASHES if len({_hash(name, size) for name in options}) == len(set(options))), HASHES[-1])
    others = [name for name in options if name not in chosen]
    form, told = ("p", picked) if len(picked) <= len(others) else ("x", others)
    text = f"{form}{size}{_check(picked)}{''.join(_hash(name, size) for name in told)}"
    return text if len(text) <= room else f"m0{_check(picked)}{_bits([name in chosen for name in options])}"


def unpack(text: str, options: Sequence[str]) -> Unpacked:
    """The options that a packed list names, in the options' order. Nonsense names none."""
    form, size, check, rest = text[:1], text[1:2], text[2 : 2 + CHECK], text[2 + CHECK :]
    if form == "m":
        names = [name for name, bit in zip(options, _unbits(rest, len(options)), strict=True) if bit]
        return Unpacked(names, 0, True) if _check(names) == check else Unpacked([], -1, False)
    if form not in ("p", "x") or size not in map(str, HASHES) or len(check) < CHECK or len(rest) % int(size):
        return Unpacked([], -1, False)
    told = {rest[start : start + int(size)] for start in range(0, len(rest), int(size))}
    names = [name for name in options if (_hash(name, int(size)) in told) == (form == "p")]
    exact = _check(names) == check
    return Unpacked(names, max(0, len(told) - len(names)) if form == "p" else 0 if exact else -1, exact)


def joined(*names: str) -> str:
    """A few names as one text, such as the row and column of a cell; names that are long or odd stand as hashes."""
    return "~".join(map(_short, names))


def unjoined(text: str, *axes: Sequence[str]) -> tuple[int, ...] | None:
    """Where each name of such a text lies among the names of its axis; None where one does not, or their number is another."""
    told = text.split("~")
    if len(told) != len(axes):
        return None
    places = [next((place for place, name in enumerate(names) if _short(name) == one), None) for names, one in zip(axes, told, strict=True)]
    return None if None in places else tuple(places)


def _short(name: str) -> str:
    return name if len(quote(name)) <= LONGEST_NAME and "~" not in name and not name.startswith("!") else f"!{_hash(name, HASHES[-1])}"


def _hash(name: str, size: int) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest())[:size].decode()


def _check(names: Sequence[str]) -> str:
    return _hash("\0".join(sorted(names)), CHECK)


def _bits(flags: Sequence[bool]) -> str:
    packed = bytes(sum(flag << place for place, flag in enumerate(flags[start : start + 8])) for start in range(0, len(flags), 8))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _unbits(text: str, count: int) -> list[bool]:
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        packed = b""
    return [place // 8 < len(packed) and bool(packed[place // 8] >> place % 8 & 1) for place in range(count)]
