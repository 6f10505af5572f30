"""Batches of pictures, in order, from a small pool of threads."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from tlpipe.data.machine import usable_cores
from tlpipe.data.sample import Sampler
from tlpipe.errors import ConfigError

Batch = tuple[np.ndarray, np.ndarray]


class Batches(Iterator[Batch]):
    """An iterator over batches that measures how long its user waited for it.

    Never more than ``prefetch`` + 1 batches are in the making or waiting. The threads end with the
    last batch, on ``close``, on leaving a ``with`` block, on any exception, and when the iterator
    is thrown away.

    Attributes:
        waited_seconds: how long ``next`` has waited for pictures so far.
    """

    def __init__(
        self, batches: Generator[Batch, None, None], clock: Callable[[], float] = time.perf_counter
    ):
        self.waited_seconds = 0.0
        self._batches, self._clock = batches, clock

    def __next__(self) -> Batch:
        begin = self._clock()
        try:
            return next(self._batches)
        finally:
            self.waited_seconds += self._clock() - begin

    def close(self) -> None:
        """Stop the threads. Nothing more comes after it."""
        self._batches.close()

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def batches(
    sampler: Sampler,
    indices: np.ndarray,
    *,
    view: int | None,
    batch_size: int,
    workers: int | None = None,
    prefetch: int = 2,
) -> Batches:
    """Load pictures in the given order; the same bytes whatever the number of threads.

    Args:
        sampler: what a picture is.
        indices: int (n,), counting the manifest's pictures.
        view: which augmented view, 0 or more; None for plain pictures.
        batch_size: pictures a batch; the last may be smaller.
        workers: threads; by default one for every core this process may use.
        prefetch: whole batches made ahead of the user, 1 or more.

    Returns:
        An iterator of (uint8 (b, size, size, channels), int64 (b,) indices).

    Raises:
        ConfigError: a number out of range.
        DataError: while iterating: a file that is gone or can't be decoded, by name.
    """
    workers = usable_cores() if workers is None else workers
    for name, value in (("batch_size", batch_size), ("workers", workers), ("prefetch", prefetch)):
        if value < 1:
            raise ConfigError(f"The loader's {name} is {value}.", todo="choose 1 or more")
    if view is not None and view < 0:
        raise ConfigError(f"The view {view} is negative.", todo="choose 0 or more")
    indices = np.asarray(indices, dtype=np.int64)
    return Batches(_produce(sampler, indices, view, batch_size, workers, prefetch))


def epoch_order(indices: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch's pictures: a permutation, and a pure function of its arguments."""
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,)))
    return stream.permutation(np.asarray(indices, dtype=np.int64))


def _produce(
    sampler: Sampler,
    indices: np.ndarray,
    view: int | None,
    batch_size: int,
    workers: int,
    prefetch: int,
) -> Generator[Batch, None, None]:
    def fill(images: np.ndarray, chosen: np.ndarray) -> None:
        for row, index in enumerate(chosen.tolist()):
            images[row] = sampler.plain(index) if view is None else sampler.augmented(index, view)

    def start(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[Future]]:
        shape = (len(chosen), sampler.size, sampler.size, sampler.pixels.channels)
        images = np.empty(shape, np.uint8)
        # A few pictures a task: fewer hand-overs, and yet no thread idles at a batch's end.
        step = max(1, batch_size // (4 * workers))
        parts = range(0, len(chosen), step)
        tasks = [pool.submit(fill, images[i : i + step], chosen[i : i + step]) for i in parts]
        return images, chosen, tasks

    pool = ThreadPoolExecutor(workers, thread_name_prefix="tlpipe-loader")
    ahead: deque[tuple[np.ndarray, np.ndarray, list[Future]]] = deque()
    try:
        for begin in range(0, len(indices), batch_size):
            ahead.append(start(indices[begin : begin + batch_size]))
            if len(ahead) > prefetch:
                yield _finish(*ahead.popleft())
        while ahead:
            yield _finish(*ahead.popleft())
    finally:
        # Also on Ctrl-C and when the user stops early: nothing decodes on in the background.
        pool.shutdown(wait=True, cancel_futures=True)


def _finish(images: np.ndarray, chosen: np.ndarray, tasks: list[Future]) -> Batch:
    for task in tasks:
        task.result()
    return images, chosen
