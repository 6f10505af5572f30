"""How far apart in the picture two neighbours of a map lie."""

from __future__ import annotations

import keras

from tlpipe.backbones.graph import Step, steps
from tlpipe.errors import BackboneError

CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
_NOT_STRIDES = (keras.layers.UpSampling2D, keras.layers.Conv2DTranspose)


def jumps(model: keras.Model) -> dict[int, int]:
    """Pixels of the picture between two neighbours of each tensor, by the tensor's ``id``.

    Raises:
        BackboneError: a layer enlarges its map, or strides differently down and across.
    """
    found = {id(model.inputs[0]): 1}
    for step in steps(model):
        if id(step.outputs[0]) not in found:
            jump = max((found[id(tensor)] for tensor in step.inputs), default=1) * stride_of(step)
            found.update((id(tensor), jump) for tensor in step.outputs)
    return found


def stride_of(step: Step) -> int:
    """The stride of a layer, the same down and across; 1 for what has none."""
    layer = step.operation
    if isinstance(layer, _NOT_STRIDES):
        raise BackboneError(
            f"Layer '{layer.name}' enlarges its map.",
            cause=f"the windows of a network with a {type(layer).__name__} have no one stride",
        )
    if not isinstance(layer, CONVOLUTIONS + POOLINGS):
        return 1
    down, across = layer.strides
    if down != across:
        raise BackboneError(
            f"Layer '{layer.name}' has the stride {down} down and {across} across.",
            cause="maps of scores have one stride",
        )
    return down
