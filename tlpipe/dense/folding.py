"""BatchNorm taken into the convolution before it, once: the network that predicts."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from tlpipe.backbones.foldable import foldable
from tlpipe.backbones.graph import Step
from tlpipe.dense.retrace import again, retrace


def folded(model: keras.Model) -> keras.Model:
    """``model`` for inference, equal but for rounding, with fewer and plainer layers.

    ``training.fast`` folds at every call, because its variables still train; for one picture at a
    time that would be a fifth of the work.

    Args:
        model: a functional model with one input. It keeps its layers; those that change are copied.
    """
    norms = {
        id(step.inputs[0]): step
        for _, step in foldable(model)
        if type(step.operation) is layers.BatchNormalization
    }
    gone = {id(norm.outputs[0]) for norm in norms.values()}

    def call(step: Step, args: tuple, kwargs: dict):
        if id(step.outputs[0]) in gone:
            return args[0]
        norm = norms.get(id(step.outputs[0]))
        if norm is None:
            return again(step, args, kwargs)
        convolution = step.operation
        copy = type(convolution).from_config(convolution.get_config() | {"use_bias": True})
        y = copy(*args, **kwargs)
        copy.set_weights(_weights(convolution, norm.operation))
        return y

    entry = model.inputs[0]
    image = keras.Input(entry.shape[1:], dtype=entry.dtype, name=entry.name)
    return keras.Model(image, retrace(model, image, call)[id(model.outputs[0])], name=model.name)


def _weights(convolution: keras.Layer, norm: layers.BatchNormalization) -> list[np.ndarray]:
    """Kernel and bias of the convolution with the BatchNorm in it."""
    mean, variance = (ops.convert_to_numpy(w) for w in (norm.moving_mean, norm.moving_variance))
    scale = 1 / np.sqrt(variance.astype("float64") + norm.epsilon)
    if norm.scale:
        scale = scale * ops.convert_to_numpy(norm.gamma)
    kernel = ops.convert_to_numpy(convolution.kernel)
    bias = ops.convert_to_numpy(convolution.bias) if convolution.use_bias else 0.0
    shift = (bias - mean) * scale
    if norm.center:
        shift = shift + ops.convert_to_numpy(norm.beta)
    # A depthwise kernel is (h, w, channels, multiplier), an ordinary one (h, w, in, out).
    depthwise = isinstance(convolution, layers.DepthwiseConv2D)
    by = scale.reshape(kernel.shape[2:]) if depthwise else scale
    return [(kernel * by).astype("float32"), shift.astype("float32")]
