"""``tlpipe search``: a better recipe, by trying."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Option

from tlpipe.backend import import_backend
from tlpipe.cli.shared import Data, Label, Set

EPILOG = """
[bold]Examples[/bold]

tlpipe search --data photos/

tlpipe search --data photos/ --trials 40 --tuner hyperband --out searches/photos

tlpipe search --data photos/ --space my_search.yaml --objective macro_f1

The same command again goes on after an interruption, and with more --trials after its end. Then:
tlpipe finetune --from searches/photos
"""


class Engine(StrEnum):
    """Where trials run."""

    local = "local"
    ray = "ray"


class Tuner(StrEnum):
    """How values are proposed."""

    random = "random"
    bayesian = "bayesian"
    hyperband = "hyperband"


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("search", epilog=EPILOG)(search)


def search(
    data: Data = None,
    label: Label = None,
    space: Annotated[
        Path | None, Option(help="What to try; see pipelines/search.yaml. \\[default: the same]")
    ] = None,
    out: Annotated[Path | None, Option(help="Search folder. \\[default: searches/NAME]")] = None,
    tuner: Annotated[Tuner | None, Option(help="How. \\[default: bayesian]")] = None,
    objective: Annotated[
        str | None,
        Option(help="auc, accuracy, macro_f1, log_loss, or file.py:function. \\[default: auc]"),
    ] = None,
    trials: Annotated[int | None, Option(min=1, help="How many. \\[default: 20]")] = None,
    workers: Annotated[int | None, Option(min=1, help="Trials at a time. \\[default: 1]")] = None,
    leaders: Annotated[
        int | None, Option(min=1, help="How many of the best to confirm. \\[default: 3]")
    ] = None,
    confirm: Annotated[
        int | None, Option(min=0, help="With how many other seeds. \\[default: 3]")
    ] = None,
    memory: Annotated[
        float | None, Option(min=0.1, help="GB a trial may take. \\[default: 85 % of all, shared]")
    ] = None,
    engine: Annotated[
        Engine, Option(help="On this machine, or on a Ray cluster (pip install 'tlpipe\\[ray]').")
    ] = Engine.local,
    address: Annotated[
        str | None,
        Option(help="With ray: the cluster, as auto or HOST:PORT. \\[default: a new one]"),
    ] = None,
    seed: Annotated[int | None, Option(help="Drives everything random. \\[default: 0]")] = None,
    set_: Set = None,
) -> None:
    """Search for a better recipe; the winner alone is scored on the test part."""
    from tlpipe.config.search import read_search
    from tlpipe.config.source import name_of

    file = read_search(
        space,
        seed=seed,
        tuner=None if tuner is None else tuner.value,
        objective=objective,
        trials=trials,
        workers=workers,
        leaders=leaders,
        confirm=confirm,
        memory=memory,
    )
    import_backend()
    from tlpipe.search.engine import make_engine
    from tlpipe.search.search import search as run_search

    name = name_of(data) if data else "search"
    given = [] if label is None else [f"scan.label={json.dumps(label, ensure_ascii=False)}"]
    where = make_engine(engine.value, file.search.workers, address)
    try:
        run_search(
            file,
            data=data,
            assignments=[*given, *(set_ or [])],
            folder=out or Path("searches") / name,
            engine=where,
            console=Console(),
        )
    finally:
        where.close()
