"""What the user knows of the pictures, from a table with a line a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlpipe.audit.given.places import find_places
from tlpipe.data.manifest import Manifest
from tlpipe.data.table import Table, read
from tlpipe.errors import DataError

# Numbers with more different values than this are cut in quarters: a year is not, an age is.
_FEW_VALUES = 8


@dataclass(frozen=True)
class Columns:
    """The table's columns, a value for each row of the manifest.

    Attributes:
        values: by name: an array of float64 (n,), NaN where there is none, of numbers; else of
            str (n,), empty where there is none.
        known: bool (n,): the pictures that the table has a line of.
        unknown: lines about no picture of the manifest.
    """

    values: dict[str, np.ndarray]
    known: np.ndarray
    unknown: int


def read_columns(file: Path, manifest: Manifest) -> Columns:
    """Reads a CSV with a column ``path`` and others.

    Raises:
        DataError: it can't be read, has no other column or no picture of the manifest, or two lines
            about one.
    """
    table = read(file)
    if not table.columns:
        raise DataError(
            f"'{file}' has no column but 'path'.",
            where=file,
            todo="add a column for what you know of the pictures, such as camera or place",
        )
    places = find_places(table, [picture.path for picture in manifest.pictures])
    lines: dict[int, int] = {}
    for number, place in enumerate(places):
        if place is None:
            continue
        if place in lines:
            raise DataError(
                f"'{file}' has two lines about '{table.rows[number].path}'.",
                where=f"{file}, lines {table.rows[lines[place]].line} and "
                f"{table.rows[number].line}",
            )
        lines[place] = number
    total = len(manifest.pictures)
    values = {}
    for name in table.columns:
        texts = [""] * total
        for place, number in lines.items():
            texts[place] = table.rows[number].values[name]
        values[name] = _typed(table, texts)
    known = np.isin(np.arange(total), list(lines))
    return Columns(values, known, places.count(None))


def _typed(table: Table, texts: list[str]) -> np.ndarray:
    given = {text for text in texts if text}
    numbers = {text: table.number(text) for text in given}
    if None in numbers.values() or len(set(numbers.values())) <= _FEW_VALUES:
        return np.array(texts, str)
    return np.array([numbers.get(text, np.nan) for text in texts], np.float64)
