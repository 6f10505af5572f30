"""How lines for the person are printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType


def print_plain(console: Console, text: str, style: str | None = None) -> None:
    """Prints ``text`` as it is: no markup, nothing highlighted.

    On a screen lines break between words; in a file or a pipe they stay whole.
    """
    whole = not console.is_terminal
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=whole)


@contextmanager
def passing(text: str) -> Iterator[None]:
    """Shows a line on a screen while the body runs, and takes it away; elsewhere nothing."""
    console = Console()
    shown = console.is_terminal and not console.is_jupyter
    if shown:
        console.print(text, style="dim", highlight=False, markup=False, end="\r")
    try:
        yield
    finally:
        if shown:
            console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
