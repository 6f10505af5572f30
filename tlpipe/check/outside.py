"""Nothing is written among the pictures."""

from __future__ import annotations

from pathlib import Path

from tlpipe.config.source import is_table, is_tfds
from tlpipe.errors import DataError


def check_outside(file: Path, data: str) -> None:
    """Whether a result may be written to ``file``, before anything is read.

    Raises:
        DataError: it lies in the folder of pictures, or is a folder.
    """
    if file.is_dir():
        raise DataError(f"'{file}' is a folder; a file is needed.", todo="name a file")
    a_folder = not is_table(data) and not is_tfds(data)
    if a_folder and file.resolve().is_relative_to(Path(data).resolve()):
        raise DataError(
            f"'{file}' would lie in the folder of pictures.",
            cause="nothing in there is to be touched",
            todo="name another place with --html or --json",
        )
    if is_table(data) and file.resolve() == Path(data).resolve():
        raise DataError(f"'{file}' is the table itself.", todo="name another file")
