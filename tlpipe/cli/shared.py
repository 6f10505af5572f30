"""Options that several commands have, and how a run is started."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from typer import Option

from tlpipe.backend import import_backend

Out = Annotated[str | None, Option(help="Run folder; runs/NAME-DATE when not given.")]
Seed = Annotated[int | None, Option(help="Drives everything random. \\[default: 0]")]
Set = Annotated[
    list[str] | None, Option("--set", help="Any setting, as stage.key=value; may be repeated.")
]
Data = Annotated[
    str | None,
    Option(help="Folder with one sub-folder a class, a CSV (path,label), or tfds:NAME."),
]
Label = Annotated[
    str | None,
    Option(help="CSV's column, or TFDS' feature, with the label. \\[default: label]"),
]
DryRun = Annotated[
    bool, Option("--dry-run", help="Say what would run, try one real step, estimate the cost.")
]


def start(
    source: str | dict[str, Any],
    *,
    values: list[tuple[str, Any]],
    seed: int | None,
    assignments: list[str] | None,
    out: str | None,
    dry_run: bool,
) -> None:
    """Runs ``source`` with flags laid over it, and ``--set`` laid over the flags."""
    if seed is not None:
        values = [*values, ("seed", seed)]
    flags = [f"{key}={_as_yaml(value)}" for key, value in values]
    console = Console()
    _check_folder(dict(values).get("scan.data"))
    import_backend()
    from tlpipe import api

    run = api.open_run(source, assignments=[*flags, *(assignments or [])], out=out, console=console)
    if dry_run:
        from tlpipe.stages.dry_run import dry_run as rehearse

        rehearse(run)
    else:
        api.execute_run(run)


def _check_folder(data: str | None) -> None:
    """A misspelt folder is known before the libraries are there, which takes seconds."""
    from tlpipe.config.source import is_table, is_tfds

    if data is not None and not is_tfds(data) and not is_table(data):
        from tlpipe.data.folder import checked

        checked(Path(data))


def _as_yaml(value: Any) -> str:
    """Text for :func:`tlpipe.config.load.override`; numbers typed as text stay numbers."""
    import yaml

    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]*)", value):
        return value
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True).split("\n...")[0].strip()
    )
