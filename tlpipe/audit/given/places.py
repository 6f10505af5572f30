"""Which pictures the rows of a user's table are about."""

from __future__ import annotations

from collections.abc import Sequence

from tlpipe.data.table import Table, composed
from tlpipe.errors import DataError


def find_places(table: Table, paths: Sequence[str]) -> list[int | None]:
    """For each row which of the pictures it is about; None where it is none of them.

    Args:
        table: of ``tlpipe.data.table.read``.
        paths: of the pictures, as in the manifest.

    Raises:
        DataError: no row is about any of them.
    """
    exact = {path: place for place, path in enumerate(paths)}
    loose = {_plain(path): place for place, path in enumerate(paths)}
    found = [exact.get(row.path, loose.get(_plain(row.path))) for row in table.rows]
    if all(place is None for place in found):
        shown = f"its first path is '{table.rows[0].path}'" if table.rows else "it has no rows"
        raise DataError(
            f"'{table.file}' names none of the pictures of this run.",
            where=table.file,
            cause=shown,
            todo=f"write paths as in manifest.csv, for example '{paths[0]}'",
        )
    return found


def _plain(path: str) -> str:
    return composed(path).removeprefix("./")
