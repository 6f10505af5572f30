"""``tlpipe evaluate``: the score of a saved model."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from tlpipe.backend import import_backend

EPILOG = """
[bold]Examples[/bold]

tlpipe evaluate runs/photos-2026-01-31

tlpipe evaluate RUN --data other_photos/
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("evaluate", epilog=EPILOG)(evaluate)


def evaluate(
    run: Annotated[str, Argument(help="A run folder.")],
    data: Annotated[
        str | None,
        Option(help="Score on these labelled pictures instead: a folder, CSV or tfds:NAME."),
    ] = None,
) -> None:
    """Score the saved model: on its own test part, or on other labelled pictures."""
    import_backend()
    from tlpipe.stages.evaluation import evaluate_folder, evaluate_run

    console = Console()
    if data is None:
        evaluate_run(run, console)
    else:
        evaluate_folder(run, data, console)
