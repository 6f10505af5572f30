"""What the trained part of the network reads: pictures, or what the frozen part made of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import keras
import numpy as np

from tlpipe.data.loader import batches
from tlpipe.data.sample import Sampler
from tlpipe.training.bottleneck import Meter
from tlpipe.training.devices import ONE, OneDevice, padded
from tlpipe.training.forward import forward
from tlpipe.training.store import Store, rounded, touch

Batch = tuple[np.ndarray, np.ndarray]


class Source(Protocol):
    """Delivers pictures, or activations, in batches and in the order asked for.

    ``meter`` counts what that took.
    """

    meter: Meter

    def stream(self, rows: np.ndarray, view: int | None) -> Iterator[Batch]:
        """Yields (values (b, ...), rows int64 (b,)); view None is not augmented."""


class Pictures:
    """uint8 pictures straight from the files."""

    def __init__(self, sampler: Sampler, batch_size: int):
        self.sampler, self.batch_size, self.meter = sampler, batch_size, Meter()

    def stream(self, rows: np.ndarray, view: int | None) -> Iterator[Batch]:
        """Yields (uint8 (b, size, size, channels), rows)."""
        with batches(self.sampler, rows, view=view, batch_size=self.batch_size) as loading:
            before = 0.0
            for batch in loading:
                self.meter.waited += loading.waited_seconds - before
                before = loading.waited_seconds
                self.meter.read += len(batch[1])
                yield batch


class Activations:
    """The frozen prefix applied to pictures, and remembered.

    The prefix is a pure function of the picture, so each view of a picture goes through it once:
    the stores fill while the first epochs run, and later epochs read them.

    Batches are padded to full size before the prefix sees them, so that a picture's activation
    has the same bits whichever batch it arrives in. Values are rounded to ``dtype`` whether they
    are stored or not, so that storing them is a matter of speed alone.

    Args:
        pictures: delivers uint8 pictures.
        prefix: pictures to one activation or to a list of them; the first is delivered, the others
            are only stored, for a later step.
        batch_size: pictures a batch.
        dtype: ``float16`` or ``float32``.
        stores: a store for each output of the prefix; empty when nothing is stored.
        devices: where the prefix computes.
    """

    def __init__(
        self,
        pictures: Pictures,
        prefix: keras.Model,
        batch_size: int,
        *,
        dtype: str = "float32",
        stores: Sequence[Store] = (),
        devices: OneDevice = ONE,
    ):
        self.pictures, self.prefix, self.batch_size = pictures, prefix, batch_size
        self.dtype, self.stores, self.devices = np.dtype(dtype), list(stores), devices

    @property
    def meter(self) -> Meter:
        """That of the pictures, and the time the prefix took."""
        return self.pictures.meter

    def stream(self, rows: np.ndarray, view: int | None) -> Iterator[Batch]:
        """Yields (float32 activations (b, ...), rows)."""
        for store in self.stores:
            # So that a run that takes long is not the one that seems out of use.
            touch(store.folder)
        starts = range(0, len(rows), self.batch_size)
        chunks = [rows[start : start + self.batch_size] for start in starts]
        missing = [not self._stored(chunk, view) for chunk in chunks]
        todo = [chunk for chunk, lacks in zip(chunks, missing, strict=True) if lacks]
        fresh = self.pictures.stream(np.concatenate(todo), view) if todo else iter(())
        for chunk, lacks in zip(chunks, missing, strict=True):
            values = (
                self._compute(next(fresh)[0], chunk, view) if lacks else self._read(chunk, view)
            )
            yield values.astype("float32"), chunk

    def _stored(self, rows: np.ndarray, view: int | None) -> bool:
        return bool(self.stores) and all(store.has(rows, view).all() for store in self.stores)

    def _read(self, rows: np.ndarray, view: int | None) -> np.ndarray:
        return self.stores[0].read(rows, view)

    def _compute(self, pictures: np.ndarray, rows: np.ndarray, view: int | None) -> np.ndarray:
        whole = padded(pictures, self.batch_size - len(pictures))
        start = time.perf_counter()
        outputs = [output[: len(rows)] for output in forward(self.prefix, whole, self.devices)]
        self.meter.frozen += time.perf_counter() - start
        for store, output in zip(self.stores, outputs, strict=False):
            store.write(rows, view, output)
        # Too large a value is found here too when nothing is stored.
        return rounded(outputs[0], self.dtype)
