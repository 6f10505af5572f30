"""``tlpipe inspect``: what a network is made of, what it costs and what it sees."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from typer import Argument, Option

from tlpipe.backend import import_backend
from tlpipe.terminal import print_plain

if TYPE_CHECKING:
    from tlpipe.inspect.examine import Examination

EPILOG = """
[bold]Examples[/bold]

tlpipe inspect vgg16 --top --layers

tlpipe inspect resnet50 --unfreeze 1 --memory 8GB

tlpipe inspect runs/photos-2026-01-31 --html network.html

tlpipe inspect efficientnet_lite0 --first-layer filters.png --picture photo.jpg
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("inspect", epilog=EPILOG)(inspect)


def inspect(
    network: Annotated[
        str, Argument(help="Name of a backbone, a run folder, or a .keras file.", metavar="NETWORK")
    ],
    layers: Annotated[
        bool, Option("--layers/--blocks", help="A row a layer, or a row a block.")
    ] = False,
    top: Annotated[
        bool, Option("--top", help="A backbone with the classifier it was published with.")
    ] = False,
    size: Annotated[int | None, Option(min=1, help="Side of the input, pixels.")] = None,
    unfreeze: Annotated[
        str | None, Option(help="What would train: all, none, a number of blocks, or a block.")
    ] = None,
    memory: Annotated[str | None, Option(help="The largest batch that fits, such as 8GB.")] = None,
    json_file: Annotated[
        str | None, Option("--json", help="Everything as JSON into this file; - for the screen.")
    ] = None,
    html_file: Annotated[Path | None, Option("--html", help="Everything as one page.")] = None,
    first_layer: Annotated[
        Path | None, Option(help="Draw the first convolution's filters: .png, .svg or .pdf.")
    ] = None,
    picture: Annotated[
        Path | None, Option(help="With --first-layer: draw also what they find here.")
    ] = None,
    weights: Annotated[
        str | None, Option(help="Of a backbone. [default: none; with --first-layer auto]")
    ] = None,
) -> None:
    """Show a network: shapes, parameters, work, memory and receptive fields."""
    import_backend()
    from tlpipe.errors import ConfigError
    from tlpipe.inspect import words
    from tlpipe.inspect.examine import examine
    from tlpipe.inspect.memory import parse_bytes
    from tlpipe.inspect.network import open_network
    from tlpipe.inspect.page import html
    from tlpipe.pipeline.atomic import write_json, write_text

    if picture is not None and first_layer is None:
        raise ConfigError("--picture goes with --first-layer.", todo="add --first-layer grid.png")
    available = parse_bytes(memory) if memory else None
    opened = open_network(
        network,
        size=size,
        top=top,
        weights=weights or ("auto" if first_layer else "none"),
        unfreeze=unfreeze,
    )
    found = examine(opened.model, opened.name)
    fits = words.fits(found, available) if available else []
    if json_file is not None:
        value = {**found.as_json(), "source": opened.source, "trains": opened.trains}
        if available:
            value["largest_batch"] = {
                "memory": available,
                "training": found.memory.largest_training_batch(available),
                "prediction": found.memory.largest_prediction_batch(available),
            }
        if json_file == "-":
            sys.stdout.write(json.dumps(value, indent=2) + "\n")
        else:
            write_json(Path(json_file), value)
    if html_file is not None:
        page = html(found, source=opened.source, trains=opened.trains, fits=fits)
        write_text(html_file, page)
    if first_layer is not None:
        from tlpipe.inspect.first_layer import draw

        draw(opened.model, first_layer, picture)
    if json_file != "-":
        console = Console()
        print_plain(
            console,
            f"{found.name}: {opened.source}; input {words.shape(found.input_shape)}; "
            f"trains: {opened.trains}",
        )
        console.print(_table(found, layers))
        for line in (*words.sentences(found), *fits):
            print_plain(console, line)
        for note in found.notes:
            print_plain(console, f"Does not fit: {note.layer}: {note.text}", "yellow")
        for line in words.LEGEND:
            print_plain(console, line, "dim")
    for file in (json_file if json_file != "-" else None, html_file, first_layer):
        if file is not None:
            typer.echo(f"written: {file}", err=True)


def _table(found: Examination, layers: bool) -> Table:
    from tlpipe.inspect import words

    right = {"justify": "right", "no_wrap": True}
    table = Table(
        Column("layer" if layers else "block", overflow="fold", min_width=12),
        Column("output", no_wrap=True),
        *(Column(title, **right) for title in ("parameters", "m-adds", "activ.")),
        Column("kept MB", justify="right"),
        *(Column(title, **right) for title in ("field", "step", "centre")),
        # Every space counts at eighty columns.
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    for row in found.layers if layers else found.blocks:
        table.add_row(
            escape(row.name),
            words.shape(row.output_shape),
            f"{row.parameters:,}" if row.parameters else "",
            words.short(row.multiply_adds) if row.multiply_adds else "",
            f"{row.activations:,}" if row.activations else "",
            words.megabytes(row.kept_bytes) if row.kept_bytes else "",
            words.field(row),
            words.jump(row),
            words.centre(row),
            style="dim" if words.trains(row) == "no" else None,
        )
    return table
