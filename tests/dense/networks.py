"""Small networks with weights that say something, and the windows one by one."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops
from skimage import data

from tlpipe.data.resize import fit

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee")


def photograph(name: str, size: int) -> np.ndarray:
    return fit(getattr(data, name)(), size)


def classifier(size: int, body, head) -> keras.Model:
    """Seeded weights, BatchNorm's statistics included."""
    keras.utils.set_random_seed(0)
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 64, -2.0, dtype="float32", name="preprocess")(image)
    model = keras.Model(image, head(body(x)), name="small")
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def unpadded(x):
    """Stride 32, windows of 224 px to 5x5, no padding anywhere; one branch and sum."""
    x = layers.Conv2D(8, 6, 2, activation="relu", kernel_initializer="he_normal")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.DepthwiseConv2D(3, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.SeparableConv2D(12, 3, strides=2, activation="relu")(x)
    cropped = layers.Cropping2D(1)(x)
    x = layers.Add()([layers.Conv2D(12, 3, activation="relu")(x), cropped])
    x = layers.AveragePooling2D(3, 2)(x)
    return layers.Conv2D(16, 3, 2, activation="relu", kernel_initializer="he_normal")(x)


def padded(x):
    """Stride 16, "same" with odd and even kernels, poolings and strides, and zero padding."""
    x = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    a = layers.Conv2D(12, 4, 2, padding="same", activation="relu")(x)
    b = layers.AveragePooling2D(3, 2, padding="same")(x)
    x = layers.Concatenate()([a, b])
    x = layers.DepthwiseConv2D(5, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.AveragePooling2D(3, 1, padding="same")(x)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    return layers.Conv2D(16, 3, 2, activation="relu", kernel_initializer="he_normal")(x)


def average(x):
    x = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(x)
    x = layers.Dropout(0.5)(x)
    return layers.Softmax(name="probabilities")(layers.Dense(5, name="logits")(x))


def both(x):
    pooled = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    x = layers.Concatenate()(pooled)
    x = layers.Dense(9)(x)
    x = layers.LayerNormalization()(layers.BatchNormalization()(x))
    return layers.Dense(5, activation="softmax", name="logits")(layers.ReLU()(x))


def flattened(x):
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    x = layers.Dense(20, activation="relu", name="fc1")(x)
    x = layers.BatchNormalization()(x)
    return layers.Dense(5, activation="softmax", name="logits")(x)


HEADS = {"average": average, "both": both, "flattened": flattened}


def scores(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    return ops.convert_to_numpy(model(pictures, training=False))


def one_by_one(model: keras.Model, picture: np.ndarray, stride: int) -> np.ndarray:
    """The classifier's scores of every window of its own size, (rows, columns, classes)."""
    side = model.input.shape[1]
    rows, columns = ((length - side) // stride + 1 for length in picture.shape[:2])
    places = [(i * stride, j * stride) for i in range(rows) for j in range(columns)]
    found = []
    # A few at a time, for the memory's sake.
    for start in range(0, len(places), 12):
        some = places[start : start + 12]
        crops = np.stack([picture[i : i + side, j : j + side] for i, j in some])
        found.append(scores(model, crops))
    return np.concatenate(found).reshape(rows, columns, -1)
