"""A map of scores laid over its picture."""

from __future__ import annotations

import textwrap
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle

from tlpipe.data.pixels import gray
from tlpipe.pipeline.atomic import writing

_INCHES = 6


def draw(
    path: Path,
    picture: np.ndarray,
    scores: np.ndarray,
    *,
    first: tuple[int, int, int, int],
    stride: int,
    label: str,
    number: int,
) -> None:
    """Writes a PNG: the picture, each score as a square around its window's centre, a legend.

    Args:
        path: the .png to write.
        picture: uint8 (h, w, channels), as the network saw it; gray unless it has 3 channels.
        scores: float (rows, columns) from 0 to 1, of one class.
        first: (top, left, bottom, right) of the first window.
        stride: pixels from one window to the next.
        label: the class's name.
        number: the class's number, written where the font lacks the name's letters.
    """
    height, width = picture.shape[:2]
    rows, columns = scores.shape
    name = textwrap.shorten(label, 40) if _drawable(label) else f"class {number}"
    top, left, bottom, right = first
    # A score is for the whole window: shown where the window's middle is.
    above, beside = (top + bottom - stride) / 2, (left + right - stride) / 2
    scale = _INCHES / max(height, width)
    figure = Figure(figsize=(width * scale + 1.8, height * scale + 1.2), layout="constrained")
    axes = figure.subplots()
    seen = picture if picture.shape[2] == 3 else gray(picture)
    axes.imshow(seen, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    shown = axes.imshow(
        scores,
        extent=(beside, beside + columns * stride, above + rows * stride, above),
        cmap="viridis",
        vmin=0,
        vmax=1,
        alpha=0.5,
        interpolation="nearest",
    )
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    best = Rectangle(
        (left + column * stride, top + row * stride),
        right - left,
        bottom - top,
        fill=False,
        edgecolor="red",
        linewidth=1.5,
        label=f"the window of the highest score, {scores.max():.3f}",
    )
    axes.add_patch(best)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.set_title(name, parse_math=False)
    figure.colorbar(shown, label="score of the window around each square", shrink=0.8)
    figure.legend(handles=[best], loc="outside lower center", frameon=False)
    with writing(path) as temporary:
        figure.savefig(temporary, dpi=100)


@cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties())).get_charmap())


def _drawable(name: str) -> bool:
    return name.isprintable() and all(ord(letter) in _letters() for letter in name)
