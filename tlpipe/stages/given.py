"""What the user gives the audit beside the run: where the object lies, and a table."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tlpipe.audit.subject import Subject
from tlpipe.pipeline.digest import file_sha256
from tlpipe.words import counted


def say_given(subject: Subject) -> None:
    """Reads what the user gave before anything else: what is wrong with it is found at once."""
    total = len(subject.rows(subject.part))
    if subject.objects is not None:
        marked, lost = len(subject.objects.places), subject.objects.cut_off
        subject.run.say(
            f"objects: {marked} of {total} pictures have one"
            + (f", in {lost} more it is cut off" if lost else "")
        )
    if subject.columns is not None:
        known = int(subject.columns.known[subject.rows(subject.part)].sum())
        unknown = subject.columns.unknown
        subject.run.say(
            f"table: {counted(len(subject.columns.values), 'column')}, {known} of {total} pictures"
            + (f"; {counted(unknown, 'line')} about no picture of the data" if unknown else "")
        )


def digest(path: Path) -> str:
    """Of a file its bytes, of a folder its files' names, sizes and times; empty if not there."""
    if path.is_file():
        return file_sha256(path)
    files = sorted((file, file.stat()) for file in path.rglob("*") if file.is_file())
    known = [f"{file.relative_to(path)} {s.st_size} {s.st_mtime_ns}" for file, s in files]
    return hashlib.sha256("\n".join(known).encode("utf-8", "surrogateescape")).hexdigest()
