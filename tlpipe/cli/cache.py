"""``tlpipe cache``: the activation caches on this machine."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

EPILOG = """
[bold]Examples[/bold]

tlpipe cache list

tlpipe cache clear
"""

group = typer.Typer(no_args_is_help=True, help="List or clear the activation caches.")


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
    console.print(f"{len(entries)} caches, {total:.1f} MB in {folder.root()}", highlight=False)


@group.command("clear")
def clear() -> None:
    """Delete every cache; the next run fills its own again."""
    from tlpipe.training import cache_folder as folder

    typer.echo(f"{folder.clear() / 1e6:.1f} MB freed in {folder.root()}")
