"""What a block of the network makes of a picture: its feature maps, side by side."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlpipe.data.pixels import as_rgb
from tlpipe.explain.letters import drawable
from tlpipe.font import FAMILY
from tlpipe.pipeline.atomic import writing

_TILE, _GAP, _STRIP, _PER_INCH = 96, 6, 18, 100


def strongest(maps: np.ndarray, most: int) -> np.ndarray:
    """The channels with the largest mean activation, its sign dropped.

    Args:
        maps: float (h, w, c), the feature maps of one picture.
        most: how many, if there are so many.

    Returns:
        int (k,), ascending.
    """
    strength = np.abs(maps).mean((0, 1))
    return np.sort(np.argsort(-strength, kind="stable")[:most])


def colour_scale(maps: np.ndarray) -> tuple[float, float, str]:
    """Lowest and highest value and the colours for them, nothing cut off.

    From 0 up where nothing is negative; else the same to both sides of 0, which is white.
    """
    if maps.min() < 0:
        reach = float(np.abs(maps).max())
        return -reach, reach, "RdBu_r"
    return 0.0, float(maps.max()) or 1.0, "viridis"


def draw(
    target: Path, picture: np.ndarray, maps: np.ndarray, *, name: str, block: str, most: int = 64
) -> Path:
    """Writes the picture beside its strongest feature maps, all in one colour scale, as PNG.

    Args:
        target: the PNG.
        picture: uint8 (s, s, channels), as the network sees it.
        maps: float (h, w, c), the block's last tensor.
        name: of the picture.
        block: of the block.
        most: how many channels are shown.
    """
    channels = strongest(maps, most)
    shown = np.moveaxis(maps[..., channels], -1, 0)
    low, high, colours = colour_scale(shown)
    mosaic, corners = _tiled(shown)
    rows, columns = mosaic.shape
    wide, tall = max(columns / _PER_INCH, 3), rows / _PER_INCH
    # The fonts that measured the text are to draw it, whatever a person's own settings say.
    with matplotlib.rc_context({"font.family": [FAMILY], "font.size": 9}), writing(target) as file:
        figure = Figure(figsize=(3.2 + wide + 1, max(tall, 3) + 1), layout="constrained")
        figure.suptitle(_title(name, block, maps, channels, low, high), parse_math=False)
        left, right = figure.subplots(1, 2, width_ratios=(3, wide + 0.8))
        left.imshow(as_rgb(picture))
        left.set_title("picture", fontsize=9)
        image = right.imshow(mosaic, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
        _number(right, channels, corners)
        figure.colorbar(image, ax=right, label="activation", aspect=40, fraction=0.05, pad=0.02)
        for axes in (left, right):
            axes.set_axis_off()
            axes.set_anchor("N")
        figure.savefig(file, dpi=120)
    return target


def _title(name: str, block: str, maps: np.ndarray, channels: np.ndarray, low, high) -> str:
    height, width, total = maps.shape
    which = f"all {total} feature maps"
    if len(channels) < total:
        which = f"the {len(channels)} of {total} feature maps with the largest mean activation"
        which += " (sign dropped)" if low < 0 else ""
    return (
        f"{drawable(name, 60)}: block '{drawable(block)}'\n"
        f"{which}, {height} × {width}, numbered by channel\n"
        f"one colour scale for all of them, from {low:.3g} to {high:.3g}; nothing is cut off"
    )


def _tiled(maps: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Maps, float (k, h, w), as one array with NaN between them, and their upper left corners."""
    scale = _TILE / max(maps.shape[1:])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    height, width = (max(1, round(n * scale)) for n in maps.shape[1:])
    columns = math.ceil(math.sqrt(len(maps)))
    rows = math.ceil(len(maps) / columns)
    mosaic = np.full((rows * (height + _STRIP), columns * (width + _GAP) - _GAP), np.nan)
    corners = []
    for number, each in enumerate(maps):
        row, column = divmod(number, columns)
        top, left = row * (height + _STRIP) + _STRIP, column * (width + _GAP)
        tile = cv2.resize(np.ascontiguousarray(each), (width, height), interpolation=how)
        mosaic[top : top + height, left : left + width] = tile
        corners.append((top, left))
    return mosaic, corners


def _number(axes: Axes, channels: np.ndarray, corners: list[tuple[int, int]]) -> None:
    for channel, (top, left) in zip(channels, corners, strict=True):
        axes.text(left, top - 3, str(channel), fontsize=7, va="bottom", ha="left")
