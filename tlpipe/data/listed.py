"""What a table of pictures names: paths with labels, and the parts and groups that are given."""

from __future__ import annotations

import unicodedata
from importlib.resources.abc import Traversable
from pathlib import Path, PurePath

from tlpipe.config.load import read_yaml
from tlpipe.config.source import is_tfds
from tlpipe.data.folder import (
    ODD_NAME,
    PART_NAMES,
    BadFile,
    Found,
    Listing,
    natural_key,
    part_named,
    unsupported,
)
from tlpipe.data.manifest import COLUMNS
from tlpipe.data.table import Row, Table, no_column, read, spellings
from tlpipe.errors import DataError, nearest
from tlpipe.words import counted, shown

_MISSING = "there is no such file"


def list_table(file: Path, root: Traversable, *, label: str = "label", least: int = 2) -> Listing:
    """List the pictures of a CSV with the columns path, ``label``, and perhaps split and group.

    Rows whose file is missing are set aside.

    Args:
        file: the table, see ``tlpipe.data.table.read``.
        root: what its paths are relative to.
        label: the column that holds the label.
        least: so many classes are needed; 0 where labels need not be classes and may be empty.

    Raises:
        DataError: not a table of pictures; the file, the line and the value are named.
    """
    if not file.exists():
        raise DataError(
            f"There is no file '{file}'.",
            where=file.absolute(),
            todo="check the spelling, or give another table or folder with --data",
        )
    # What a run has written is taken to the letter.
    table = read(file, trim=not is_manifest(file))
    files: dict[str, tuple[Row, Found]] = {}
    set_aside: dict[str, BadFile] = {}
    for row, label_given, split, group in _rows(table, label, empty=least == 0):
        path, cause = _find(root, row.path)
        if cause is not None:
            set_aside[path] = BadFile(path, cause)
            continue
        found = Found(path, label_given, split, group)
        first, known = files.setdefault(path, (row, found))
        if known != found:
            raise _two_answers(table, first, row, label)
    if not files:
        raise _nothing(table, root, list(set_aside.values()))
    listing = Listing(
        root=root,
        class_names=sorted({found.label for _, found in files.values()}, key=natural_key),
        files=sorted((found for _, found in files.values()), key=lambda f: natural_key(f.path)),
        set_aside=list(set_aside.values()),
        ignored={},
        empty_classes=[],
    )
    if len(listing.class_names) < least:
        missing = counted(len(set_aside), "row")
        raise DataError(
            f"Only one class with pictures was found ({listing.class_names[0]!r}); "
            f"{least} are needed.",
            where=f"{file}, column '{label}'",
            cause=f"{missing} left out: {_MISSING}" if set_aside else None,
            todo="add rows of another class, or name the column of the classes with --label",
        )
    return listing


def origin(file: Path) -> str | None:
    """The data of the run whose manifest this is; None for any other table.

    Raises:
        ConfigError: the config.yaml beside it is not one.
        DataError: it names the manifest itself.
    """
    config = file.parent / "config.yaml"
    if not config.is_file() or not is_manifest(file):
        return None
    stages = read_yaml(config, "config.yaml of a run").get("stages")
    scan = stages.get("scan") if isinstance(stages, dict) else None
    data = scan.get("data") if isinstance(scan, dict) else None
    if not isinstance(data, str):
        return None
    if not is_tfds(data) and Path(data).resolve() == file.resolve():
        raise DataError(
            f"'{config}' says that the pictures of '{file}' are those of this very file.",
            where=config,
            todo="write the folder of the pictures there, as stages: scan: data",
        )
    return data


def is_manifest(file: Path) -> bool:
    """Whether a table has the columns that a run's split is written with."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as opened:
            return opened.readline().strip() == ",".join(COLUMNS)
    except OSError:
        # Reading it as a table says what is wrong.
        return False


def _rows(table: Table, label: str, *, empty: bool):
    """Each row with its label, part and group; whether a label may be ``empty``."""
    labels = table.column(label)
    if labels is None:
        todo = "name the column that holds the label with --label; "
        raise no_column(table.file, label, table.columns, todo=todo)
    splits, groups = table.column("split"), table.column("group")
    for row in table.rows:
        text = unicodedata.normalize("NFC", row.values[labels])
        if empty and table.number(text) is not None:
            # A decimal comma, where commas do not divide.
            text = text.replace(",", ".")
        if not row.path or not (text or empty):
            raise DataError(
                f"A row of '{table.file}' has no {'label' if row.path else 'path'}.",
                where=table.where(row),
                cause=f"the label of '{row.path}' is empty" if row.path else "its path is empty",
                todo=f"fill in the column '{labels if row.path else 'path'}', or delete the row",
            )
        group = row.values[groups] if groups else ""
        yield row, text, _part(table, row, row.values[splits] if splits else ""), group


def _part(table: Table, row: Row, name: str) -> str | None:
    part = part_named(name)
    if name and part is None:
        raise DataError(
            f"The split '{name}' of '{row.path}' is unknown.",
            where=table.where(row),
            todo=nearest(name.lower(), PART_NAMES) + "; or leave the cells empty",
        )
    return part


def _find(root: Traversable, text: str) -> tuple[str, str | None]:
    """The path as it leads to a file, and why it can't be used."""
    if shown(text) != text:
        return shown(text), ODD_NAME
    try:
        there = next((path for path in spellings(text) if (root / path).is_file()), None)
    except OSError as error:
        return text, error.strerror
    if there is None:
        is_folder = (root / text).is_dir()
        return text, "it is a folder, not a picture" if is_folder else _MISSING
    path = PurePath(there)
    if isinstance(root, Path) and path.is_absolute() and path.is_relative_to(root.absolute()):
        path = path.relative_to(root.absolute())
    return path.as_posix(), unsupported(path.suffix)


def _two_answers(table: Table, first: Row, second: Row, label: str) -> DataError:
    name = next(
        (
            name
            for name in (label, "split", "group")
            if _cell(table, first, name) != _cell(table, second, name)
        ),
        label,
    )
    return DataError(
        f"'{table.file}' names '{second.path}' twice, with another {name}.",
        where=f"{table.file}, lines {first.line} and {second.line}",
        cause=f"{name} is '{_cell(table, first, name)}' and '{_cell(table, second, name)}'",
        todo="keep the line that is right; several labels a picture go into one cell: a|b",
    )


def _cell(table: Table, row: Row, name: str) -> str:
    column = table.column(name)
    return row.values[column] if column else ""


def _nothing(table: Table, root: Traversable, bad: list[BadFile]) -> DataError:
    if not bad:
        return DataError(
            f"'{table.file}' has no rows.",
            where=table.file,
            todo="add a line for each picture below the columns' names",
        )
    return DataError(
        f"None of the {counted(len(bad), 'picture')} of '{table.file}' can be used.",
        where=table.file,
        cause=f"{bad[0].path}: {bad[0].cause}; looked for in '{root}'",
        todo="write paths relative to the table's folder, or whole ones",
    )
