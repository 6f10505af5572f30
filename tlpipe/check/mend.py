"""``--fix``: a table of the pictures that are in order, beside one of those that are left out."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlpipe.check.duplicates import Same, same_pictures
from tlpipe.check.subject import Subject
from tlpipe.config.source import is_table
from tlpipe.data.groups import components, name_groups
from tlpipe.data.scan import Picture
from tlpipe.data.source import open_root
from tlpipe.errors import DataError
from tlpipe.pipeline.atomic import writing

LABELS, LEFT_OUT = "labels.csv", "left_out.csv"
# Of copies in several parts the one stays that is tested on.
_KEPT = {"test": 0, "val": 1, "train": 2, None: 3}


@dataclass(frozen=True)
class Mended:
    """What was written: the table, and how many pictures are in it and not."""

    table: Path
    kept: int
    left_out: int


def check_target(data: str, folder: Path) -> None:
    """Whether ``folder`` may be written to, before anything is read.

    Raises:
        DataError: the data are no files, or the folder is theirs or holds other things.
    """
    root = open_root(data)
    if not isinstance(root, Path):
        raise DataError(
            f"'{data}' can't be fixed with --fix.",
            cause="its pictures lie in records and are no files that a table could name",
            todo="leave --fix out, and mend what the data set was made from",
        )
    there = set(os.listdir(folder)) if folder.is_dir() else set()
    if not is_table(data) and folder.resolve().is_relative_to(root.resolve()):
        raise DataError(
            f"The folder '{folder}' lies in the folder of pictures.",
            cause="nothing in there is to be touched",
            todo="choose another folder with --fix",
        )
    if is_table(data) and Path(data).resolve().parent == folder.resolve():
        raise DataError(
            f"The folder '{folder}' holds the table '{data}' itself.",
            cause="a table of the same name will be written",
            todo="choose another folder with --fix",
        )
    if folder.exists() and not folder.is_dir():
        raise DataError(f"'{folder}' is a file.", todo="name a new folder with --fix")
    if there and (LEFT_OUT not in there or there - {LABELS, LEFT_OUT}):
        other = min(there - {LEFT_OUT})
        raise DataError(
            f"The folder '{folder}' holds other things, such as '{other}'.",
            todo="name a new folder with --fix, so that nothing of yours is written over",
        )


def mend(subject: Subject, folder: Path) -> Mended:
    """Writes ``labels.csv`` (path, label, split, group) and ``left_out.csv`` (path, label, cause).

    Left out are files that can't be read or used, all but one of exact copies, all copies whose
    labels differ, and copies in train or val of what is given to val or test. Near copies stay, in
    a common group. Paths are relative to the folder; nothing else is written anywhere.
    """
    found = same_pictures(subject)
    causes = _causes(found)
    kept = [picture for picture in subject.pictures if picture.path not in causes]
    group_of = name_groups(components(kept, subject.duplicates, {}), {})
    base = _base(subject, folder)
    labels = {file.path: file.label for file in subject.listing.files}
    left_out = [
        *((bad.path, labels.get(bad.path, ""), bad.cause) for bad in subject.listing.set_aside),
        *((bad.path, labels[bad.path], bad.cause) for bad in subject.bad),
        *((p.path, p.label, causes[p.path]) for p in subject.pictures if p.path in causes),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(base(path), label, cause) for path, label, cause in left_out]
    # First, so that a folder with a table in it is known to be ours.
    _write(folder / LEFT_OUT, ("path", "label", "cause"), rows)
    rows = [(base(p.path), p.label, p.split or "", group_of[p.path]) for p in kept]
    _write(folder / LABELS, ("path", "label", "split", "group"), rows)
    return Mended(folder / LABELS, len(kept), len(left_out))


def _causes(found: Sequence[Same]) -> dict[str, str]:
    """Why a picture that can be read is left out, by path."""
    causes = {}
    for same in found:
        if same.conflict:
            for picture in same.pictures:
                other = same.against(picture)
                causes[picture.path] = f"the same picture as {other.path}, labelled {other.label!r}"
            continue
        best = min(same.pictures, key=lambda picture: _KEPT[picture.split])
        first: dict[str, Picture] = {}
        for picture in sorted(same.pictures, key=lambda picture: _KEPT[picture.split]):
            twin = first.setdefault(picture.sha256, picture)
            if twin is not picture:
                causes[picture.path] = f"an exact copy of {twin.path}"
            elif same.leak and picture.split != best.split:
                causes[picture.path] = f"a copy of {best.path}, which is given to {best.split}"
    return causes


def _base(subject: Subject, folder: Path):
    """What makes a path of the data relative to ``folder``."""
    # Both real: ".." of a link leads to where the link leads.
    root, start = Path(subject.listing.root).resolve(), folder.resolve()
    return lambda path: Path(os.path.relpath(root / path, start)).as_posix()


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
