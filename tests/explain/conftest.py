"""A small classifier of every shape a user's model comes in, and real photographs."""

import cv2
import keras
import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from tlpipe.backbones.build import build
from tlpipe.backbones.flatten import flatten

SIDE = 96


@pytest.fixture(scope="session")
def photographs():
    """uint8 (4, 96, 96, 3)."""
    china, flower = load_sample_images().images
    cuts = [china[:400, :400], china[27:, 240:], flower[:427, :427], flower[:300, 340:]]
    return np.stack([cv2.resize(c, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for c in cuts])


@pytest.fixture(scope="session")
def flat():
    """A flat float32 model with trained weights and logits at its end."""
    backbone = build("efficientnet_lite0", size=SIDE).model
    picture = keras.Input((SIDE, SIDE, 3), dtype="float32", name="picture")
    backbone = flatten(backbone, start=picture)
    x = keras.layers.GlobalAveragePooling2D()(backbone.output)
    first = keras.initializers.GlorotUniform(seed=0)
    logits = keras.layers.Dense(5, name="logits", kernel_initializer=first)(x)
    return keras.Model(backbone.input, logits, name="flat")


@pytest.fixture(scope="session")
def tiny():
    """Three convolutions of every fashion, for what does not hang on the network."""
    picture = keras.Input((SIDE, SIDE, 3), dtype="float32", name="picture")
    x = keras.layers.Rescaling(1 / 128, -1)(picture)
    for number, width in enumerate((8, 16, 24)):
        x = keras.layers.Conv2D(
            width,
            3,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(seed=number),
        )(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU(max_value=6)(x)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    first = keras.initializers.GlorotUniform(seed=9)
    logits = keras.layers.Dense(5, name="logits", kernel_initializer=first)(pooled)
    return keras.Model(picture, logits, name="tiny")
