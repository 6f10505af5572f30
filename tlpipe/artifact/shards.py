"""One long call of ``predict`` in shares: each by a process of its own, then put together.

Every share is written under a temporary name and renamed, and then its record is, which says what
the share was made from. So a share counts as finished when its record says what would be said now
and its bytes are those that were recorded; nothing else has to be known of the process that made
it, on whichever machine that was.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlpipe.artifact.classifier import find_pictures, load, model_path
from tlpipe.artifact.model_file import read_metadata
from tlpipe.artifact.prediction_file import Tally, header, write_rows
from tlpipe.errors import RunError
from tlpipe.pipeline.atomic import read_json, write_json, writing
from tlpipe.pipeline.digest import file_sha256
from tlpipe.pipeline.shard import Shard

VERSION = 1
_NAMED = 20
# What a record must agree on, and what is said of a share whose record does not.
_WHY_STALE = {
    "version": "made by another version of tlpipe",
    "shard": "of another number of shards",
    "model": "made with another model",
    "list": "made from another list of pictures",
    "options": "made with other options",
    "pictures": "its pictures were changed since",
}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """The whole call, however many shares it is done in.

    Attributes:
        run: a run folder, or a model.keras.
        pictures: files and folders, as ``Classifier.predict`` takes them.
        out: the file that all shares make together; theirs lie beside it.
        format: ``csv`` or ``jsonl``.
        batch_size: pictures in memory at once.
        calibrated: temperature-scaled probabilities.
    """

    run: str
    pictures: tuple[str, ...]
    out: Path
    format: str = "csv"
    batch_size: int = 32
    calibrated: bool = False

    def words(self, shard: Shard) -> list[str]:
        """What follows ``tlpipe`` in the command that makes one share."""
        options = ["--format", self.format, "--out", str(self.out)]
        if self.batch_size != Job.batch_size:
            options += ["--batch-size", str(self.batch_size)]
        if self.calibrated:
            options.append("--calibrated")
        return ["predict", self.run, *self.pictures, *options, "--shard", str(shard)]

    def command(self, shard: Shard) -> str:
        """What to type for one share."""
        return shlex.join(["tlpipe", *self.words(shard)])


@dataclass(frozen=True)
class Done:
    """A share that is finished.

    Attributes:
        file: where its rows are.
        tally: how many they are, and the files that could not be read; of a share that was
            finished before, without their names.
        kept: whether it was finished before.
    """

    file: Path
    tally: Tally
    kept: bool


def predict_all(job: Job, progress: Progress | None = None) -> Tally:
    """Writes ``job.out`` in this process, row by row. Raises as ``Classifier.predict`` does."""
    return _write(job, find_pictures(job.pictures), Shard(), job.out, progress)[0]


def predict_shard(job: Job, shard: Shard, progress: Progress | None = None) -> Done:
    """Writes one share of ``job``, unless it is there already.

    The rows have the same bytes as in the file that :func:`predict_all` writes on this machine: a
    picture also has the same place in its batch.

    Args:
        job: what to predict.
        shard: which share of the list of files.
        progress: takes (done, total), pictures of this share.

    Raises:
        DataError: none of the paths leads to a picture.
        RunError: there is no such run or model.
    """
    files, target = find_pictures(job.pictures), shard.beside(job.out)
    facts = {**_common_facts(job, files), **_own_facts(files, shard)}
    if not _why_not(target, facts):
        record = read_json(_record(target))
        return Done(target, Tally(record["rows"], record["bad"]), kept=True)
    tally, sha256 = _write(job, files, shard, target, progress)
    done = {"rows": tally.rows, "bad": tally.bad, "sha256": sha256}
    write_json(_record(target), {**facts, **done})
    return Done(target, tally, kept=False)


def merge(job: Job, of: int) -> Tally:
    """Puts the ``of`` shares together as ``job.out``: the bytes that one process would write.

    Raises:
        RunError: shares are missing, were made from something else, or were changed. Names them
            and the command that makes them.
        DataError: none of the paths leads to a picture.
    """
    files = find_pictures(job.pictures)
    common = _common_facts(job, files)
    targets, faults = [], {}
    for number in range(1, of + 1):
        shard = Shard(number, of)
        targets.append(shard.beside(job.out))
        if why := _why_not(targets[-1], {**common, **_own_facts(files, shard)}):
            faults[shard] = why
    if faults:
        raise _incomplete(job, of, faults)
    above = header(job.format, read_metadata(model_path(job.run)).probability_names)
    with writing(job.out) as temporary, temporary.open("wb") as whole:
        whole.write(above)
        for target in targets:
            with target.open("rb") as share:
                share.seek(len(above))
                shutil.copyfileobj(share, whole)
    records = [read_json(_record(target)) for target in targets]
    return Tally(sum(r["rows"] for r in records), sum(r["bad"] for r in records))


def _write(
    job: Job, files: Sequence[Path], shard: Shard, target: Path, progress: Progress | None
) -> tuple[Tally, str]:
    """Writes the share's rows into ``target``; returns the tally and the SHA-256 of the bytes."""
    classifier = load(job.run)
    digest = hashlib.sha256()
    with writing(target) as temporary, temporary.open("wb") as file:

        def put(line: bytes) -> None:
            # Of what was meant, not of what is found later: a disk or a twin may have meddled.
            digest.update(line)
            file.write(line)

        put(header(job.format, classifier.metadata.probability_names))
        predictions = classifier.stream(
            files,
            shard.range(len(files)),
            batch_size=job.batch_size,
            calibrated=job.calibrated,
            progress=progress,
        )
        tally = write_rows(put, predictions, job.format, classifier.metadata.probability_names)
    return tally, digest.hexdigest()


