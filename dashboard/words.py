"""Numbers and names as sentences say them."""

from __future__ import annotations


def count(number: int, what: str) -> str:
    """ "1 seed", "3 seeds"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def p_value(p: float) -> str:
    """ "p = .003", with the floor of a permutation test kept."""
    return "p undefined" if p != p else f"p = {p:.4f}" if p >= 0.001 else f"p = {p:.1g}"


def plain(text: object) -> str:
    """Text from files as it stands, in places that read Markdown."""
    return "".join(f"\\{mark}" if mark in "\\`*_{}[]()#|~<>$:&" else mark for mark in str(text))
