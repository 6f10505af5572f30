"""What an exported network takes."""

from __future__ import annotations

import keras

INPUT = "image"


def signature(model: keras.Model) -> list[keras.InputSpec]:
    """The one input, with any number of pictures."""
    shape = (None, *model.input_shape[1:])
    return [keras.InputSpec(shape=shape, dtype="uint8", name=INPUT)]
