"""How lines for the person are printed."""

from __future__ import annotations

from rich.console import Console


def print_plain(console: Console, text: str, style: str | None = None) -> None:
    """Prints ``text`` as it is: no markup, nothing highlighted.

    On a screen lines break between words; in a file or a pipe they stay whole.
    """
    whole = not console.is_terminal
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=whole)
