"""Finished runs that nobody had to train: real pictures, a tiny network, a fitted head."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression

from tests.data.odd_files import encoded, put
from tests.tiny import tiny
from tlpipe.artifact import model_file
from tlpipe.data.folder import list_folder
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import scan
from tlpipe.data.split import split
from tlpipe.pipeline.atomic import write_text

SIZE = 64
# Photographs that pictures of a class are pieces of; the names are what files must survive.
PHOTOS = {"a cup": "coffee", "中文": "retina", "tissue": "immunohistochemistry"}
NAMES = ("a cup", "tissue", "中文")
PARTS = ("train", "train", "val", "test")
TEMPERATURE = 1.7


def make_photos(folder: Path) -> Path:
    """36 pictures a class, dealt to train, val and test."""
    from skimage import data as skimage_data

    for label, photo in PHOTOS.items():
        image = getattr(skimage_data, photo)()[..., :3]
        # The middle of the retina: around it all is black.
        image = image[500:, 500:] if photo == "retina" else image
        for number in range(36):
            top, left = (SIZE * i for i in divmod(number, 6))
            tile = image[top : top + SIZE, left : left + SIZE]
            part = PARTS[number % 4]
            put(folder, f"{part}/{label}/{number:02}.png", encoded(tile, "PNG"))
    return folder


def make_run(folder: Path, photos: Path, model: keras.Model, **metadata) -> Path:
    """A run folder with ``model.keras``, ``config.yaml`` and ``manifest.csv``."""
    found = scan(list_folder(photos)).pictures
    manifest = Manifest(photos, tuple(split(found, [], seed=0).pictures))
    manifest.write(folder / "manifest.csv")
    write_text(folder / "config.yaml", f"stages:\n  scan:\n    data: {photos}\n")
    about = {
        "class_names": tuple(manifest.class_names),
        "size": SIZE,
        "resize": "crop",
        "backbone": "tiny",
        "weights": "none",
        "split": manifest.digest,
        "kept": "head",
        "seed": 0,
        "versions": {},
        "temperature": TEMPERATURE,
        **metadata,
    }
    model_file.save(model, folder / "model.keras", model_file.Metadata(**about))
    return folder


def network(*before: keras.layers.Layer, pool=None) -> keras.Model:
    """The tiny network with a softmax over three classes.

    Args:
        before: layers that see the picture first.
        pool: feature map to vector; the average when None.
    """
    image = x = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="picture")
    x = keras.layers.Rescaling(1.0, dtype="float32")(x)
    for layer in before:
        x = layer(x)
    x = (pool or keras.layers.GlobalAveragePooling2D(name="pool"))(tiny()(x))
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    first = keras.initializers.GlorotUniform(seed=1)
    logits = keras.layers.Dense(len(NAMES), name="logits", kernel_initializer=first)(x)
    return keras.Model(image, keras.layers.Softmax(name="probabilities")(logits))


def fit_head(model: keras.Model, photos: Path) -> keras.Model:
    """The last dense layer as logistic regression on the training pictures has it."""
    pictures, labels = [], []
    for number, name in enumerate(NAMES):
        for file in sorted((photos / "train" / name).iterdir()):
            pictures.append(keras.utils.img_to_array(keras.utils.load_img(file), dtype="uint8"))
            labels.append(number)
    below = keras.Model(model.input, model.get_layer("logits").input)
    features = below.predict_on_batch(np.stack(pictures))
    fitted = LogisticRegression(C=100, max_iter=5000).fit(features, labels)
    kernel, bias = fitted.coef_.T, fitted.intercept_
    model.get_layer("logits").set_weights([kernel.astype("float32"), bias.astype("float32")])
    return model
