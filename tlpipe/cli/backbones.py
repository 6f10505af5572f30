"""``tlpipe backbones``: the networks one can start from."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from typer import Argument

from tlpipe.backend import import_backend

EPILOG = """
[bold]Examples[/bold]

tlpipe backbones

tlpipe backbones resnet50

tlpipe backbones mine.keras
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("backbones", epilog=EPILOG)(backbones)


def backbones(
    name: Annotated[
        str | None,
        Argument(help="Show the blocks of this one; a .keras file or hub:PRESET too."),
    ] = None,
) -> None:
    """List the backbones: size, parameters, input, and whether the weights are at hand."""
    import_backend()
    from tlpipe.backbones import catalogue

    console = Console()
    if name is None:
        name_column = Column("name", no_wrap=True)
        table = Table(name_column, "input", "parameters", "MB", "blocks", "weights")
        for row in catalogue.rows():
            millions, size = row["parameters"] / 1e6, 4 * row["parameters"] / 1e6
            table.add_row(
                row["name"],
                str(row["size"]),
                f"{millions:.1f} M",
                f"{size:.0f}",
                str(row["blocks"]),
                row["weights"],
            )
        console.print(table)
        console.print(
            "input in pixels; weights: bundled with the install, cached by Keras, or none yet"
        )
        return
    facts = catalogue.describe(name)
    console.print(
        f"{facts['name']}: {facts['parameters'] / 1e6:.2f} M parameters, "
        f"input {facts['size']} px, weights at hand: {facts['weights']}"
    )
    table = Table("block", "output", "parameters", title="blocks, from input to output")
    for block in facts["blocks"]:
        shape = " x ".join(str(n) for n in block["output_shape"])
        table.add_row(block["name"], shape, f"{block['parameters']:,}")
    console.print(table)
