"""A network with Lite0's parts and names that is built in no time: for the tests in which nothing
hangs on the network."""

import keras
from keras import layers

# (h, w, channels) behind two of the blocks, for an input of 64 pixels.
BEHIND_BLOCK2, BEHIND_TOP = (8, 8, 24), (8, 8, 32)


def tiny() -> keras.Model:
    """RGB of any size to a map an eighth as large; blocks stem, block1, block2, top; random."""
    image = keras.Input((None, None, 3), name="picture")
    x = layers.Rescaling(1 / 128, offset=-1, name="stem_rescaling")(image)
    x = _norm(layers.Conv2D(8, 3, 2, name="stem_conv", **_start(1))(x), "stem", relu=True)
    x = _separable(x, "block1a", 16)
    x = _separable(x, "block2a", 24)
    x = layers.Conv2D(32, 1, name="top_conv", **_start(2))(x)
    return keras.Model(image, _norm(x, "top", relu=True), name="tiny")


def _separable(x, name: str, filters: int):
    start = keras.initializers.HeNormal(seed=filters)
    x = layers.DepthwiseConv2D(
        3, 2, "same", use_bias=False, depthwise_initializer=start, name=f"{name}_depthwise_conv"
    )(x)
    x = _norm(x, f"{name}_depthwise", relu=True)
    x = layers.Conv2D(filters, 1, name=f"{name}_project_conv", **_start(filters))(x)
    return _norm(x, f"{name}_project", relu=False)


def _start(seed: int) -> dict:
    start = keras.initializers.HeNormal(seed=seed)
    return {"padding": "same", "use_bias": False, "kernel_initializer": start}


def _norm(x, name: str, relu: bool):
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x
