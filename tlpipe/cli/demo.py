"""``tlpipe demo``: a real data set laid out as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument

from tlpipe.words import counted

EPILOG = """
[bold]Example[/bold]

tlpipe demo solar-cells photos/
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("demo", epilog=EPILOG)(demo)


def demo(
    name: Annotated[str, Argument(help="solar-cells")],
    directory: Annotated[Path, Argument(help="A new folder.")],
) -> None:
    """Lay out real pictures to try tlpipe on; needs the demo extra (see README)."""
    from tlpipe.demo import lay_out

    result = lay_out(name, directory)
    counts = ", ".join(f"{count} {label}" for label, count in result["counts"].items())
    done = "already there" if result["already_there"] else "laid out"
    pictures = counted(sum(result["counts"].values()), "picture")
    typer.echo(f"{pictures} {done} in {directory}: {counts}")
    typer.echo(result["licence"])
    typer.echo(f"Next: tlpipe finetune --data {directory}")
