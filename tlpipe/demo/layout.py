"""A demo laid out as a folder, as a CSV with pictures, or as a data set of TFDS."""

from __future__ import annotations

import csv
import io
import os
import shutil
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tlpipe.config.source import info_of
from tlpipe.demo.solar_cells import LICENCE, LICENCE_TEXT, Cell, cells
from tlpipe.errors import DataError, nearest

Progress = Callable[[int, int], None]

_LICENCE_FILE = "LICENSE.txt"
_DEMOS = {"solar-cells": cells}


def names() -> list[str]:
    """The demos that ``lay_out`` knows."""
    return sorted(_DEMOS)


def lay_out(
    name: str, directory: str | Path, progress: Progress | None = None, *, form: str = "folder"
) -> dict:
    """Writes the demo ``name`` to ``directory``, whole or not at all.

    A folder that holds this demo already is left as it is.

    Args:
        name: one of ``names()``.
        directory: the folder to make; it may exist when it is empty.
        progress: takes (pictures done, pictures in all).
        form: ``folder``: ``CLASS/*``; ``csv``: ``pictures/*`` and ``labels.csv`` with the columns
            path, label, probability, cell (mono or poly) and tags (several labels, joined by
            ``|``); ``tfds``: a prepared data set of TFDS.

    Returns:
        ``directory`` (Path), ``counts`` {class: pictures}, ``licence`` (a sentence to print),
        ``already_there`` (bool) and ``data`` (what to give with --data).

    Raises:
        DataError: the demo or the form is unknown, its wheel is not installed, the folder holds
            other things or can't be written.
    """
    if name not in _DEMOS:
        raise DataError(f"There is no demo '{name}'.", todo=nearest(name, names()))
    if form not in FORMS:
        raise DataError(f"A demo can't be laid out as '{form}'.", todo=nearest(form, FORMS))
    directory = Path(directory)
    found = _DEMOS[name]()
    writer = FORMS[form](found)
    there = _sizes(directory)
    if there and not writer.is_whole(directory, there):
        raise DataError(
            f"The folder '{directory}' already holds other things.",
            where=directory.absolute(),
            cause=f"'{name}' needs a folder of its own, so that nothing of yours is mixed with it",
            todo=f"name a new folder: tlpipe demo {name} FOLDER",
        )
    if not there:
        try:
            _write(directory, writer, progress)
        except OSError as error:
            raise DataError(
                f"Could not write the demo '{name}' to '{directory}'.",
                where=error.filename or directory.absolute(),
                cause=error.strerror or str(error),
                todo="free the disk or name a folder you may write to; nothing was left behind",
            ) from error
    return {
        "directory": directory,
        "counts": dict(Counter(cell.label for cell in found)),
        "licence": LICENCE,
        "already_there": bool(there),
        "data": writer.data.format(directory),
    }


class _Form(ABC):
    """How pictures are laid out.

    Attributes:
        data: what to give with --data, around the folder.
        sorted: what was done with the pictures, for the licence.
    """

    data: str
    sorted: str

    def __init__(self, found: list[Cell]):
        self.cells = found

    @property
    def licence(self) -> bytes:
        """The text that lies beside the pictures."""
        return LICENCE_TEXT.format(sorted=self.sorted).encode()

    @abstractmethod
    def write(self, folder: Path, progress: Progress | None) -> None:
        """Fills an empty folder."""

    @abstractmethod
    def is_whole(self, folder: Path, sizes: dict[str, int]) -> bool:
        """Whether the folder, with these files and their sizes, is what ``write`` makes."""


class _Files(_Form):
    @abstractmethod
    def targets(self) -> dict[str, Path]:
        """Where each picture goes, and the file that it is a copy of."""

    def texts(self) -> dict[str, bytes]:
        """The other files."""
        return {_LICENCE_FILE: self.licence}

    def write(self, folder: Path, progress: Progress | None) -> None:
        targets = self.targets()
        for inner in {Path(target).parent for target in targets}:
            (folder / inner).mkdir(parents=True)
        for done, (target, source) in enumerate(targets.items(), start=1):
            shutil.copyfile(source, folder / target)
            if progress:
                progress(done, len(targets))
        for name, text in self.texts().items():
            (folder / name).write_bytes(text)

    def is_whole(self, folder: Path, sizes: dict[str, int]) -> bool:
        wanted = {target: source.stat().st_size for target, source in self.targets().items()}
        return sizes == wanted | {name: len(text) for name, text in self.texts().items()}


class _Folder(_Files):
    data = "{}"
    sorted = "sorted here into two folders"

    def targets(self) -> dict[str, Path]:
        return {f"{cell.label}/{cell.file.name}": cell.file for cell in self.cells}


class _Csv(_Files):
    data = "{}/labels.csv"
    sorted = "sorted in labels.csv into two classes"

    def targets(self) -> dict[str, Path]:
        return {f"pictures/{cell.file.name}": cell.file for cell in self.cells}

    def texts(self) -> dict[str, bytes]:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("path", "label", "probability", "cell", "tags"))
        for path, cell in zip(self.targets(), self.cells, strict=True):
            writer.writerow((path, cell.label, cell.probability, cell.kind, cell.tags))
        return {**super().texts(), "labels.csv": text.getvalue().encode()}


class _Tfds(_Form):
    data = "tfds:{}"
    sorted = "put here into one data set with two classes"

    def write(self, folder: Path, progress: Progress | None) -> None:
        # Importing TFDS is slow.
        from tlpipe.demo.solar_cells_tfds import prepare

        prepare(self.cells, folder, progress)
        (folder / _LICENCE_FILE).write_bytes(self.licence)

    def is_whole(self, folder: Path, sizes: dict[str, int]) -> bool:
        place = "solar_cells/1.0.0"
        (split,) = info_of(folder / place).get("splits") or [{}]
        shards = split.get("shardLengths", [])
        names = [f"train.array_record-{i:05}-of-{len(shards):05}" for i in range(len(shards))]
        wanted = {f"{place}/solar_cells-{name}" for name in names} | {_LICENCE_FILE}
        wanted |= {
            f"{place}/{name}" for name in ("dataset_info.json", "features.json", "label.labels.txt")
        }
        pictures = sum(cell.file.stat().st_size for cell in self.cells)
        written = sum(size for name, size in sizes.items() if "array_record" in name)
        return (
            set(sizes) == wanted
            and written > pictures
            and sizes[_LICENCE_FILE] == len(self.licence)
        )


FORMS: dict[str, type[_Form]] = {"folder": _Folder, "csv": _Csv, "tfds": _Tfds}


def _sizes(directory: Path) -> dict[str, int]:
    """Bytes of each file below ``directory`` but hidden ones, which file managers leave behind."""
    if directory.exists() and not directory.is_dir():
        raise DataError(
            f"'{directory}' is a file, not a folder.", todo="name a folder that does not exist yet"
        )
    return {
        file.relative_to(directory).as_posix(): file.stat().st_size
        for file in directory.rglob("*")
        if file.is_file() and not file.name.startswith(".")
    }


def _write(directory: Path, writer: _Form, progress: Progress | None) -> None:
    directory = directory.absolute()
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.with_name(f".{directory.name}.{os.getpid()}")
    try:
        partial.mkdir()
        writer.write(partial, progress)
        if directory.exists():
            directory.rmdir()
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