def _common_facts(job: Job, files: Sequence[Path]) -> dict:
    """What the rows of every share depend on."""
    options = {
        "format": job.format,
        "batch_size": job.batch_size,
        "calibrated": job.calibrated,
    }
    return {
        "version": VERSION,
        "model": file_sha256(model_path(job.run)),
        "list": _hash_lines(os.fsencode(file) for file in files),
        "options": options,
    }


def _own_facts(files: Sequence[Path], shard: Shard) -> dict:
    """What those of this share depend on besides."""
    mine = (files[i] for i in shard.range(len(files)))
    return {"shard": str(shard), "pictures": _hash_lines(map(_stamp, mine))}


def _why_not(target: Path, facts: dict) -> str:
    """Why the share can't be used as it is; empty when it can."""
    try:
        record = read_json(_record(target))
    except FileNotFoundError:
        return "unfinished" if target.exists() else "missing"
    except ValueError:
        return "its record can't be read"
    for name, why in _WHY_STALE.items():
        if record.get(name) != facts[name]:
            return why
    if not target.exists():
        return "missing"
    return "" if file_sha256(target) == record["sha256"] else "its file was changed since"


def _incomplete(job: Job, of: int, faults: dict[Shard, str]) -> RunError:
    named = [f"{shard} {why}" for shard, why in list(faults.items())[:_NAMED]]
    if len(faults) > _NAMED:
        named.append(f"and {len(faults) - _NAMED} more")
    first = next(iter(faults))
    rest = " (and likewise for the others)" if len(faults) > 1 else ""
    return RunError(
        f"{len(faults)} of {of} shards of '{job.out}' can't be merged.",
        cause="; ".join(named),
        todo=f"`{job.command(first)}`{rest}, then merge again",
    )


def _record(target: Path) -> Path:
    return target.with_name(target.name + ".json")


def _stamp(file: Path) -> bytes:
    try:
        stat = file.stat()
    except OSError as error:
        return f"{error.errno}".encode()
    return f"{stat.st_size} {stat.st_mtime_ns}".encode()


def _hash_lines(lines: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line + b"\0")
    return digest.hexdigest()
