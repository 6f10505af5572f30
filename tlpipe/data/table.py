"""A table of pictures that the user has made: a CSV with a column ``path``, as spreadsheets do."""

from __future__ import annotations

import csv
import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tlpipe.errors import DataError, nearest

PATH = "path"


@dataclass(frozen=True)
class Row:
    """A line of the file.

    Attributes:
        line: its number, from 1.
        path: what stands in the column ``path``.
        values: the other columns by name, without space around them unless it was to stay.
    """

    line: int
    path: str
    values: dict[str, str]


@dataclass(frozen=True)
class Table:
    """A whole file.

    Attributes:
        file: where it lies.
        columns: names of all columns but ``path``, as they are written.
        rows: without empty lines.
        delimiter: comma, semicolon or tab.
    """

    file: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    delimiter: str

    def number(self, text: str) -> float | None:
        """A finite number, also one with a decimal comma where commas do not divide; else None."""
        if self.delimiter != ",":
            text = text.replace(",", ".")
        try:
            value = float(text)
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def column(self, name: str) -> str | None:
        """The column of this name, upper or lower case; as it is written, or None."""
        if name in self.columns:
            return name
        return next((c for c in self.columns if c.lower() == name.lower()), None)

    def where(self, row: Row) -> str:
        """A row's place, to be named in a message."""
        return f"{self.file}, line {row.line}"


def read(file: Path, *, trim: bool = True) -> Table:
    """Reads UTF-8 with or without a byte order mark, divided by commas, semicolons or tabs.

    Args:
        file: the table.
        trim: take space around the cells away.

    Raises:
        DataError: no such file, not a table, no column ``path``, a line of another length.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            first = opened.readline()
            delimiter = max(",;\t", key=first.count)
            opened.seek(0)
            lines = csv.reader(opened, delimiter=delimiter, strict=True)
            numbered = [
                (lines.line_num, [cell.strip() if trim else cell for cell in line])
                for line in lines
            ]
    except OSError as error:
        raise DataError(
            f"The table '{file}' can't be read.",
            where=file.absolute(),
            cause=error.strerror,
            todo="check the path, and that you may read the file",
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"'{file}' is not a CSV in UTF-8.",
            where=file,
            cause=str(error),
            todo="save it as CSV (UTF-8), divided by commas, semicolons or tabs",
        ) from None
    numbered = [(number, line) for number, line in numbered if any(line)]
    if not numbered:
        raise DataError(
            f"The table '{file}' is empty.",
            where=file,
            todo="give it a first line with the columns' names, and a line a picture",
        )
    names, at = _heading(file, numbered[0][1])
    # A spreadsheet may leave columns without a name at the end.
    columns = tuple(name for i, name in enumerate(names) if name and i != at)
    rows = []
    for number, line in numbered[1:]:
        if len(line) != len(names):
            raise DataError(
                f"A line of '{file}' has {len(line)} cells, and there are {len(names)} columns.",
                where=f"{file}, line {number}",
                cause=f"it reads {delimiter.join(line)}"[:300],
                todo="mend the line; put a text that holds the divider between double quotes",
            )
        cells = dict(zip(names, line, strict=True))
        rows.append(Row(number, line[at], {name: cells[name] for name in columns}))
    return Table(file, columns, tuple(rows), delimiter)


def _heading(file: Path, names: list[str]) -> tuple[list[str], int]:
    """The columns' names, and which of them is the path."""
    lower = [name.lower() for name in names]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(
            f"'{file}' has two columns '{twice[0]}'.",
            where=f"{file}, line 1",
            todo="rename one of them, or take it away",
        )
    if PATH not in lower:
        raise no_column(file, PATH, names)
    return names, lower.index(PATH)


def no_column(file: Path, wanted: str, names: Iterable[str], *, todo: str = "") -> DataError:
    """That a column is missing: names those there are, and after ``todo`` the nearest."""
    names = [name for name in names if name]
    return DataError(
        f"'{file}' has no column '{wanted}'.",
        where=f"{file}, line 1",
        cause=f"its columns are {', '.join(names)}"[:300],
        todo=todo + nearest(wanted, [name.lower() for name in names]),
    )


def composed(path: str) -> str:
    """The path with what a Windows or a Mac program may have changed put back."""
    return unicodedata.normalize("NFC", path.replace("\\", "/"))


def spellings(path: str) -> Iterable[str]:
    """The path as it is written, and as it may have been before such a program."""
    slashes = path.replace("\\", "/")
    return dict.fromkeys((path, slashes, composed(path), unicodedata.normalize("NFD", slashes)))
