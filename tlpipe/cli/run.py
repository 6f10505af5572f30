"""``tlpipe run``: a pipeline file."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Argument

from tlpipe.cli.shared import Data, DryRun, Out, Seed, Set, start

EPILOG = """
[bold]Examples[/bold]

tlpipe run pipelines/finetune.yaml --data photos/

tlpipe run my.yaml --set unfreeze.blocks=all --set seed=3 --out runs/third
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("run", epilog=EPILOG)(run)


def run(
    pipeline: Annotated[str, Argument(help="A pipeline file, such as pipelines/finetune.yaml.")],
    data: Data = None,
    out: Out = None,
    seed: Seed = None,
    set_: Set = None,
    dry_run: DryRun = False,
) -> None:
    """Run the stages a pipeline file names; finished ones are skipped, interrupted ones resumed."""
    values = [] if data is None else [("scan.data", data)]
    start(pipeline, values=values, seed=seed, assignments=set_, out=out, dry_run=dry_run)
