"""``tlpipe demo``: a real data set laid out as a folder, a CSV or a data set of TFDS."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from tlpipe.words import counted

EPILOG = """
[bold]Examples[/bold]

tlpipe demo solar-cells photos/

tlpipe demo solar-cells cells/ --as csv
"""


class Form(StrEnum):
    """How the pictures are laid out."""

    folder = "folder"
    csv = "csv"
    tfds = "tfds"


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("demo", epilog=EPILOG)(demo)


def demo(
    name: Annotated[str, Argument(help="solar-cells")],
    directory: Annotated[Path, Argument(help="A new folder.")],
    form: Annotated[
        Form,
        Option("--as", help="A folder a class, a CSV with pictures, or a TFDS data set."),
    ] = Form.folder,
) -> None:
    """Lay out real pictures to try tlpipe on; needs the demo extra (see README)."""
    from tlpipe.demo import lay_out

    result = lay_out(name, directory, form=form.value)
    counts = ", ".join(f"{count} {label}" for label, count in result["counts"].items())
    done = "already there" if result["already_there"] else "laid out"
    pictures = counted(sum(result["counts"].values()), "picture")
    typer.echo(f"{pictures} {done} in {directory}: {counts}")
    typer.echo(result["licence"])
    typer.echo(f"Next: tlpipe finetune --data {shlex.quote(result['data'])}")
