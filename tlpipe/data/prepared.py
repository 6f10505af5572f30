"""Training pictures decoded once: small, on disk, memory-mapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tlpipe.data.manifest import Manifest
from tlpipe.data.mapped import checksum, memory_map
from tlpipe.data.resize import coarsest, resize
from tlpipe.pipeline.atomic import write_json


class Prepared:
    """The training pictures of a manifest, each decoded when it is first asked for.

    A picture is reduced until its short side is ``short_side``, and never enlarged. What comes out
    is a function of the picture alone, whether it was stored or not. Any method may be called from
    any thread.

    Args:
        manifest: the pictures.
        folder: a folder of its own, named after ``facts``; None to store nothing.
        short_side: pixels.
        facts: what the folder's name was made from, written beside the pictures.
        channels: of a picture.
    """

    def __init__(
        self,
        manifest: Manifest,
        folder: Path | None,
        short_side: int,
        facts: dict | None = None,
        channels: int = 3,
    ):
        self.manifest, self.short_side, self.channels = manifest, short_side, channels
        self._shapes = [
            _reduced(p.height, p.width, short_side) if p.split == "train" else (0, 0)
            for p in manifest.pictures
        ]
        ends = np.cumsum([height * width * channels for height, width in self._shapes])
        self._starts = np.concatenate([[0], ends]).astype(np.int64)
        self._values = self._sums = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._values = memory_map(folder / "values.bin", "uint8", (int(ends[-1]),))
            self._sums = memory_map(folder / "checksums.bin", "uint32", (len(self._shapes),))
            self._verified = np.zeros(len(self._shapes), bool)
            if not (folder / "facts.json").exists():
                write_json(folder / "facts.json", facts or {})

    @staticmethod
    def bytes_needed(manifest: Manifest, short_side: int, channels: int = 3) -> int:
        """Size on disk when full."""
        train = (p for p in manifest.pictures if p.split == "train")
        shapes = (_reduced(p.height, p.width, short_side) for p in train)
        return sum(height * width * channels for height, width in shapes)

    def picture(self, index: int, decode: Callable[[int], np.ndarray]) -> np.ndarray:
        """The picture in row ``index``, uint8 (h, w, channels), not to be written to.

        Args:
            index: a training picture's row of the manifest.
            decode: gives the picture, decoded at 1 / its argument (1, 2, 4 or 8) of its size or
                finer.
        """
        height, width = self._shapes[index]
        if self._values is None:
            return self._make(index, decode)
        place = self._values[self._starts[index] : self._starts[index + 1]]
        if not self._whole(index, place):
            place[:] = self._make(index, decode).ravel()
            # Last, so that a kill before this line leaves a picture that counts as missing.
            self._sums[index] = checksum(place)
            self._verified[index] = True
        return place.reshape(height, width, self.channels)

    @property
    def stores(self) -> bool:
        """Whether pictures are kept on disk."""
        return self._values is not None

    def has(self, rows: np.ndarray) -> np.ndarray:
        """Which of the training pictures in ``rows`` are stored whole, bool (n,)."""
        starts = self._starts
        return np.array(
            [self._whole(i, self._values[starts[i] : starts[i + 1]]) for i in rows], bool
        )

    def flush(self) -> None:
        """Hands what was written to the file system, for other machines to see."""
        # Pictures first: a checksum must not be seen before what it is of.
        self._values.flush()
        self._sums.flush()

    def _whole(self, index: int, place: np.ndarray) -> bool:
        if not self._verified[index] and self._sums[index]:
            self._verified[index] = checksum(place) == self._sums[index]
        return bool(self._verified[index])

    def _make(self, index: int, decode: Callable[[int], np.ndarray]) -> np.ndarray:
        picture = self.manifest.pictures[index]
        scale = coarsest(picture.height, picture.width, self.short_side)
        return resize(decode(scale), *self._shapes[index])


def _reduced(height: int, width: int, short_side: int) -> tuple[int, int]:
    scale = min(1.0, short_side / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
