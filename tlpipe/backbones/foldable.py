"""Which BatchNorms a convolution can take in."""

from __future__ import annotations

from collections import Counter

import keras

from tlpipe.backbones.graph import Step, steps


def foldable(model: keras.Model) -> list[tuple[keras.Layer, Step]]:
    """Each linear convolution whose output a BatchNorm, and nothing else, takes; and that step.

    In inference the norm scales and shifts channels, which the convolution's own weights can do
    (Jacob et al. 2018, section 3.2, https://arxiv.org/abs/1712.05877).

    Args:
        model: a functional model.
    """
    walk = steps(model)
    uses = Counter(id(tensor) for step in walk for tensor in step.inputs)
    uses.update(id(tensor) for tensor in model.outputs)
    calls = Counter(id(step.operation) for step in walk)
    makers = {id(tensor): step.operation for step in walk for tensor in step.outputs}
    found = []
    for step in walk:
        norm = step.operation
        if not isinstance(norm, keras.layers.BatchNormalization) or norm.axis not in (-1, 3):
            continue
        maker = makers[id(step.inputs[0])]
        if (
            isinstance(maker, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
            and maker.data_format == "channels_last"
            and maker.activation is keras.activations.linear
            and uses[id(step.inputs[0])] == calls[id(maker)] == calls[id(norm)] == 1
        ):
            found.append((maker, step))
    return found
