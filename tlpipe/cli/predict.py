"""``tlpipe predict``: classes for new pictures."""

from __future__ import annotations

import csv
import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from typer import Argument, Option

from tlpipe.backend import import_backend
from tlpipe.cli.predict_dense import predict_dense
from tlpipe.errors import ConfigError

EPILOG = """
[bold]Examples[/bold]

tlpipe predict runs/photos-2026-01-31 picture.jpg

tlpipe predict RUN new_pictures/ --format csv --out predictions.csv

tlpipe predict RUN new_pictures/ --format jsonl | jq .predicted

tlpipe predict RUN street.jpg --dense --size 640 --output-stride 16
"""


class Format(StrEnum):
    """How predictions are written."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("predict", epilog=EPILOG)(predict)


def predict(
    run: Annotated[str, Argument(help="A run folder, or a model.keras.")],
    pictures: Annotated[list[str], Argument(help="Pictures, or folders of pictures.")],
    format: Annotated[Format, Option(help="table, csv or jsonl.")] = Format.table,
    out: Annotated[
        Path | None,
        Option(help="Write to this file instead of the screen; with --dense, the maps' folder."),
    ] = None,
    batch_size: Annotated[int, Option(min=1, help="Pictures in memory at once.")] = 32,
    calibrated: Annotated[
        bool, Option("--calibrated", help="Temperature-scaled, more honest probabilities.")
    ] = False,
    dense: Annotated[
        bool, Option("--dense", help="A map of scores over the larger picture, in one pass.")
    ] = False,
    size: Annotated[
        int | None,
        Option(min=1, help="With --dense: short side in pixels. \\[default: 12/7 of the input]"),
    ] = None,
    output_stride: Annotated[
        int | None, Option(min=1, help="With --dense: 16 or 8 for a finer map, same weights.")
    ] = None,
) -> None:
    """Predict the class of pictures; files that can't be read are named, exit code 0."""
    if dense and calibrated:
        raise ConfigError("--calibrated is not for maps.", todo="leave out --dense")
    if dense:
        return predict_dense(run, pictures, format.value, out or Path("dense"), size, output_stride)
    if size is not None or output_stride is not None:
        raise ConfigError("--size and --output-stride are for maps.", todo="add --dense")
    import io

    from rich.progress import Progress

    import_backend()
    from tlpipe.artifact.classifier import load
    from tlpipe.pipeline.atomic import write_text

    if out is not None and out.is_dir():
        raise ConfigError(f"'{out}' is a folder; a file is needed.", todo="name a file with --out")
    # Before the work rather than after it.
    if out is not None and not os.access(out.resolve().parent, os.W_OK):
        raise ConfigError(
            f"'{out}' can't be written.",
            cause=f"the folder '{out.resolve().parent}' is missing or read-only",
            todo="make the folder, or name another file with --out",
        )
    classifier = load(run)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("predicting", total=None)
        found = classifier.predict(
            pictures,
            batch_size=batch_size,
            calibrated=calibrated,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    sink = io.StringIO()
    if format is Format.table:
        Console(file=sink if out else sys.stdout).print(_table(found, classifier.class_names))
    elif format is Format.csv:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["path", "predicted", *(f"p:{n}" for n in classifier.class_names), "error"])
        for p in found:
            numbers = [f"{x:.9g}" for x in p.probabilities] or [""] * len(classifier.class_names)
            writer.writerow([p.path, p.label, *numbers, p.error])
    else:
        for p in found:
            named = dict(zip(classifier.class_names, p.probabilities, strict=False))
            row = {"path": p.path, "predicted": p.label, "probabilities": named, "error": p.error}
            sink.write(json.dumps(row, ensure_ascii=False) + "\n")
    if out:
        write_text(out, sink.getvalue())
        typer.echo(f"{len(found)} rows written to {out}", err=True)
    else:
        sys.stdout.write(sink.getvalue())
    bad = [p for p in found if p.error]
    if bad:
        typer.echo(f"{len(bad)} of {len(found)} files could not be read:", err=True)
        for p in bad[:10]:
            typer.echo(f"  {p.path}: {p.error}", err=True)


def _table(found, class_names) -> Table:
    # Names stay whole at 80 columns when the folder they share stands above the table.
    folder = os.path.commonpath([os.path.dirname(os.path.abspath(p.path)) for p in found])
    table = Table(
        "picture", "class", "probability", "runner-up", title=folder, title_justify="left"
    )
    for p in found:
        name = os.path.relpath(p.path, folder)
        ranked = sorted(zip(p.probabilities, class_names, strict=False), reverse=True)
        if p.error:
            table.add_row(name, "-", "-", p.error, style="yellow")
        else:
            table.add_row(
                name, p.label, f"{ranked[0][0]:.3f}", f"{ranked[1][1]} {ranked[1][0]:.3f}"
            )
    return table
