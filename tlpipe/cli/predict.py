"""``tlpipe predict``: classes for new pictures."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from typer import Argument, Option

from tlpipe.backend import import_backend
from tlpipe.cli.feedback import name_bad, progress_bar
from tlpipe.cli.predict_dense import predict_dense
from tlpipe.cli.predict_rows import predict_rows
from tlpipe.errors import ConfigError
from tlpipe.words import counted, shown

if TYPE_CHECKING:
    from tlpipe.artifact.classifier import Classifier, Prediction

EPILOG = """
[bold]Examples[/bold]

tlpipe predict runs/photos-2026-01-31 picture.jpg

tlpipe predict RUN new_pictures/ --format csv --out predictions.csv

tlpipe predict RUN new_pictures/ --format jsonl | jq .predicted

tlpipe predict RUN millions/ --out predictions.csv --shard 3/16

tlpipe predict RUN millions/ --out predictions.csv --merge 16

tlpipe predict RUN millions/ --out predictions.csv --engine ray --address auto --shards 16

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
    format: Annotated[
        Format | None,
        Option(help="table, csv or jsonl. \\[default: as --out ends, else table]"),
    ] = None,
    out: Annotated[
        Path | None,
        Option(help="Write to this file instead of the screen; with --dense, the maps' folder."),
    ] = None,
    batch_size: Annotated[int, Option(min=1, help="Pictures in memory at once.")] = 32,
    calibrated: Annotated[
        bool, Option("--calibrated", help="Temperature-scaled, more honest probabilities.")
    ] = False,
    shard: Annotated[
        str | None,
        Option(help="Only this share of the pictures, as 3/16, into a file of its own."),
    ] = None,
    merge: Annotated[
        int | None, Option(min=1, help="Put so many finished shards together as --out.")
    ] = None,
    engine: Annotated[
        str | None, Option(help="ray: --shards of the pictures at a time on a Ray cluster.")
    ] = None,
    shards: Annotated[int | None, Option(min=1, help="With --engine ray: how many.")] = None,
    address: Annotated[
        str | None, Option(help="With --engine ray: the cluster. \\[default: a new one]")
    ] = None,
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
    """Predict pictures; files that can't be read are named, exit code 0."""
    if dense and calibrated:
        raise ConfigError("--calibrated is not for maps.", todo="leave out --dense")
    several = {"--shard": shard, "--merge": merge, "--engine": engine, "--shards": shards}
    asked = [flag for flag, value in {**several, "--address": address}.items() if value is not None]
    if dense and asked:
        raise ConfigError(f"{asked[0]} is not for maps.", todo="leave out --dense")
    if (shard is not None or merge is not None) and engine:
        raise ConfigError(
            "A cluster makes all shards and merges them.", todo="leave out --shard and --merge"
        )
    if dense:
        kind = (format or Format.table).value
        return predict_dense(run, pictures, kind, out or Path("dense"), size, output_stride)
    if size is not None or output_stride is not None:
        raise ConfigError("--size and --output-stride are for maps.", todo="add --dense")
    if out is not None:
        _check_writable(out)
    kind = format or _format_of(out)
    if engine or shards or address:
        return _on_ray(run, pictures, kind, out, batch_size, calibrated, engine, shards, address)
    if kind is not Format.table:
        return predict_rows(
            run, pictures, kind.value, out, batch_size, calibrated, shard=shard, of=merge
        )
    if shard is not None or merge is not None:
        raise ConfigError(
            "Shards are written as rows, into files.",
            todo="add --out predictions.csv, or a name that ends in .jsonl",
        )
    _predict_table(run, pictures, out, batch_size, calibrated)


def _on_ray(run, pictures, kind, out, batch_size, calibrated, engine, shards, address) -> None:
    """Shards as tasks of a Ray cluster, and then the file that they make together."""
    if engine != "ray" or shards is None or out is None or kind is Format.table:
        raise ConfigError(
            "A cluster needs all of --engine ray, --shards N and --out FILE.csv (or .jsonl).",
            todo="for one machine leave out --engine, --shards and --address",
        )
    from tlpipe.artifact.ray_shards import predict_on_ray
    from tlpipe.artifact.shards import Job

    job = Job(run, tuple(pictures), out, kind.value, batch_size, calibrated)
    with progress_bar("predicting") as advance:
        tally = predict_on_ray(job, shards, address, advance)
    typer.echo(f"{counted(tally.rows, 'row')} written to {out}", err=True)
    name_bad(tally.first_bad, tally.bad, tally.rows)


def _format_of(out: Path | None) -> Format:
    ending = out.suffix.lower().removeprefix(".") if out else ""
    return Format(ending) if ending in ("csv", "jsonl") else Format.table


def _check_writable(out: Path) -> None:
    """Before the work rather than after it."""
    if out.is_dir():
        raise ConfigError(f"'{out}' is a folder; a file is needed.", todo="name a file with --out")
    if not os.access(out.resolve().parent, os.W_OK):
        raise ConfigError(
            f"'{out}' can't be written.",
            cause=f"the folder '{out.resolve().parent}' is missing or read-only",
            todo="make the folder, or name another file with --out",
        )


def _predict_table(
    run: str, pictures: list[str], out: Path | None, batch_size: int, calibrated: bool
) -> None:
    import io

    import_backend()
    from tlpipe.artifact.classifier import load
    from tlpipe.pipeline.atomic import write_text

    classifier = load(run)
    with progress_bar("predicting") as advance:
        found = classifier.predict(
            pictures, batch_size=batch_size, calibrated=calibrated, progress=advance
        )
    sink = io.StringIO()
    Console(file=sink if out else sys.stdout).print(_table(found, classifier))
    if out:
        write_text(out, sink.getvalue())
        typer.echo(f"{counted(len(found), 'row')} written to {out}", err=True)
    bad = [p for p in found if p.error]
    name_bad(bad, len(bad), len(found))


def _table(found: list[Prediction], classifier: Classifier) -> Table:
    # Names stay whole at 80 columns when the folder they share stands above the table.
    folder = os.path.commonpath([os.path.dirname(os.path.abspath(p.path)) for p in found])
    columns = {
        "class": ("class", "probability", "runner-up"),
        "labels": ("labels", "probabilities"),
        "number": (classifier.class_names[0],),
    }[classifier.metadata.target]
    # Escaped, and as Text: a name in brackets would be taken for markup.
    table = Table("picture", *map(escape, columns), title=Text(shown(folder)), title_justify="left")
    for p in found:
        name = shown(os.path.relpath(p.path, folder))
        if p.error:
            empty = ["-"] * (len(columns) - 1)
            table.add_row(*map(Text, (name, *empty, p.error)), style="yellow")
        else:
            table.add_row(*map(Text, (name, *_cells(p, classifier))))
    return table


def _cells(p: Prediction, classifier: Classifier) -> list[str]:
    ranked = sorted(zip(p.probabilities, classifier.class_names, strict=True), reverse=True)
    if classifier.metadata.target == "number":
        return [p.label]
    if classifier.metadata.target == "labels":
        return [p.label.replace("|", ", ") or "none", ", ".join(f"{n} {x:.3f}" for x, n in ranked)]
    (first, _), (second, runner_up) = ranked[:2]
    return [p.label, f"{first:.3f}", f"{runner_up} {second:.3f}"]
