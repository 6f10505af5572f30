"""What a unit looks for, on one page: the pictures it answers to most, why, and its ideal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from tlpipe.data.pixels import as_rgb
from tlpipe.explain.letters import drawable
from tlpipe.font import FAMILY
from tlpipe.pipeline.atomic import writing

_SIDE, _GAP, _COLUMNS = 180, 6, 3


@dataclass(frozen=True)
class Example:
    """A picture that excites the unit.

    Attributes:
        crop: uint8 (h, w, channels), the part of the picture that the unit sees.
        gradients: each float (h, w, channels), the same part of the views, signed.
        name: of the picture.
        activation: the largest in its map.
    """

    crop: np.ndarray
    gradients: Sequence[np.ndarray]
    name: str
    activation: float


def draw(
    target: Path,
    examples: Sequence[Example],
    *,
    title: str,
    lines: Sequence[str],
    ideal: np.ndarray | None = None,
    ideal_title: str = "",
) -> Path:
    """Writes the examples, each beside its views, and at the right the ideal picture, as PNG.

    Args:
        target: the PNG.
        examples: up to nine.
        title: above all.
        lines: what is shown, below.
        ideal: float (s, s, channels), 0..255, by activation maximisation; None: left out.
        ideal_title: above it.
    """
    rows = -(-len(examples) // _COLUMNS)
    columns = min(len(examples), _COLUMNS)
    widths = [1.7 * (1 + len(examples[0].gradients))] * columns + (
        [3.6] if ideal is not None else []
    )
    size = (max(sum(widths), 7), max(1.92 * rows, 3.9 if ideal is not None else 0) + 1)
    with matplotlib.rc_context({"font.family": [FAMILY], "font.size": 9}), writing(target) as file:
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(drawable(title), fontsize=12, parse_math=False)
        figure.supxlabel("\n".join(map(drawable, lines)), fontsize=8, parse_math=False)
        grid = figure.add_gridspec(rows, len(widths), width_ratios=widths)
        for number, example in enumerate(examples):
            axes = figure.add_subplot(grid[divmod(number, _COLUMNS)])
            axes.imshow(_beside([example.crop, *map(visible, example.gradients)]))
            text = f"{number + 1}. {drawable(example.name, 34)}  {example.activation:.3g}"
            axes.set_title(text, fontsize=7.5, parse_math=False)
            axes.set_axis_off()
            axes.set_anchor("N")
        if ideal is not None:
            axes = figure.add_subplot(grid[:, -1])
            axes.imshow(as_rgb(np.rint(ideal).astype("uint8")))
            axes.set_title(ideal_title, fontsize=9)
            axes.set_axis_off()
            axes.set_anchor("N")
        figure.savefig(file, dpi=120)
    return target


def visible(gradient: np.ndarray) -> np.ndarray:
    """A signed gradient as a picture, uint8 of its shape: gray is zero, each in its own scale."""
    reach = np.percentile(np.abs(gradient), 99.5) or np.abs(gradient).max() or 1
    return np.rint(127.5 + 127.5 * np.clip(gradient / reach, -1, 1)).astype("uint8")


def fitted(picture: np.ndarray) -> np.ndarray:
    """uint8 (h, w, channels) as uint8 (side, side, 3), its shape kept, on white."""
    image = Image.fromarray(np.ascontiguousarray(as_rgb(picture)))
    scale = _SIDE / max(image.size)
    # Where pixels can be told from one another, they are shown as they are.
    how = Image.Resampling.NEAREST if scale > 4 else Image.Resampling.BICUBIC
    image = image.resize([max(1, round(n * scale)) for n in image.size], how)
    sheet = Image.new("RGB", (_SIDE, _SIDE), "white")
    sheet.paste(image, tuple((_SIDE - n) // 2 for n in image.size))
    return np.asarray(sheet)


def _beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    gap = np.full((_SIDE, _GAP, 3), 255, "uint8")
    return np.concatenate([part for each in pictures for part in (gap, fitted(each))][1:], axis=1)
