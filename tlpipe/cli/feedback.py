"""What a command shows while it works, and the files that it could not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import typer
from rich.console import Console

from tlpipe.words import counted, shown

_NAMED = 10


class Read(Protocol):
    """What came of a file; ``error`` is empty where it could be read."""

    path: str
    error: str


@contextmanager
def progress_bar(
    title: str, console: Console | None = None, *, hidden: bool = False
) -> Iterator[Callable[[int, int], None]]:
    """A bar that leaves nothing behind; the yielded function takes (done, total).

    Args:
        title: what is going on.
        console: where it is drawn; the standard error when None.
        hidden: draw nothing.
    """
    from rich.progress import Progress

    from tlpipe.pipeline import interrupt

    console = console or Console(stderr=True)
    # In a file or a pipe a bar would be noise. Left to itself, rich would send what is printed
    # meanwhile to its own console.
    how = {
        "transient": True,
        "redirect_stdout": False,
        "disable": hidden or not console.is_terminal,
    }
    with Progress(console=console, **how) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            interrupt.check()
            bar.update(task, completed=done, total=total)

        yield advance


def name_bad(bad: Sequence[Read], count: int, files: int) -> None:
    """Says how many of the files could not be read, and why the first could not.

    Args:
        bad: the first ten of them, at least.
        count: how many there are.
        files: how many were to be read.
    """
    if not count:
        return
    typer.echo(f"{count} of {counted(files, 'file')} could not be read:", err=True)
    for file in bad[:_NAMED]:
        typer.echo(f"  {shown(file.path)}: {file.error}", err=True)
