"""The font that matplotlib brings along, and the letters it has."""

from __future__ import annotations

from functools import cache

from matplotlib.font_manager import FontProperties, findfont, get_font

FAMILY = "DejaVu Sans"


@cache
def font_file() -> str:
    """Its path."""
    return findfont(FontProperties(family=FAMILY))


@cache
def letters() -> frozenset[int]:
    """The code points that it can draw."""
    return frozenset(get_font(font_file()).get_charmap())
