"""``tlpipe predict --dense``: maps of scores for new pictures."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tlpipe.backend import import_backend
from tlpipe.cli.feedback import name_bad, progress_bar
from tlpipe.errors import ConfigError
from tlpipe.words import counted, shown

_COLUMNS = (
    "path",
    "predicted",
    "score",
    "size",
    "map",
    "highest",
    "place",
    "box",
    "files",
    "error",
)


def predict_dense(
    run: str,
    pictures: list[str],
    format: str,
    folder: Path,
    size: int | None,
    stride: int | None,
) -> None:
    """Writes the maps into ``folder`` and what they say to the screen."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(
            f"'{folder}' is a file; the maps need a folder.", todo="name a folder with --out"
        )
    import_backend()
    from tlpipe.artifact.classifier import load
    from tlpipe.dense.predict import DenseClassifier

    dense = DenseClassifier(load(run), stride, size)
    with progress_bar("predicting") as advance:
        found = dense.predict(pictures, folder, advance)
    _write(found, format)
    height, width = dense.network.size
    typer.echo(
        f"A score is for {height}x{width} pixels of the picture at the size named; the first "
        f"window begins at its top left corner, the next {dense.network.stride} pixels on.",
        err=True,
    )
    for note in dense.network.notes:
        typer.echo(f"Note: {note}.", err=True)
    bad = [p for p in found if p.error]
    typer.echo(f"{counted(len(found) - len(bad), 'map')} written to {folder}", err=True)
    name_bad(bad, len(bad), len(found))


def _write(found: list, format: str) -> None:
    if format == "table":
        Console(file=sys.stdout).print(_table(found))
        return
    rows = []
    for p in found:
        files = tuple(map(shown, p.files))
        of_map = p.size, p.map_size, p.highest, p.place, p.box
        rows.append((shown(p.path), p.label, p.score, *of_map, files, p.error))
    if format == "jsonl":
        for row in rows:
            print(json.dumps(dict(zip(_COLUMNS, row, strict=True)), ensure_ascii=False))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([" ".join(map(str, x)) if isinstance(x, tuple) else x for x in row])


def _table(found: list) -> Table:
    folder = os.path.commonpath([os.path.dirname(os.path.abspath(p.path)) for p in found])
    table = Table(
        "picture", "size", "map", "class", "mean", "highest", "at x, y",
        title=Text(shown(folder)), title_justify="left",
    )  # fmt: skip
    for p in found:
        name = shown(os.path.relpath(p.path, folder))
        if p.error:
            # As Text: a name in brackets would be taken for markup.
            row = map(Text, (name, "-", "-", p.error, "-", "-", "-"))
            table.add_row(*row, style="yellow")
            continue
        left, top, right, bottom = p.box
        table.add_row(
            Text(name),
            f"{p.size[1]}x{p.size[0]}",
            f"{p.map_size[1]}x{p.map_size[0]}",
            Text(p.label),
            f"{p.score:.3f}",
            f"{p.highest:.3f}",
            f"{(left + right) // 2}, {(top + bottom) // 2}",
        )
    return table
