"""A unit, one channel of a block's last tensor: where a picture excites it, and by what."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from tlpipe.errors import BackboneError
from tlpipe.explain.gradients import Passes
from tlpipe.explain.network import BATCH
from tlpipe.explain.part import up_to


@dataclass(frozen=True)
class View:
    """What in some pictures excited a unit.

    Attributes:
        method: key of ``METHODS``.
        gradients: float32 (n, s, s, channels), to the pictures, signed.
        note: what there is to say of it; may be empty.
    """

    method: str
    gradients: np.ndarray
    note: str = ""


class Unit:
    """One channel of a feature map.

    Args:
        model: picture to anything; copied, not changed.
        tensor: one of its feature maps (b, h, w, c).
        channel: 0 to c - 1.
    """

    def __init__(self, model: keras.Model, tensor: keras.KerasTensor, channel: int):
        self.channel, self.part = channel, up_to(model, tensor)
        self._model, self._tensor = model, tensor
        self._width = int(tensor.shape[2])
        self._passes = Passes(self.part, _places(tensor.shape[1:], channel))

    def responses(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How much the unit answers to each picture, and where most.

        Args:
            pictures: (n, s, s, channels), values 0..255, any number.

        Returns:
            The largest activations, float32 (n,), and where in the map, row and column, int (n, 2).
        """
        chunks = range(0, len(pictures), BATCH)
        maps = np.concatenate(
            [self._passes.logits(np.asarray(pictures[i : i + BATCH], "float32")) for i in chunks]
        )
        hottest = maps.argmax(1)
        places = np.stack(np.divmod(hottest, self._width), axis=1)
        return maps[np.arange(len(maps)), hottest], places

    def views(self, pictures: np.ndarray, places: np.ndarray) -> list[View]:
        """The activation at one place, taken back to the picture as the deconvnet does.

        Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks". Their rule
        looks at the gradient alone: only max pooling, or a product, brings the picture in. Where
        there is neither, guided backprop (Springenberg et al. 2015), made for such networks, comes
        as well. Where the rule is not defined for the network, the plain gradient comes instead,
        under its own name.

        Args:
            pictures: (n, s, s, channels), values 0..255, n <= 32.
            places: int (n, 2), rows and columns in the map.
        """
        try:
            deconvnet = self._modified("relu")
        except BackboneError as error:
            where = f" ({error.where})" if error.where else ""
            note = f"The deconvnet's view is not defined here: {error.cause}{where}."
            return [View("saliency", self._back(self._passes, pictures, places), note)]
        found = self._back(deconvnet, pictures, places)
        if not self._blind(deconvnet, found, pictures, places):
            return [View("deconvnet", found)]
        note = "With no max pooling before the unit it is the same for every picture."
        guided = self._back(self._modified("guided"), pictures, places)
        return [View("deconvnet", found, note), View("guided", guided)]

    def _modified(self, modifier: str) -> Passes:
        part = up_to(self._model, self._tensor, modifier)
        return Passes(part, _places(self._tensor.shape[1:], self.channel))

    def _blind(self, deconvnet: Passes, found: np.ndarray, pictures: np.ndarray, places) -> bool:
        """Whether other pictures would have the same view."""
        # The same place of a window may be the largest of both pictures by chance.
        if any(isinstance(layer, keras.layers.MaxPooling2D) for layer in self.part.layers):
            return False
        other = self._back(deconvnet, 255 - np.asarray(pictures), places)
        return np.allclose(other, found, atol=1e-5 * np.abs(found).max())

    def _back(self, passes: Passes, pictures: np.ndarray, places: np.ndarray) -> np.ndarray:
        wanted = np.asarray(places) @ (self._width, 1)
        nobody = np.full(len(pictures), -1, "int32")
        pictures = np.asarray(pictures, "float32")
        return passes.run(pictures, wanted.astype("int32"), nobody, pixels=True)[3]


def _places(shape: tuple[int, int, int], channel: int) -> keras.Model:
    """Feature maps (b, h, w, c) to one channel's places (b, h * w), in the logits' stead."""
    maps = keras.Input(shape, dtype="float32")
    one = keras.layers.Reshape((-1,), dtype="float32")(maps[..., channel : channel + 1])
    return keras.Model(maps, one)
