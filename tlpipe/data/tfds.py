"""Pictures of a data set that TFDS prepared: which there are, and where they are read."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from tlpipe.data.folder import BadFile, Found, Listing, natural_key, part_named
from tlpipe.data.tfds_folder import find
from tlpipe.data.tfds_labels import FILE_NAMES, as_text, check_label
from tlpipe.data.tfds_records import Records, record_name
from tlpipe.errors import DataError
from tlpipe.words import counted


def open_records(place: str) -> Records:
    """The data set that ``tfds_folder.find`` finds; opened once a process while it stays the same.

    Raises:
        DataError: it is not there, or can't be read.
    """
    folder = find(place)
    return _opened(folder, _files(folder))


def stamps(place: str) -> list[list[Any]]:
    """Names, sizes and times of the prepared files."""
    return [list(file) for file in _files(find(place))]


def list_records(place: str, *, label: str = "label", least: int = 2) -> Listing:
    """List the records; the parts are the data set's own splits, when it has more than one.

    Args:
        place: see ``tfds_folder.find``.
        label: the feature that holds the label.
        least: so many classes are needed; 0 where labels need not be classes and may be empty.

    Raises:
        DataError: not there, no such feature, too few classes, or splits of no known name.
    """
    records = open_records(place)
    check_label(records.features, label, records.folder)
    parts = _parts(records)
    files, set_aside = [], []
    for file in _listed(records, tuple(parts.items()), label):
        if isinstance(file, BadFile):
            set_aside.append(file)
        elif file.label or least == 0:
            files.append(file)
        else:
            set_aside.append(BadFile(file.path, f"its {label} is empty"))
    listing = Listing(
        root=records,
        class_names=sorted({file.label for file in files}, key=natural_key),
        files=files,
        set_aside=set_aside,
        ignored={
            f"of the split '{name}'": count
            for name, count in records.counts.items()
            if name not in parts and count
        },
        empty_classes=[],
    )
    if not files or len(listing.class_names) < least:
        found = counted(len(listing.class_names), "class")
        raise DataError(
            f"'tfds:{place}' has {found} in {counted(len(files), 'picture')}; "
            f"{max(least, 1)} needed.",
            where=f"{records.folder}, feature '{label}'",
            cause=f"{set_aside[0].path}: {set_aside[0].cause}" if set_aside else None,
            todo="name another feature with --label, or another data set with --data",
        )
    return listing


def _parts(records: Records) -> dict[str, str | None]:
    """The splits that are used, and which part each is."""
    filled = [name for name, count in records.counts.items() if count]
    if len(filled) == 1:
        return {filled[0]: None}
    known = {name: part for name in filled if (part := part_named(name)) is not None}
    if filled and "train" not in known.values():
        raise DataError(
            f"The data set in '{records.folder}' has no split 'train'.",
            where=records.folder,
            cause=f"its splits are {', '.join(filled)}",
            todo="write its pictures to files, and a CSV with the columns path,label,split",
        )
    return known


@lru_cache(maxsize=4)
def _opened(folder: Path, files: tuple) -> Records:
    return Records(folder)


@lru_cache(maxsize=4)
def _listed(records: Records, parts: tuple, label: str) -> tuple[Found | BadFile, ...]:
    """All records of these splits; ``records`` is one object while the files stay the same."""
    features = records.features
    names = [name for name in FILE_NAMES if name in features]
    some = tfds.features.FeaturesDict({name: features[name] for name in {label, *names[:1]}})
    found = []
    for split, part in parts:
        for number in range(records.counts[split]):
            try:
                record = some.deserialize_example_np(records.raw(split, number))
            except OSError as error:
                cause = f"can't be read: {error.strerror}"
                found.append(BadFile(record_name(split, number), cause))
                continue
            file = as_text(features[names[0]], record[names[0]]) if names else ""
            path = record_name(split, number, file.replace("\\", "/").rpartition("/")[2])
            found.append(Found(path, as_text(features[label], record[label]), part))
    return tuple(sorted(found, key=lambda file: natural_key(file.path)))


def _files(folder: Path) -> tuple[tuple[str, int, int], ...]:
    found = []
    for file in sorted(folder.iterdir()):
        stat = file.stat()
        found.append((file.name, stat.st_size, stat.st_mtime_ns))
    return tuple(found)
