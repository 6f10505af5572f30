"""Sections as a page: one HTML file that needs no network and no script."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from markupsafe import Markup, escape

from tlpipe.audit.finding import Cell, Section
from tlpipe.audit.verdict import Verdict
from tlpipe.html import templates


def html(title: str, about: str, verdict: Verdict, sections: Sequence[Section]) -> str:
    """The page; every name in it is escaped.

    Args:
        title: its heading.
        about: a line below that.
        verdict: the summary.
        sections: the chapters.
    """
    environment = templates("tlpipe.audit")
    environment.filters["cell"] = _cell
    environment.filters["code"] = _code
    # As pictures, because the same ids stand in several plots.
    environment.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    return environment.get_template("sheet.html.j2").render(
        title=title, about=about, verdict=verdict, sections=sections
    )


def _cell(value: Cell) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _code(text: str) -> Markup:
    """A sentence with what stands in backticks as code; everything is escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        # A lone backtick is no more than that: a file may have one in its name.
        return escape(text)
    tagged = [
        Markup("<code>{}</code>").format(part) if odd % 2 else escape(part)
        for odd, part in enumerate(parts)
    ]
    return Markup("").join(tagged)
