"""The split as a file: one row a picture, read by every later command."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from functools import cached_property
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from tlpipe.data.folder import natural_key
from tlpipe.data.machine import usable_cores
from tlpipe.data.scan import PARTS, Picture, Progress
from tlpipe.errors import DataError
from tlpipe.pipeline.atomic import writing
from tlpipe.words import counted

COLUMNS = tuple(field.name for field in fields(Picture))


@dataclass(frozen=True)
class Manifest:
    """The pictures of a run and the part each belongs to.

    Attributes:
        root: what the paths are relative to, such as the data folder; not written to the file, so
            that a folder may move.
        pictures: one a row.
    """

    root: Traversable
    pictures: tuple[Picture, ...]

    @cached_property
    def class_names(self) -> list[str]:
        """The classes in natural order: position is label."""
        return sorted({picture.label for picture in self.pictures}, key=natural_key)

    @cached_property
    def labels(self) -> np.ndarray:
        """int32 (n,): the class of each picture as a position in ``class_names``."""
        number = {name: i for i, name in enumerate(self.class_names)}
        return np.array([number[picture.label] for picture in self.pictures], np.int32)

    @cached_property
    def digest(self) -> str:
        """The split hash: SHA-256 of the file that ``write`` makes, 64 hex digits."""
        return hashlib.sha256(self._csv()).hexdigest()

    def indices(self, part: str) -> np.ndarray:
        """int64 (k,): the rows of "train", "val" or "test"."""
        if part not in PARTS:
            raise ValueError(f"{part!r} is none of {', '.join(PARTS)}")
        rows = [i for i, picture in enumerate(self.pictures) if picture.split == part]
        return np.array(rows, np.int64)

    def groups(self, rows: np.ndarray) -> np.ndarray | None:
        """int64 (k,): which of the pictures in ``rows`` belong together; None where none do."""
        pictures = [self.pictures[row] for row in rows]
        # A group and a path may be called the same.
        names = [("group", p.group) if p.group else ("alone", p.path) for p in pictures]
        number = {name: i for i, name in enumerate(dict.fromkeys(names))}
        return np.array([number[n] for n in names]) if len(number) < len(names) else None

    def write(self, path: Path) -> None:
        """Write a plain UTF-8 CSV, whole or not at all."""
        with writing(path) as temporary:
            temporary.write_bytes(self._csv())

    @classmethod
    def read(cls, path: Path, root: Traversable | None = None) -> Manifest:
        """Read what ``write`` made.

        Args:
            path: the CSV file.
            root: see the class; the folder of the file when None.

        Raises:
            DataError: no such file, or not a manifest; the line is named.
        """
        path = Path(path)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.reader(file))
        except OSError as error:
            raise DataError(
                f"The manifest {str(path)!r} can't be read.",
                where=path,
                cause=error.strerror,
                todo="restore the file, or make the split again in a new run",
            ) from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise _broken(path, 1, str(error)) from error
        if not rows or tuple(rows[0]) != COLUMNS:
            raise _broken(path, 1, f"the first line must be {','.join(COLUMNS)}")
        pictures = tuple(_picture(row, path, line) for line, row in enumerate(rows[1:], 2))
        seen: set[str] = set()
        for line, picture in enumerate(pictures, 2):
            if picture.path in seen:
                raise _broken(path, line, f"{picture.path!r} is there twice")
            seen.add(picture.path)
        return cls(path.parent if root is None else root, pictures)

    def verify(self, progress: Progress | None = None) -> None:
        """Check that every file is the one that was divided, by size and SHA-256.

        Raises:
            DataError: pictures are missing or changed; the first five are named.
        """
        wrong = []
        with ThreadPoolExecutor(usable_cores()) as pool:
            # In slices: a queue of a million would take a gigabyte.
            for start in range(0, len(self.pictures), 512):
                faults = pool.map(self._fault, self.pictures[start : start + 512])
                for done, fault in enumerate(faults, start + 1):
                    if fault:
                        wrong.append(fault)
                    if progress:
                        progress(done, len(self.pictures))
        if wrong:
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise DataError(
                f"{len(wrong)} of {counted(len(self.pictures), 'picture')} changed or went missing "
                "after the split was made.",
                where=self.root,
                cause="; ".join(wrong[:5]) + more,
                todo="put the files back, or start a new run in another folder",
            )

    def _fault(self, picture: Picture) -> str | None:
        try:
            data = (self.root / picture.path).read_bytes()
        except FileNotFoundError:
            return f"{picture.path} is missing"
        except OSError as error:
            return f"{picture.path} can't be read ({error.strerror})"
        if len(data) != picture.bytes:
            return f"{picture.path} changed ({picture.bytes} bytes, now {len(data)})"
        same = hashlib.sha256(data).hexdigest() == picture.sha256
        return None if same else f"{picture.path} changed (other content)"

    def _csv(self) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for picture in self.pictures:
            writer.writerow("" if value is None else value for value in astuple(picture))
        return text.getvalue().encode("utf-8")


def _picture(row: Sequence[str], path: Path, line: int) -> Picture:
    try:
        values = dict(zip(COLUMNS, row, strict=True))
        numbers = {name: int(values[name]) for name in ("width", "height", "bytes")}
    except ValueError as error:
        raise _broken(path, line, f"the values don't fit the columns: {error}") from error
    part = values["split"] or None
    if part not in (None, *PARTS):
        raise _broken(path, line, f"the part {part!r} is none of {', '.join(PARTS)}")
    return Picture(**{**values, **numbers, "split": part})


def _broken(path: Path, line: int, cause: str) -> DataError:
    return DataError(
        f"{str(path)!r} is not a manifest of tlpipe.",
        where=f"{path}, line {line}",
        cause=cause,
        todo="restore the file, or make the split again in a new run",
    )
