"""What the trained part of the network reads: pictures, or what the frozen part made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import keras
import numpy as np

from tlpipe.data.loader import batches
from tlpipe.data.sample import Sampler

Batch = tuple[np.ndarray, np.ndarray]


class Source(Protocol):
    """Delivers pictures, or activations, in batches and in the order asked for."""

    def stream(self, indices: np.ndarray, view: int | None) -> Iterator[Batch]:
        """Yields (values (b, ...), manifest rows int64 (b,)); view None is not augmented."""


class Pictures:
    """uint8 pictures straight from the files."""

    def __init__(self, sampler: Sampler, batch_size: int):
        self.sampler, self.batch_size = sampler, batch_size

    def stream(self, indices: np.ndarray, view: int | None) -> Iterator[Batch]:
        """Yields (uint8 (b, size, size, 3), rows)."""
        yield from batches(self.sampler, indices, view=view, batch_size=self.batch_size)


class Activations:
    """The frozen ``prefix`` applied to what ``upstream`` delivers.

    Batches are padded to full size before the prefix sees them, so that a picture's activation
    has the same bits whichever batch it arrives in.
    """

    def __init__(self, upstream: Source, prefix: keras.Model, batch_size: int):
        self.upstream, self.prefix, self.batch_size = upstream, prefix, batch_size

    def stream(self, indices: np.ndarray, view: int | None) -> Iterator[Batch]:
        """Yields (activations (b, ...) in the dtype of the boundary tensor, rows)."""
        for values, rows in self.upstream.stream(indices, view):
            yield self._apply(values), rows

    def _apply(self, values: np.ndarray) -> np.ndarray:
        short = self.batch_size - len(values)
        padded = np.pad(values, [(0, short)] + [(0, 0)] * (values.ndim - 1)) if short else values
        return np.asarray(self.prefix.predict_on_batch(padded))[: len(values)]
