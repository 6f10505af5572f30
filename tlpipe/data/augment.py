"""Random pictures that can be repeated: each a pure function of (seed, view, picture)."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tlpipe.data.pipeline_file import SUFFIXES, read_pipeline
from tlpipe.data.presets import PRESETS, A, preset
from tlpipe.errors import ConfigError, nearest
from tlpipe.words import counted

Box = tuple[float, float, float, float]
"""top, left, bottom, right, each a share of the height or width, in [0, 1]."""

_FINE = 1 << 16
"""Crops are drawn in a square of so many steps, whatever the picture's size."""


@dataclass(frozen=True)
class Augmentation:
    """A pipeline; a preset's leading crop is drawn on its own, before anything is decoded.

    Attributes:
        name: the preset, or the path of the user's file.
        size: side of the network's input in pixels.
        strength: what the preset's ranges were multiplied by.
        channels: of a picture.
        pipeline: the whole pipeline. A template: every thread works on a copy of its own, because
            albumentations keeps its random state in the transforms.
        crops_first: whether the pipeline's first transform is a crop that ``box`` draws.
    """

    name: str
    size: int
    strength: float
    pipeline: A.Compose
    crops_first: bool
    channels: int = 3
    _local: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @property
    def is_none(self) -> bool:
        """Whether there is nothing random in it at all."""
        return not self.pipeline.transforms

    def box(self, height: int, width: int, *, seed: int, view: int, index: int) -> Box:
        """Draw the leading crop for a picture of this shape. Only if ``crops_first``.

        It is drawn in a square of the short side, at a random place along the long side: so the
        subject is as large as evaluation's centre square shows it, and a wide picture, in which a
        crop of nearly its whole area can't be nearly square, gets as many different crops.
        """
        crop, _, numbers = self._mine(seed, view, index, part=0)
        drawn = crop.get_params_dependent_on_data({"shape": (_FINE, _FINE)}, {})["crop_coords"]
        left, top, right, bottom = drawn
        side, slide = min(height, width), numbers.random()
        y, x = slide * (height - side), slide * (width - side)
        step = side / _FINE
        return (
            (y + top * step) / height,
            (x + left * step) / width,
            (y + bottom * step) / height,
            (x + right * step) / width,
        )

    def apply(
        self, image: np.ndarray, *, seed: int, view: int, index: int, where: object | None = None
    ) -> np.ndarray:
        """Everything but the leading crop.

        Args:
            image: uint8 (H, W, channels); with ``crops_first`` the crop, (size, size, channels).
            seed: the run's seed, 0 or more.
            view: the number of the view, 0 or more.
            index: the picture's index in the manifest.
            where: the picture's name, for messages.

        Returns:
            uint8 (h, w, channels), of any size where the user's own pipeline changes it.

        Raises:
            ConfigError: the pipeline fails on this picture, or gives something else.
        """
        _, rest, _ = self._mine(seed, view, index, part=1)
        if not rest.transforms:
            return image
        try:
            result = rest(image=image)["image"]
        except MemoryError:
            raise
        except Exception as error:  # a transform may raise anything
            height, width = image.shape[:2]
            raise ConfigError(
                f"The augmentation '{self.name}' fails on a picture of {width}x{height} pixels.",
                where=where,
                cause=f"{type(error).__name__}: {error}",
                todo="mend the pipeline; a crop larger than a picture needs pad_if_needed: true",
            ) from error
        if not _is_picture(result, self.channels):
            kind = "an RGB picture" if self.channels == 3 else counted(self.channels, "channel")
            raise ConfigError(
                f"The augmentation '{self.name}' does not give {kind} of 8 bits.",
                where=where,
                cause=f"it gives {_kind(result)}",
                todo="leave out Normalize, ToFloat and ToTensorV2: the network does that itself",
            )
        return result

    def describe(self) -> dict:
        """What is needed to repeat it, ready for JSON; ``pipeline`` is what ``A.save`` writes."""
        buffer = io.StringIO()
        A.save(self.pipeline, buffer)
        return {
            "name": self.name,
            "size": self.size,
            "strength": self.strength,
            "crops_first": self.crops_first,
            "pipeline": json.loads(buffer.getvalue()),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of what it does, whatever the file's name is."""
        kept = {**self.describe(), "name": None}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    def _mine(
        self, *key: int, part: int
    ) -> tuple[A.RandomResizedCrop | None, A.Compose, np.random.Generator]:
        """This thread's own crop, rest and generator, at the start of the key's stream.

        Args:
            key: seed, view and index.
            part: 0 for the crop, 1 for the rest.
        """
        if not hasattr(self._local, "parts"):
            rest, crop = copy.deepcopy(self.pipeline), None
            numbers, py_random = np.random.default_rng(), random.Random()
            # Every child draws from the same two generators, one after another, so their draws are
            # independent. (Seeded by number, each would get the same stream for itself.)
            rest.set_random_state(numbers, py_random)
            if self.crops_first:
                crop, *rest.transforms = rest.transforms
            self._local.parts = crop, rest, numbers, py_random
        crop, rest, numbers, py_random = self._local.parts
        _restart(numbers, py_random, (*key, part))
        return crop, rest, numbers


def load(spec: str | Path, size: int, strength: float = 1.0, channels: int = 3) -> Augmentation:
    """Load a preset, or a user's own pipeline file, and try it.

    Args:
        spec: ``none``, ``light``, ``medium``, ``strong``, or the path of a ``.json`` or ``.yaml``
            file in albumentations' serialised form.
        size: side of the network's input in pixels.
        strength: multiplies the ranges of a preset, in (0, 2]; a file has its own: 1.
        channels: of the pictures.

    Raises:
        ConfigError: an unknown preset, a strength out of range, a file that is not a pipeline, or
            a pipeline that fails, gives no 8-bit RGB picture, or can't be repeated.
    """
    if not 0 < strength <= 2:
        raise ConfigError(
            f"The augmentation strength {strength} is out of range.", todo="choose from 0.1 to 2"
        )
    name = str(spec)
    if name in PRESETS:
        transforms = preset(name, size, strength, channels)
        augmentation = Augmentation(
            name, size, strength, A.Compose(transforms), bool(transforms), channels
        )
    elif isinstance(spec, Path) or Path(name).suffix.lower() in SUFFIXES or Path(name).is_file():
        if strength != 1:
            raise ConfigError(
                f"The strength {strength} does not apply to the pipeline file '{name}'.",
                cause="strength scales the presets only",
                todo="set the ranges in the file",
            )
        pipeline = read_pipeline(Path(spec))
        augmentation = Augmentation(name, size, strength, pipeline, False, channels)
    else:
        raise ConfigError(
            f"Unknown augmentation '{name}'.",
            todo=nearest(name, PRESETS) + " (or give the path of a .json or .yaml pipeline)",
        )
    _try(augmentation)
    return augmentation


def _try(augmentation: Augmentation, views: int = 4) -> None:
    """Run it on a made-up picture, twice in opposite orders: it must work, and repeat itself."""
    shape = (augmentation.size,) * 2 if augmentation.crops_first else (768, 1024)
    shape += (augmentation.channels,)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def run(view: int) -> np.ndarray:
        return augmentation.apply(image.copy(), seed=0, view=view, index=0)

    first = [run(view) for view in range(views)]
    second = [run(view) for view in reversed(range(views))][::-1]
    if not all(np.array_equal(one, other) for one, other in zip(first, second, strict=True)):
        raise ConfigError(
            f"The augmentation '{augmentation.name}' can't be repeated.",
            cause="with the same random state it gives different pictures",
            todo="leave out the transform that draws from a random state of its own",
        )


def _restart(numbers: np.random.Generator, py_random: random.Random, key: tuple[int, ...]) -> None:
    """Put both generators at the start of the streams of (seed, view, index, part).

    New generators, seeded by NumPy's SeedSequence, would take a tenth of a small picture's time,
    and no other thread could run meanwhile.
    """
    digest = hashlib.blake2b(b"%d %d %d %d" % key, digest_size=64).digest()
    first, second = int.from_bytes(digest[:32]), int.from_bytes(digest[32:])
    # Any state will do, and any odd increment (O'Neill 2014, HMC-CS-2014-0905).
    state = {"state": first >> 128, "inc": first & ((1 << 128) - 1) | 1}
    numbers.bit_generator.state = {
        "bit_generator": "PCG64", "state": state, "has_uint32": 0, "uinteger": 0
    }  # fmt: skip
    py_random.seed(second)


def _is_picture(result: object, channels: int) -> bool:
    return (
        isinstance(result, np.ndarray)
        and result.dtype == np.uint8
        and result.ndim == 3
        and result.shape[2] == channels
        and result.size > 0
    )


def _kind(result: object) -> str:
    if isinstance(result, np.ndarray):
        return f"{result.dtype} of shape {result.shape}"
    return type(result).__name__
