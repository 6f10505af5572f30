"""The records of a data set that TFDS prepared, as files: their encoded bytes, one by one."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from tlpipe.data.tfds_labels import picture_of
from tlpipe.errors import DataError, one_line

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
