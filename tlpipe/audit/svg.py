"""SVG with real text in it, equal bytes for equal numbers.

Text stays text in the SVG, so the reader's own fonts draw it and it can be searched. matplotlib
only measures it; what it has no letters for, it measures by a stand-in of the same width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from io import BytesIO
from unicodedata import east_asian_width

import matplotlib
from matplotlib.figure import Figure

from tlpipe.font import FAMILY, letters

MODEL, OTHER, QUIET = "#4c72b0", "#dd8452", "#8c8c8c"
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tlpipe",
    "font.family": [FAMILY],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_NAME_WIDTH = 28


def svg(
    draw: Callable[[Figure], None],
    size: tuple[float, float],
    finish: Callable[[str], str] = str,
) -> str:
    """What ``draw`` puts on a figure, as the text of an SVG file.

    Args:
        draw: takes the empty figure.
        size: width and height, inches of 72 points.
        finish: applied to the text; :meth:`Names.restore` for one.
    """
    buffer = BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return finish(buffer.getvalue().decode())


class Names:
    """Class names as matplotlib may draw them, and the way back to the real ones."""

    def __init__(self, names: Sequence[str]):
        self.drawn, self._real = [], {}
        for index, name in enumerate(names):
            short = name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"
            if _drawable(short):
                self.drawn.append(short)
                continue
            width = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in short)
            stand_in = f"\N{SECTION SIGN}{index}".ljust(width, "\N{SECTION SIGN}")
            self.drawn.append(stand_in)
            self._real[stand_in] = short

    def restore(self, svg: str) -> str:
        """The plot with the real names in place of the stand-ins."""
        for stand_in, name in self._real.items():
            printable = "".join(letter if letter.isprintable() else "�" for letter in name)
            svg = svg.replace(f">{stand_in}<", f">{escape(printable)}<")
        return svg


def _drawable(name: str) -> bool:
    # A dollar opens a formula; Arabic and its like need shaping, which SVG readers do themselves.
    return (
        name.isprintable()
        and not set(name) & set("$§")
        and all(ord(c) < 0x0590 and ord(c) in letters() for c in name)
    )
