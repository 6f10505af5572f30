"""A table that the user has made: a CSV with a column ``path``, as spreadsheets write it."""

from __future__ import annotations

import csv
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tlpipe.errors import DataError, nearest

_PATH = "path"


@dataclass(frozen=True)
class Row:
    """A line of the file.

    Attributes:
        line: its number, from 1.
        path: what stands in the column ``path``.
        values: the other columns by name, without space around them.
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

    def places(self, paths: Sequence[str]) -> list[int | None]:
        """For each row which of the pictures it is about; None where it is none of them.

        Args:
            paths: of the pictures, relative to the data folder.

        Raises:
            DataError: no row is about any of them.
        """
        exact = {path: place for place, path in enumerate(paths)}
        loose = {_plain(path): place for place, path in enumerate(paths)}
        found = [exact.get(row.path, loose.get(_plain(row.path))) for row in self.rows]
        if all(place is None for place in found):
            shown = f"its first path is '{self.rows[0].path}'" if self.rows else "it has no rows"
            raise DataError(
                f"'{self.file}' names none of the pictures of this run.",
                where=self.file,
                cause=shown,
                todo=f"write paths as in manifest.csv, for example '{paths[0]}'",
            )
        return found


def read(file: Path) -> Table:
    """Reads UTF-8 with or without a byte order mark, divided by commas, semicolons or tabs.

    Raises:
        DataError: no such file, not a table, no column ``path``, a line of another length.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            first = opened.readline()
            delimiter = max(",;\t", key=first.count)
            opened.seek(0)
            lines = csv.reader(opened, delimiter=delimiter, strict=True)
            numbered = [(lines.line_num, [cell.strip() for cell in line]) for line in lines]
    except OSError as error:
        raise DataError(
            f"The table '{file}' can't be read.", where=file, cause=error.strerror
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
        raise DataError(f"The table '{file}' is empty.", where=file)
    names, at = _heading(file, numbered[0][1])
    # A spreadsheet may leave columns without a name at the end.
    columns = tuple(name for i, name in enumerate(names) if name and i != at)
    rows = []
    for number, line in numbered[1:]:
        if len(line) != len(names):
            raise DataError(
                f"A line of '{file}' has {len(line)} cells, and there are {len(names)} columns.",
                where=f"{file}, line {number}",
            )
        cells = dict(zip(names, line, strict=True))
        rows.append(Row(number, line[at], {name: cells[name] for name in columns}))
    return Table(file, columns, tuple(rows), delimiter)


def _heading(file: Path, names: list[str]) -> tuple[list[str], int]:
    """The columns' names, and which of them is the path."""
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(f"'{file}' has two columns '{twice[0]}'.", where=f"{file}, line 1")
    lower = [name.lower() for name in names]
    if _PATH not in lower:
        raise DataError(
            f"'{file}' has no column 'path'.",
            where=f"{file}, line 1",
            cause=f"its columns are {', '.join(names)}"[:300],
            todo=nearest(_PATH, lower),
        )
    return names, lower.index(_PATH)


def _plain(path: str) -> str:
    """As a Windows or a Mac program may have changed it on the way."""
    return unicodedata.normalize("NFC", path.replace("\\", "/")).removeprefix("./")
