"""Pictures of a data set that TFDS prepared, as files: their encoded bytes, one by one."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from tlpipe.data.folder import PART_NAMES, BadFile, Found, Listing, natural_key
from tlpipe.data.tfds_folder import find
from tlpipe.data.tfds_labels import FILE_NAMES, as_text, check_label, picture_of
from tlpipe.errors import DataError, one_line
from tlpipe.words import counted

_FORMAT = "array_record"


class Records(Traversable):
    """The records of a prepared data set, as files called ``SPLIT/000017`` and so on.

    Where the data set says what a picture's file was called, that follows: ``SPLIT/000017-a.jpg``.
    Any method may be called from any thread.

    Args:
        folder: of one version, that holds ``dataset_info.json``.

    Raises:
        DataError: not a data set of pictures, or not in a format with random access.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            self.builder = tfds.builder_from_directory(str(folder))
        except Exception as error:  # what a damaged or a foreign file makes TFDS raise
            raise DataError(
                f"TFDS can't open the data set in '{folder}'.",
                where=folder,
                cause=one_line(error),
                todo="copy the whole folder again, or prepare it again",
            ) from error
        self._check_format()
        self.features = self.builder.info.features
        self.counts = {name: s.num_examples for name, s in self.builder.info.splits.items()}
        picture = picture_of(self.features, folder)
        self._image = tfds.features.FeaturesDict({picture: self.features[picture]})
        self._skip = {picture: tfds.decode.SkipDecoding()}
        self._picture = picture
        # An empty split has no files.
        self._sources = {name: self._source(name) for name, n in self.counts.items() if n}

    def _check_format(self) -> None:
        there = sorted(one.value for one in self.builder.info.available_file_formats())
        if _FORMAT in there:
            return
        raise DataError(
            f"The data set in '{self.folder}' is in the format {' and '.join(there)}.",
            where=self.folder,
            cause=f"pictures are read in any order, which takes {_FORMAT}",
            todo=f"tfds convert_format --dataset_version_dir={self.folder} "
            f"--out_file_format={_FORMAT} (it needs apache-beam and mlcroissant)",
        )

    def _source(self, split: str) -> Sequence[bytes]:
        try:
            return self.builder.as_data_source(
                split,
                deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES,
                file_format=_FORMAT,
            )
        except Exception as error:  # missing files, another library's reader
            raise DataError(
                f"TFDS can't read the split '{split}' of the data set in '{self.folder}'.",
                where=self.folder,
                cause=one_line(error),
                todo="copy the whole folder again, or prepare it again",
            ) from error

    def raw(self, split: str, number: int) -> bytes:
        """A whole serialised record. Raises OSError when there is none or it is damaged."""
        source = self._sources.get(split, ())
        if not 0 <= number < len(source):
            raise FileNotFoundError(errno.ENOENT, "there is no such record", f"{split}/{number}")
        try:
            return source[number]
        except Exception as error:  # the reader's errors are RuntimeError and ValueError alike
            raise OSError(errno.EIO, one_line(error), f"{split}/{number}") from error

    def picture(self, split: str, number: int) -> bytes:
        """The encoded bytes of a picture, as they were when the data set was made."""
        record = self._image.deserialize_example_np(self.raw(split, number), decoders=self._skip)
        return record[self._picture]

    @property
    def name(self) -> str:
        """The data set's own name."""
        return self.builder.info.name

    def __str__(self) -> str:
        return f"tfds:{self.folder}"

    def joinpath(self, *descendants: str) -> Record:
        """The record that such a path names; it need not be there."""
        return Record(self, "/".join(descendants))

    __truediv__ = joinpath

    def iterdir(self) -> Iterator[Record]:
        """All records, split by split."""
        for split, count in self.counts.items():
            yield from (self / record_name(split, number) for number in range(count))

    def is_dir(self) -> bool:
        """It is one."""
        return True

    def is_file(self) -> bool:
        """It is none."""
        return False

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """Raises IsADirectoryError."""
        raise IsADirectoryError(errno.EISDIR, "it is a data set", str(self))


class Record(Traversable):
    """One picture of a data set, to be read like a file."""

    def __init__(self, records: Records, path: str):
        self.records, self.path = records, path
        self._split, _, name = path.rpartition("/")
        number = name.partition("-")[0]
        self._number = int(number) if number.isascii() and number.isdigit() else -1

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.records}/{self.path}"

    def read_bytes(self) -> bytes:
        """The encoded picture. Raises OSError when there is none or it is damaged."""
        return self.records.picture(self._split, self._number)

    def is_file(self) -> bool:
        """Whether there is such a record."""
        return 0 <= self._number < self.records.counts.get(self._split, 0)

    def is_dir(self) -> bool:
        """It never is."""
        return False

    def joinpath(self, *descendants: str) -> Record:
        """Raises NotADirectoryError."""
        raise NotADirectoryError(errno.ENOTDIR, "it is a record", str(self))

    def iterdir(self) -> Iterator[Record]:
        """Raises NotADirectoryError."""
        raise NotADirectoryError(errno.ENOTDIR, "it is a record", str(self))

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> io.BytesIO:
        """The encoded picture, to be read in the mode ``rb`` only."""
        if mode != "rb":
            raise ValueError(f"a picture is opened as 'rb', not as {mode!r}")
        return io.BytesIO(self.read_bytes())


def record_name(split: str, number: int, file_name: str = "") -> str:
    """What a record is called, with the name of the file it was made of where that is known."""
    # The number stays, so that a record is found without a look at the others.
    return f"{split}/{number:06d}" + (f"-{file_name}" if file_name else "")


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
    known = {name: PART_NAMES[name.lower()] for name in filled if name.lower() in PART_NAMES}
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
