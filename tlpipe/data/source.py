"""Where pictures come from: a folder, a table (CSV), or a data set of TFDS, seen alike."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from tlpipe.config.source import TFDS, is_table, is_tfds
from tlpipe.data import listed
from tlpipe.data.folder import BESIDE, Listing, list_folder
from tlpipe.errors import ConfigError


def list_data(data: str | Path, *, label: str | None = None, least: int = 2) -> Listing:
    """The pictures that ``data`` names, none of them read yet.

    Args:
        data: a folder with one sub-folder a class, a .csv or .tsv file with the columns path and
            label (a run's manifest.csv too), or ``tfds:NAME[/CONFIG][:VERSION]`` or
            ``tfds:FOLDER`` of a prepared data set.
        label: the table's column, or the data set's feature, that holds the label; ``label`` when
            None.
        least: so many classes are needed; 0 where labels need not be classes and may be empty.

    Raises:
        DataError: it is not there, can't be used, or has fewer classes.
        ConfigError: ``label`` for a folder.
    """
    if is_tfds(data):
        return _tfds().list_records(_place(data), label=label or "label", least=least)
    if is_table(data):
        file, root = Path(data), open_root(data)
        return listed.list_table(file, root, label=label or "label", least=least)
    if label is not None:
        raise ConfigError(
            f"The label can't be taken from '{label}': '{data}' is a folder.",
            where="scan.label",
            cause="in a folder the sub-folder is the label",
            todo="leave --label out, or give a CSV with --data",
        )
    return list_folder(Path(data), least=least)


def open_root(data: str | Path) -> Traversable:
    """What the paths of the pictures are relative to: ``open_root(data) / path`` can be read.

    Raises:
        DataError: a data set of TFDS that is not there.
    """
    if is_tfds(data):
        return _tfds().open_records(_place(data))
    if not is_table(data):
        return Path(data)
    of = listed.origin(Path(data))
    return Path(data).parent if of is None else open_root(of)


def has_named_labels(data: str | Path) -> bool:
    """Whether a column or a feature may be chosen as the label: not of a folder or a manifest."""
    return is_tfds(data) or (is_table(data) and not listed.is_manifest(Path(data)))


def stamps(data: str | Path, *, label: str | None = None, least: int = 2) -> list[Any]:
    """What changes when the pictures or their labels do, without reading them (JSON-able)."""
    if is_tfds(data):
        return _tfds().stamps(_place(data))
    listing = list_data(data, label=label, least=least)
    found = [_stamp(listing.root, file.path) for file in listing.files]
    if is_table(data):
        for stamp, file in zip(found, listing.files, strict=True):
            stamp += [file.label, file.split, file.group]
    # What comes and goes beside the parts is no change of the data.
    return found + [bad.path for bad in listing.set_aside if bad.cause != BESIDE]


def _place(data: str | Path) -> str:
    return str(data).removeprefix(TFDS)


def _tfds():
    # Importing TFDS is slow, and most data are none of its.
    from tlpipe.data import tfds

    return tfds


def _stamp(root: Traversable, path: str) -> list[Any]:
    file = root / path
    if not isinstance(file, Path):
        return [path]
    try:
        stat = file.stat()
    except OSError as error:
        # A link that leads nowhere, say: the scan will name it.
        return [path, error.errno, 0]
    return [path, stat.st_size, stat.st_mtime_ns]
