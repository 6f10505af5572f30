"""One picture of the manifest, plain or augmented, as the network takes it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from tlpipe.data import resize
from tlpipe.data.augment import Augmentation
from tlpipe.data.decode import DecodeError
from tlpipe.data.manifest import Manifest
from tlpipe.data.pixels import RGB, Pixels
from tlpipe.data.prepared import Prepared
from tlpipe.errors import ConfigError, DataError


@dataclass(frozen=True)
class Sampler:
    """Reads pictures one at a time; any method may be called from any thread.

    Attributes:
        manifest: the pictures; ``index`` below counts them.
        size: side of the network's input in pixels.
        mode: how a picture of another shape is fitted: ``crop``, ``pad`` or ``squash``.
        augmentation: what ``augmented`` does; None is the same as the preset ``none``.
        seed: 0 or more; equal (seed, view, index) give equal bytes.
        prepared: where ``augmented`` takes the pictures from; None for the files.
        pixels: how the files' bytes become pixels.

    Raises:
        ConfigError: an unknown mode, a negative seed, an augmentation made for another size.
    """

    manifest: Manifest
    size: int
    mode: str = "crop"
    augmentation: Augmentation | None = None
    seed: int = 0
    prepared: Prepared | None = None
    pixels: Pixels = RGB

    def __post_init__(self) -> None:
        resize.check_mode(self.mode)
        if self.seed < 0:
            raise ConfigError(f"The seed {self.seed} is negative.", todo="choose 0 or more")
        if self.augmentation is not None and self.augmentation.size != self.size:
            raise ConfigError(
                f"The augmentation was made for {self.augmentation.size} pixels, "
                f"the network takes {self.size}.",
                todo=f"load it for {self.size} pixels",
            )

    def plain(self, index: int) -> np.ndarray:
        """The picture without augmentation, as ``evaluate`` and ``predict`` see it.

        Decoded whole and fitted, so that the same file gives the same bytes wherever it is read.

        Returns:
            uint8 (size, size, channels), RGB unless ``pixels`` says otherwise.

        Raises:
            DataError: the file is gone or can't be decoded.
        """
        return resize.fit(self._decode(index), self.size, self.mode)

    def augmented(self, index: int, view: int) -> np.ndarray:
        """View ``view`` of a training picture: a pure function of (seed, view, index).

        Returns:
            uint8 (size, size, channels), RGB unless ``pixels`` says otherwise.

        Raises:
            DataError: the picture is not in the training part, is gone or can't be decoded.
            ConfigError: the user's own pipeline fails on it.
        """
        picture = self.manifest.pictures[index]
        if picture.split != "train":
            raise DataError(
                f"'{picture.path}' is in the part '{picture.split}' and must not be augmented.",
                cause="only training pictures are; the score would be of altered pictures",
                todo="read it plain, or augment pictures of the part 'train'",
            )
        augmentation = self.augmentation
        if augmentation is None or augmentation.is_none:
            return self.plain(index)
        key = {"seed": self.seed, "view": view, "index": index}
        if augmentation.crops_first:
            image = self._random_crop(index, key)
            return augmentation.apply(image, where=picture.path, **key)
        image = augmentation.apply(np.array(self._training(index)), where=picture.path, **key)
        if image.shape[:2] == (self.size, self.size):
            return np.ascontiguousarray(image)
        return resize.fit(image, self.size, self.mode)

    def _random_crop(self, index: int, key: dict[str, int]) -> np.ndarray:
        """Draw the crop, decode no finer than it needs, cut it out and resize it."""
        picture = self.manifest.pictures[index]
        height, width = picture.height, picture.width
        if self.mode != "crop":
            # Drawn in the square that evaluation sees, so that shapes agree with it.
            height = width = max(height, width)
        top, left, bottom, right = self.augmentation.box(height, width, **key)
        # In a squashed picture the box covers these shares of the true height and width.
        tall, wide = (picture.height, picture.width) if self.mode == "squash" else (height, width)
        reduce = resize.coarsest((bottom - top) * tall, (right - left) * wide, self.size)
        image = self._training(index, reduce)
        if self.mode == "pad":
            image = resize.pad_to_square(image)
        rows, columns = image.shape[:2]
        y, x = int(top * rows + 0.5), int(left * columns + 0.5)
        end_y, end_x = int(bottom * rows + 0.5), int(right * columns + 0.5)
        image = image[y : max(y + 1, end_y), x : max(x + 1, end_x)]
        return resize.resize(image, self.size, self.size)

    def _training(self, index: int, reduce: int = 1) -> np.ndarray:
        if self.prepared is None:
            return self._decode(index, reduce)
        return self.prepared.picture(index, partial(self._decode, index))

    def _decode(self, index: int, reduce: int = 1) -> np.ndarray:
        path = self.manifest.root / self.manifest.pictures[index].path
        try:
            return self.pixels.decode(path.read_bytes(), reduce)
        except (OSError, DecodeError) as error:
            raise DataError(
                f"Can't read the picture '{self.manifest.pictures[index].path}'.",
                where=path,
                cause=str(error),
                todo="put it back, or scan the folder again to set it aside",
            ) from error
