"""A classifier taken apart where an explanation needs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from tlpipe.backbones.flatten import flatten, is_nested
from tlpipe.backbones.graph import cut_points
from tlpipe.errors import BackboneError
from tlpipe.explain.gradients import Passes
from tlpipe.explain.rectifiers import modify
from tlpipe.training.fast import fast

BATCH = 32


@dataclass(frozen=True)
class Results:
    """What one forward and one backward pass give.

    Attributes:
        maps: the last feature map, float32 (b, h, w, c).
        logits: float32 (b, k).
        map_gradients: d score / d maps, float32 (b, h, w, c).
        gradients: d score / d picture (values 0..255), float32 (b, s, s, channels); None when it
            was not asked for.
    """

    maps: np.ndarray
    logits: np.ndarray
    map_gradients: np.ndarray
    gradients: np.ndarray | None = None


class Explained:
    """A classifier in float32, whatever it was trained in, cut at its last feature map.

    Args:
        model: picture, uint8 or float (b, s, s, channels), to logits or probabilities (b, k); flat,
            nested or Sequential. It is copied, not changed.
        modifier: backward pass of the rectifiers: None, ``guided`` or ``relu`` (deconvnet).

    Raises:
        BackboneError: no feature map that everything passes, or an undefined modifier.
    """

    def __init__(self, model: keras.Model, modifier: str | None = None):
        shape = (None, *model.inputs[0].shape[1:])
        picture = keras.Input(batch_shape=shape, dtype="float32", name="picture")
        end = _last_operation(model)
        flat = flatten(
            model,
            lambda operation: operation is end and _is_softmax(operation),
            start=picture,
            change=lambda layer, config: _in_float32(layer, config, is_end=layer is end),
        )
        if modifier is not None:
            flat = modify(flat, modifier)
        flat.trainable = False
        maps = last_map(flat)
        self.size: tuple[int, int] = tuple(shape[1:3])
        self.classes = int(flat.output.shape[-1])
        self._prefix = fast(keras.Model(flat.input, maps))
        self._suffix = fast(keras.Model(maps, flat.output))
        self._model = model
        self._modified: dict[str, Explained] = {}

    @cached_property
    def _passes(self) -> Passes:
        return Passes(self._prefix, self._suffix)

    def modified(self, modifier: str) -> Explained:
        """The same network with another backward pass."""
        if modifier not in self._modified:
            self._modified[modifier] = Explained(self._model, modifier)
        return self._modified[modifier]

    def logits(self, pictures: np.ndarray) -> np.ndarray:
        """float32 (n, k) of pictures (n, s, s, channels), values 0..255, any number of them."""
        found = []
        for start in range(0, len(pictures), BATCH):
            chunk = np.asarray(pictures[start : start + BATCH], "float32")
            found.append(self._passes.logits(chunk))
        return np.concatenate(found)

    def maps(self, pictures: np.ndarray) -> np.ndarray:
        """The last feature map, float32 (n, h, w, c)."""
        chunks = range(0, len(pictures), BATCH)
        return np.concatenate(
            [self._passes.maps(np.asarray(pictures[i : i + BATCH], "float32")) for i in chunks]
        )

    def passes(
        self,
        pictures: np.ndarray,
        classes: np.ndarray | None = None,
        *,
        against: np.ndarray | None = None,
        pixels: bool = True,
    ) -> Results:
        """One forward and one backward pass over at most ``BATCH`` pictures.

        Args:
            pictures: (b, s, s, channels), values 0..255, b <= 32.
            classes: int (b,); whose score, before softmax, is differentiated; None for the most
                probable one of each picture.
            against: int (b,); the score is then ``classes`` less these: why this and not that.
            pixels: go back to the picture; else only to the last feature map.
        """
        nobody = np.full(len(pictures), -1, "int32")
        found = self._passes.run(
            np.asarray(pictures, "float32"),
            nobody if classes is None else np.asarray(classes, "int32"),
            nobody if against is None else np.asarray(against, "int32"),
            pixels=pixels,
        )
        return Results(*found)


def last_map(model: keras.Model) -> keras.KerasTensor:
    """The last feature map (b, h, w, c) that everything passes, Grad-CAM's layer.

    After its BatchNorm and activation, which is what the head reads.

    Raises:
        BackboneError: the network has none, as a transformer.
    """
    maps = [
        cut.tensor
        for cut in cut_points(model)
        if len(cut.tensor.shape) == 4 and min(n or 2 for n in cut.tensor.shape[1:3]) > 1
    ]
    if len(maps) < 2:
        raise BackboneError(
            f"'{model.name}' has no feature map to explain it by.",
            cause="no tensor of height, width and channels stands between picture and logits",
            todo="use a convolutional network: `tlpipe backbones`",
        )
    return maps[-1]


def _in_float32(layer: keras.Layer, config: dict[str, Any], *, is_end: bool) -> dict[str, Any]:
    config = {**config, "dtype": "float32"}
    if is_end and isinstance(layer, keras.layers.Dense) and _ends_in_softmax(layer):
        config["activation"] = "linear"
    return config


def _last_operation(model: keras.Model) -> object:
    """What makes the model's output, in a nested model its own last operation."""
    operation: Any = model
    while is_nested(operation):
        if isinstance(operation, keras.Sequential):
            operation = operation.layers[-1]
        else:
            operation = operation.outputs[0]._keras_history.operation
    return operation


def _ends_in_softmax(layer: keras.Layer) -> bool:
    return getattr(layer, "activation", None) is keras.activations.softmax


def _is_softmax(operation: object) -> bool:
    if isinstance(operation, keras.layers.Softmax):
        return True
    return isinstance(operation, keras.layers.Activation) and _ends_in_softmax(operation)
