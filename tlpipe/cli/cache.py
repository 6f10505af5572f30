"""``tlpipe cache``: the caches on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from typer import Argument, Option

from tlpipe.backend import import_backend
from tlpipe.cli.shared import Set
from tlpipe.words import counted

EPILOG = """
[bold]Examples[/bold]

tlpipe cache list

tlpipe cache fill RUN --data photos/ --shard 3/16

tlpipe cache clear
"""

group = typer.Typer(no_args_is_help=True, help="List, fill or clear the caches.")


def register(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.add_typer(group, name="cache", epilog=EPILOG)


@group.command("list")
def list_() -> None:
    """Show every cache: backbone, shape, views, size, when it was last used."""
    from tlpipe.training import cache_folder as folder

    table = Table("backbone", "shape", "views", "MB", "last used")
    entries = folder.stored()
    for entry in entries:
        facts = entry["facts"]
        shape = " x ".join(str(n) for n in facts.get("shape", []))
        row = (facts.get("backbone", "?"), shape, str(facts.get("views", "?")))
        table.add_row(*row, f"{entry['bytes'] / 1e6:.1f}", entry["used"])
    console = Console()
    console.print(table)
    total = sum(entry["bytes"] for entry in entries) / 1e6
    told = f"{counted(len(entries), 'cache')}, {total:.1f} MB in {folder.root()}"
    console.print(told, highlight=False)


@group.command("fill")
def fill(
    run: Annotated[Path, Argument(help="A run folder, begun or new.")],
    data: Annotated[
        str | None, Option(help="Folder, CSV or tfds:NAME; for a new run folder.")
    ] = None,
    shard: Annotated[
        str, Option(help="Only this share of the pictures, as 3/16: one process a share.")
    ] = "1/1",
    set_: Set = None,
) -> None:
    """Compute what training will read from the caches; the same settings must train later."""
    from tlpipe.config.load import FINETUNE
    from tlpipe.pipeline.shard import Shard

    mine = Shard.parse(shard)
    config = run / "config.yaml"
    given = [] if data is None else [f"scan.data={json.dumps(data, ensure_ascii=False)}"]
    import_backend()
    from tlpipe import api
    from tlpipe.stages.fill import fill as fill_share

    opened = api.open_run(
        str(config) if config.exists() else FINETUNE,
        assignments=[*given, *(set_ or [])],
        out=run,
        console=Console(),
    )
    for filled in fill_share(opened, mine):
        opened.say(f"shard {mine}: {filled.made} {filled.what} made, {filled.there} were there")


@group.command("clear")
def clear() -> None:
    """Delete every cache; the next run fills its own again."""
    from tlpipe.training import cache_folder as folder

    typer.echo(f"{folder.clear() / 1e6:.1f} MB freed in {folder.root()}")
