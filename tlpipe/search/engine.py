"""Where trials run: on this machine, in as many processes at a time as asked for."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from tlpipe.data.machine import usable_memory
from tlpipe.errors import ConfigError
from tlpipe.search.process import SHARE, run_in_process
from tlpipe.search.trial import Spec


class Engine(Protocol):
    """Runs trials; :mod:`tlpipe.search.ray_engine` does so on other machines too.

    ``shares_cache``: whether all trials certainly have one activation cache.
    """

    shares_cache: bool

    def submit(self, spec: Spec, batch_sizes: dict[str, int], memory: float | None) -> Future:
        """Starts a trial; the future's result is a :class:`tlpipe.search.trial.Result`."""

    def close(self) -> None:
        """Ends what still runs."""


def make_engine(kind: str, workers: int, address: str | None = None) -> Engine:
    """The engine ``local`` or ``ray``. Raises ConfigError when it can't be had."""
    if kind == "ray":
        # Only here: Ray is an extra.
        from tlpipe.search.ray_engine import Ray

        return Ray(address)
    if address is not None:
        raise ConfigError("--address is for a Ray cluster.", todo="add --engine ray")
    return Local(workers)


class Local:
    """A thread a trial, each of which watches one process."""

    shares_cache = True

    def __init__(self, workers: int):
        self._memory = SHARE * usable_memory() / workers
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="trial")

    def submit(self, spec: Spec, batch_sizes: dict[str, int], memory: float | None) -> Future:
        """Starts a trial as soon as a worker is free."""
        memory = memory or self._memory
        return self._pool.submit(run_in_process, spec, batch_sizes, memory, self._stop)

    def close(self) -> None:
        """Ends the processes that still run; what they did so far is kept."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
