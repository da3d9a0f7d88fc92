"""A figure in greys that stay apart in print: categories by a ladder of their own, scales and all else by their lightness."""

from __future__ import annotations

import re
from typing import Any

from dashboard.figures.matrix import DIVERGING
from dashboard.theme import CHOSEN, SPARE, TYPE_COLOURS

LADDER = ("#1A1A1A", "#767676", "#A6A6A6", "#C9C9C9", "#8F8F8F", "#4A4A4A")
"""For the task types in the order of TYPE_COLOURS; white text still reads on the first two, which carry it."""
TABLE = {
    **{tint: grey for tint, grey in zip(list(TYPE_COLOURS.values())[:6], LADDER, strict=True)},
    **{tint: grey for tint, grey in zip(SPARE, ("#B5B5B5", "#5C5C5C", "#8A8A8A", "#DDDDDD", "#6E6E6E", "#3A3A3A"), strict=True)},
    CHOSEN: "#5C5C5C",
}
RAMP = tuple(f"#{level:02X}{level:02X}{level:02X}" for level in (20, 50, 80, 110, 140, 170, 195, 215, 230, 243, 255))
"""For scales with two ends of one lightness: dark is low."""
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}|rgba?\([^)]*\)")


def grey(tint: str) -> str:
    """The grey of a colour: of its category, or of its relative luminance."""
    if tint.upper() in TABLE:
        return TABLE[tint.upper()]
    if tint.startswith("#"):
        parts, rest = [int(tint[at : at + 2], 16) for at in (1, 3, 5)], ""
    else:
        numbers = re.findall(r"[\d.]+", tint)
        parts, rest = [float(part) for part in numbers[:3]], f", {numbers[3]}" if len(numbers) > 3 else ""
    linear = [(c / 255 / 12.92) if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in parts]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    level = round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))
    return f"rgba({level}, {level}, {level}{rest})" if rest else f"#{level:02X}{level:02X}{level:02X}"


def in_grey(part: Any) -> Any:
    """The same figure (as plotly's JSON) with every colour grey. Names and other texts stay as they are."""
    if isinstance(part, dict):
        return {key: _scale(value) if key == "colorscale" else in_grey(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [in_grey(value) for value in part]
    return grey(part) if isinstance(part, str) and COLOUR.fullmatch(part) else part


def _scale(scale: Any) -> Any:
    tints = [entry[1] if isinstance(entry, list | tuple) else entry for entry in scale] if isinstance(scale, list | tuple) else []
    if [str(tint).upper() for tint in tints] == list(DIVERGING):
        return [[at / (len(RAMP) - 1), tint] for at, tint in enumerate(RAMP)]
    return in_grey(scale)
