"""Several processes that train one model, on one machine or many: JAX, and a share of each batch.

Each process runs the same command on the same data, and so takes the same decisions. Only training
steps need the others; what is predicted, each process computes by itself, so that none waits for
one that finds it in its cache.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from weakref import WeakKeyDictionary

import jax
import keras
import numpy as np
from jax.experimental.multihost_utils import sync_global_devices

from tlpipe.training.devices import ONE, JaxDevices

PLACES = "processes"


class JaxProcesses(JaxDevices):
    """The devices of all processes; this one has those of its own machine."""

    def __init__(self, names: Sequence[str]):
        super().__init__(names)
        self._alone: WeakKeyDictionary = WeakKeyDictionary()

    def _train(self, model, values, targets, weights) -> float:
        count = len(values) // jax.process_count()
        mine = slice(jax.process_index() * count, (jax.process_index() + 1) * count)
        return ONE.train(model, values[mine], targets[mine], weights[mine])

    def predict(self, model: keras.Model, values: np.ndarray) -> np.ndarray | list[np.ndarray]:
        """The model's outputs, computed by this process alone."""
        if model not in self._alone:
            self._alone[model] = jax.jit(
                lambda learned, other, x: model.stateless_call(learned, other, x, training=False)[0]
            )
        weights = [
            [variable.value.addressable_data(0) for variable in group]
            for group in (model.trainable_variables, model.non_trainable_variables)
        ]
        # Another scope, for in that of training Keras spreads what is computed over all processes.
        with keras.distribution.DataParallel(devices=[_local()]).scope():
            outputs = self._alone[model](*weights, values)
        if isinstance(outputs, list | tuple):
            return [np.asarray(output) for output in outputs]
        return np.asarray(outputs)


def own_place(folder: Path) -> Path:
    """The run folder of this process, the same in all of them when training begins.

    The first process has ``folder`` itself; the others, whose results nobody needs, begin with a
    copy of it, so that all go on from the same epoch after one of them was killed.
    """
    place = folder
    if jax.process_index():
        place = folder / PLACES / str(jax.process_index())
        shutil.rmtree(place, ignore_errors=True)
        if (folder / "stages").is_dir():
            ignored = shutil.ignore_patterns(PLACES, ".*", "log.txt", "export", "report")
            shutil.copytree(folder, place, ignore=ignored)
    # Before it is copied, the first must not go on.
    sync_global_devices("the run folder is copied")
    return place


def leave(place: Path) -> None:
    """Throws away what a process that is not the first wrote."""
    if jax.process_index():
        shutil.rmtree(place, ignore_errors=True)
        # The last of them succeeds.
        with suppress(OSError):
            place.parent.rmdir()


def is_first() -> bool:
    """Whether the results of this process are those of the run."""
    return jax.process_index() == 0


def _local() -> str:
    device = jax.local_devices()[0]
    return f"{device.platform}:{device.id}"
