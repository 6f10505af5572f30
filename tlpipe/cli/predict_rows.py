"""``tlpipe predict`` as rows of CSV or JSON: of all pictures, of one shard, or of all shards."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tlpipe.backend import import_backend
from tlpipe.cli.feedback import name_bad, progress_bar
from tlpipe.errors import ConfigError
from tlpipe.words import counted

if TYPE_CHECKING:
    from tlpipe.artifact.prediction_file import Tally


def predict_rows(
    run: str,
    pictures: list[str],
    format: str,
    out: Path | None,
    batch_size: int,
    calibrated: bool,
    *,
    shard: str | None,
    of: int | None,
) -> None:
    """Writes rows while they are made, and says how many, and which files could not be read."""
    if shard is not None and of is not None:
        raise ConfigError(
            "--shard makes one share, --merge puts them together.", todo="leave out one of them"
        )
    if out is None and (shard is not None or of is not None):
        raise ConfigError(
            "Shards are written beside the file that they make together.",
            todo=f"name that file, as --out predictions.{format}",
        )
    from tlpipe.pipeline.shard import Shard

    mine = None if shard is None else Shard.parse(shard)
    import_backend()
    from tlpipe.artifact.shards import Job, merge, predict_all, predict_shard

    if out is None:
        tally = _to_screen(run, pictures, format, batch_size, calibrated)
        return name_bad(tally.first_bad, tally.bad, tally.rows)
    job = Job(run, tuple(pictures), out, format, batch_size, calibrated)
    written = out
    if mine is not None:
        with progress_bar("predicting") as advance:
            done = predict_shard(job, mine, advance)
        if done.kept:
            typer.echo(f"shard {mine} is finished: {done.file} (kept)", err=True)
            return None
        tally, written = done.tally, done.file
    elif of is not None:
        tally = merge(job, of)
    else:
        with progress_bar("predicting") as advance:
            tally = predict_all(job, advance)
    typer.echo(f"{counted(tally.rows, 'row')} written to {written}", err=True)
    name_bad(tally.first_bad, tally.bad, tally.rows)


def _to_screen(
    run: str, pictures: list[str], format: str, batch_size: int, calibrated: bool
) -> Tally:
    from tlpipe.artifact.classifier import find_pictures, load
    from tlpipe.artifact.prediction_file import header, write_rows

    def put(line: bytes) -> None:
        sys.stdout.write(line.decode())

    classifier, files = load(run), find_pictures(pictures)
    try:
        # Rows and a bar on one terminal would be drawn over each other.
        with progress_bar("predicting", hidden=sys.stdout.isatty()) as advance:
            how = {"batch_size": batch_size, "calibrated": calibrated, "progress": advance}
            found = classifier.stream(files, range(len(files)), **how)
            names = classifier.metadata.probability_names
            put(header(format, names))
            tally = write_rows(put, found, format, names)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has seen enough, as `head` does; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit() from None
    return tally
