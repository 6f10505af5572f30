"""A finished run without training: a network whose first unit looks for red, and real pictures."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

from tests.data.odd_files import encoded, put, tiles
from tlpipe.artifact import model_file
from tlpipe.data.folder import list_folder
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import scan
from tlpipe.data.split import split
from tlpipe.pipeline.atomic import write_text

SIZE = 64
RED, SILENT = 0, 1


def make_run(folder: Path, activation: str = "relu") -> Path:
    """A run folder with ``model.keras``, ``config.yaml`` and ``manifest.csv``, and its pictures."""
    data = folder / "photos"
    for number, tile in enumerate(tiles(96, 48)):
        part = ("train", "val", "val", "test")[number % 4]
        label = "ab"[number // 4 % 2]
        put(data, f"{part}/{label}/{number:02}.png", encoded(tile, "PNG"))
    manifest = Manifest(data, tuple(split(scan(list_folder(data)).pictures, [], seed=0).pictures))
    run = folder / "run"
    manifest.write(run / "manifest.csv")
    write_text(run / "config.yaml", f"stages:\n  scan:\n    data: {data}\n")
    metadata = model_file.Metadata(
        class_names=("a", "b"),
        size=SIZE,
        resize="crop",
        backbone="of our own",
        weights="none",
        split=manifest.digest,
        kept="head",
        seed=0,
        versions={},
    )
    model_file.save(network(activation), run / "model.keras", metadata)
    return run


def network(activation: str) -> keras.Model:
    """Two blocks of one convolution each; channel 0 of the first is red less the other colours."""
    picture = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(picture)
    for number, width in enumerate((6, 8), 1):
        x = layers.Conv2D(
            width,
            3,
            strides=2,
            padding="same",
            activation=activation,
            kernel_initializer=keras.initializers.HeNormal(seed=number),
            name=f"block{number}_conv",
        )(x)
    pooled = layers.GlobalAveragePooling2D(name="pool")(x)
    first = keras.initializers.GlorotUniform(seed=3)
    out = layers.Dense(2, activation="softmax", kernel_initializer=first, name="probabilities")
    model = keras.Model(picture, out(pooled))
    kernel, bias = (np.array(w) for w in model.get_layer("block1_conv").get_weights())
    kernel[..., RED] = np.array([1, -0.5, -0.5])[:, None].T / 9
    kernel[..., SILENT], bias[SILENT] = 0, -1
    model.get_layer("block1_conv").set_weights([kernel, bias])
    return model
