"""The pictures of some files as the network takes them, and why others can't be read."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources.abc import Traversable

import numpy as np

from tlpipe.artifact.model_file import Metadata
from tlpipe.data.decode import DecodeError
from tlpipe.data.resize import fit


def read(
    about: Metadata, files: Sequence[Traversable]
) -> tuple[dict[int, np.ndarray], dict[int, str]]:
    """Both by the file's place among ``files``.

    Returns:
        Pictures, uint8 (size, size, channels), and in words why a file could not be read.
    """
    pictures: dict[int, np.ndarray] = {}
    errors: dict[int, str] = {}
    for number, file in enumerate(files):
        try:
            pixels = about.pixels.decode(file.read_bytes())
            pictures[number] = fit(pixels, about.size, about.resize)
        except DecodeError as error:
            errors[number] = str(error)
        except OSError as error:
            errors[number] = error.strerror or str(error)
    return pictures, errors
