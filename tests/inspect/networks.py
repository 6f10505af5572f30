"""A linear twin of a network, whose gradient shows what a position sees."""

import keras
import numpy as np
import tensorflow as tf

from tlpipe.backbones.classic.layers import ChannelShuffle
from tlpipe.backbones.classic.lenet5 import TakeChannels
from tlpipe.backbones.graph import steps

_GLOBAL = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
_LINEAR = (
    keras.layers.ReLU,
    keras.layers.Activation,
    keras.layers.LayerNormalization,
    keras.layers.Dropout,
    # They only change the order of the channels.
    ChannelShuffle,
    TakeChannels,
)


def linear_twin(model: keras.Model, local: bool = True, thinner: int = 8) -> keras.Model:
    """The same graph from its first float tensor on, linear, in float64, with positive weights.

    A gradient is then a sum over paths of positive numbers: not zero exactly where there is one.
    Maxima become means, activations and normalisations of a position do nothing, products become
    sums. ``local``: no gradient goes through global pooling. The twin has only one of ``thinner``
    channels: fewer see no fewer pixels.
    """

    def clone(operation):
        if isinstance(operation, _LINEAR):
            return keras.layers.Identity(name=operation.name, dtype="float64")
        if isinstance(operation, keras.layers.Multiply):
            return keras.layers.Add(name=operation.name, dtype="float64")
        if not isinstance(operation, keras.Layer):
            return operation
        config = {**operation.get_config(), "dtype": "float64"}
        for key in ("filters", "units", "projection_dim"):
            if config.get(key):
                config[key] = max(config[key] // thinner, 1)
        if "activation" in config:
            config["activation"] = "linear"
        if isinstance(operation, keras.layers.MaxPooling2D):
            return keras.layers.AveragePooling2D.from_config(config)
        if isinstance(operation, keras.layers.Reshape) and operation.target_shape[:2] == (1, 1):
            config["target_shape"] = (1, 1, -1)
        if isinstance(operation, keras.layers.Conv2D) and operation.groups > 1:
            # The gradient of a grouped convolution takes minutes on a CPU; a full one with
            # positive weights sees the same pixels.
            config.pop("groups")
            return keras.layers.Conv2D.from_config(config)
        return type(operation).from_config(config)

    def call(operation, *args, **kwargs):
        y = operation(*args, **kwargs)
        name = getattr(operation, "name", "")
        pools = name in pooling
        return keras.ops.stop_gradient(y) if pools and local else y

    pooling = {layer.name for layer in model.layers if isinstance(layer, _GLOBAL)}
    start = next(step.outputs[0] for step in steps(model) if "float" in step.outputs[0].dtype)
    part = keras.Model(start, model.output)
    image = keras.Input(start.shape[1:], dtype="float64")
    twin = keras.models.clone_model(
        part, input_tensors=image, clone_function=clone, call_function=call
    )
    for layer in twin.layers:
        layer.set_weights([np.full(w.shape, _share(layer, w.path, w.shape)) for w in layer.weights])
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([np.full(w.shape, value) for w, value in _plain_norm(layer)])
    return twin


def _share(layer, path: str, shape: tuple[int, ...]) -> float:
    """A mean over the channels; over the window less than a sum and more than a mean.

    So neither the middle of the field overflows float64, nor do its corners vanish.
    """
    if len(shape) == 2:
        return 1 / shape[0]
    if len(shape) != 4:
        return 1.0
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) or "depthwise" in path
    return (shape[0] * shape[1]) ** -0.5 / (1 if depthwise else shape[2])


def _plain_norm(layer):
    values = ([1.0] if layer.scale else []) + ([0.0] if layer.center else []) + [0.0, 1.0]
    return zip(layer.get_weights(), values, strict=True)


def support(twin: keras.Model, position: tuple[int, int]) -> list[tuple[int, int]]:
    """First and last row and column of the picture that a position of the output depends on."""
    picture = tf.Variable(tf.zeros((1, *twin.input.shape[1:]), "float64"))
    with tf.GradientTape() as tape:
        y = twin(picture, training=False)
        chosen = tf.reduce_sum(y[0, position[0], position[1]])
    slope = np.abs(tape.gradient(chosen, picture).numpy()[0]).sum(axis=-1)
    assert np.isfinite(slope).all()
    found = []
    for axis in (1, 0):
        (seen,) = np.nonzero(slope.sum(axis=axis))
        found.append((int(seen[0]), int(seen[-1])))
    return found
