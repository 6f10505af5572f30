"""``tlpipe doctor``: what is wrong with this machine, and how to mend it."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

EPILOG = """
[bold]Example[/bold]

tlpipe doctor
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("doctor", epilog=EPILOG)(doctor)


def doctor() -> None:
    """Check device, precision, versions, weights and disk; exit code 2 when something is wrong."""
    from tlpipe.doctor import examine

    console = Console()
    checks = examine()
    for check in checks:
        mark, style = {True: ("ok", "green"), False: ("wrong", "red"), None: ("note", "yellow")}[
            check.ok
        ]
        line = Table.grid(padding=(0, 1))
        line.add_row(Text(f"{mark:5}", style), Text(f"{check.name}: {check.finding}"))
        console.print(line)
        if check.mend:
            console.print(f"      mend: {check.mend}", markup=False, highlight=False)
    if any(check.ok is False for check in checks):
        raise typer.Exit(2)
