"""Several devices of one machine: each computes its share of every batch."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import keras
import numpy as np

from tlpipe.backend import several_processes
from tlpipe.errors import ConfigError
from tlpipe.training.device import gpus


class OneDevice:
    """The device that Keras takes by itself, and how a model is used on it."""

    names: tuple[str, ...] = ()

    def scope(self) -> AbstractContextManager:
        """Models, and whatever else has variables, are made and used inside it."""
        return nullcontext()

    def train(
        self,
        model: keras.Model,
        values: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray | None,
    ) -> float:
        """One step of the compiled ``model``; returns the loss.

        Args:
            model: compiled, its optimizer built.
            values: (b, ...).
            targets: float32 (b, classes).
            weights: float32 (b,), or None for ones.
        """
        return float(
            model.train_on_batch(values, targets, sample_weight=weights, return_dict=True)["loss"]
        )

    def predict(self, model: keras.Model, values: np.ndarray) -> np.ndarray | list[np.ndarray]:
        """The model's outputs, each (b, ...)."""
        return model.predict_on_batch(values)

    def clipped(self, clip: Callable[[list], list], gradients: list) -> list:
        """``clip``, which bounds the whole gradient, applied to what this device has of it."""
        return clip(gradients)


ONE = OneDevice()


class SeveralDevices(OneDevice, ABC):
    """Every device holds all weights; a batch is divided evenly.

    A batch that can't be is padded with zeros of weight zero, so that a step has the loss and the
    gradients that one device would have.
    """

    def __init__(self, names: Sequence[str]):
        self.names = tuple(names)

    def train(self, model, values, targets, weights) -> float:
        """One step of the compiled ``model``, on all devices."""
        count, short = len(values), -len(values) % len(self.names)
        weights = np.ones(count, "float32") if weights is None else weights
        # Keras divides by the number of pictures, the padding included.
        weights = weights * np.float32((count + short) / count)
        batch = [padded(array, short) for array in (values, targets, weights)]
        return self._train(model, *batch)

    def predict(self, model, values) -> np.ndarray | list[np.ndarray]:
        """The model's outputs, computed on all devices."""
        outputs = self._predict(model, padded(values, -len(values) % len(self.names)))
        if isinstance(outputs, list | tuple):
            return [np.asarray(output)[: len(values)] for output in outputs]
        return np.asarray(outputs)[: len(values)]

    @abstractmethod
    def _train(self, model, values, targets, weights) -> float:
        """One step on a batch that divides evenly."""

    @abstractmethod
    def _predict(self, model, values):
        """The outputs for a batch that divides evenly."""


class JaxDevices(SeveralDevices):
    """Keras' own data parallelism, which it has on JAX: the compiler divides the work."""

    def __init__(self, names: Sequence[str]):
        super().__init__(names)
        self._distribution = keras.distribution.DataParallel(devices=list(names))

    def scope(self) -> AbstractContextManager:
        """Variables made inside it lie on all devices."""
        return self._distribution.scope()

    def _train(self, model, values, targets, weights) -> float:
        return ONE.train(model, values, targets, weights)

    def _predict(self, model, values):
        # Keras divides what it trains on, but not this.
        layout = self._distribution.get_data_layout(values.shape)
        return ONE.predict(model, keras.distribution.distribute_tensor(values, layout))


def device_names(requested: int | str) -> tuple[str, ...]:
    """The devices that ``requested`` (``all`` or a number) stands for.

    Raises:
        ConfigError: there are not so many, or TensorFlow was told to train on several machines.
    """
    _refuse_several_workers()
    if requested == 1 and several_processes():
        raise ConfigError(
            "Several processes train together on all their devices.",
            todo="add --devices all, or unset KERAS_DISTRIBUTION_NUM_PROCESSES",
        )
    if requested == 1:
        return ()
    found = gpus() or keras.distribution.list_devices("cpu")
    count = len(found) if requested == "all" else int(requested)
    if count > len(found):
        raise ConfigError(
            f"{count} devices were asked for, and Keras sees {len(found)}.",
            cause=", ".join(found),
            todo="use --devices all, or fewer; `tlpipe doctor` says why a GPU is not seen",
        )
    return tuple(found[:count])


def open_devices(requested: int | str) -> OneDevice:
    """Where a step trains. Raises ConfigError as :func:`device_names` does."""
    names = device_names(requested)
    if len(names) < 2:
        return ONE
    backend = keras.backend.backend()
    if backend == "jax" and several_processes():
        from tlpipe.training.processes import JaxProcesses

        return JaxProcesses(names)
    if backend == "jax":
        return JaxDevices(names)
    if backend == "tensorflow":
        from tlpipe.training.mirrored import MirroredDevices

        return MirroredDevices(names)
    raise ConfigError(
        f"With the Keras backend '{backend}' one device trains.",
        todo="leave out --devices, or set KERAS_BACKEND=tensorflow or jax",
    )


def _refuse_several_workers() -> None:
    if keras.backend.backend() != "tensorflow":
        return
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    except (ValueError, AttributeError):
        # Not TensorFlow's: it would complain itself.
        return
    workers = sum(len(cluster.get(kind, ())) for kind in ("chief", "worker"))
    if workers > 1:
        raise ConfigError(
            f"TensorFlow's training on several machines does not work: TF_CONFIG names {workers}.",
            cause="Keras 3 has no multi-worker training on TensorFlow (keras-team/keras#20585)",
            todo="unset TF_CONFIG, and use --devices all on one machine",
        )


def padded(array: np.ndarray, short: int) -> np.ndarray:
    """``array`` with ``short`` zeros behind it along the first axis."""
    if not short:
        return array
    return np.pad(array, [(0, short), *[(0, 0)] * (array.ndim - 1)])
