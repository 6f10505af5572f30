"""An examination as one HTML file that needs nothing else: no script, no other file."""

from __future__ import annotations

from tlpipe.html import templates
from tlpipe.inspect import words
from tlpipe.inspect.examine import Examination

_LEVELS = {"blocks": "Blocks", "layers": "Layers"}


def html(found: Examination, *, source: str, trains: str, fits: list[str]) -> str:
    """The page.

    Args:
        found: what :func:`tlpipe.inspect.examine.examine` returned.
        source: in words, where the network comes from.
        trains: in words, what trains.
        fits: sentences on the largest batch; none when nobody asked.
    """
    page = templates("tlpipe.inspect").get_template("page.html.j2")
    return page.render(
        found=found,
        tables=[(title, getattr(found, level)) for level, title in _LEVELS.items()],
        source=source,
        trains=trains,
        fits=fits,
        legend=words.LEGEND,
        w=words,
    )
