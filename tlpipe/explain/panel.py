"""One picture with its attributions side by side, and the words above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tlpipe.data.pixels import as_rgb
from tlpipe.explain.letters import drawable
from tlpipe.explain.overlay import overlay
from tlpipe.font import font_file

_GAP, _LINE, _TEXT = 6, 18, 13


def panel(
    picture: np.ndarray, attributions: Mapping[str, np.ndarray], lines: Sequence[str]
) -> np.ndarray:
    """The picture and one overlay an attribution, each under its title.

    Args:
        picture: uint8 (s, s, channels).
        attributions: float (s, s) by title.
        lines: text above, a line each; letters that the font lacks become '?'.

    Returns:
        uint8 (h, w, 3).
    """
    tiles = {
        "picture": as_rgb(picture),
        **{t: overlay(picture, a) for t, a in attributions.items()},
    }
    side = max(picture.shape[0], 160)
    width = len(tiles) * (side + _GAP) + _GAP
    top = len(lines) * _LINE + _GAP
    sheet = Image.new("RGB", (width, top + _LINE + side + _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), _font()
    for number, line in enumerate(lines):
        draw.text((_GAP, _GAP // 2 + number * _LINE), drawable(line), "black", font)
    for number, (title, tile) in enumerate(tiles.items()):
        left = _GAP + number * (side + _GAP)
        draw.text((left, top), _fitting(drawable(title), side), "#555", font)
        sheet.paste(
            Image.fromarray(np.ascontiguousarray(tile)).resize((side, side)), (left, top + _LINE)
        )
    return np.asarray(sheet)


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_file(), _TEXT)


def _fitting(text: str, width: int) -> str:
    while text and _font().getlength(text) > width:
        text = text[:-2] + "…"
    return text
