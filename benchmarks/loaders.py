"""The contestants of input.py: each gives epochs of augmented 224 px pictures in batches of 32."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from tlpipe.data import augment, loader, presets
from tlpipe.data.manifest import Manifest
from tlpipe.data.prepared import Prepared
from tlpipe.data.sample import Sampler

SIZE, BATCH, SHORT_SIDE = 224, 32, 256
Epoch = Callable[[int | None], Iterator[int]]
"""One epoch, or only so many batches of it; yields the number of pictures in each batch."""

cv2.setNumThreads(0)
_local = threading.local()


def decode(path: str) -> np.ndarray:
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_RGB)


def decode_and_augment(path: str, size: int = SIZE) -> np.ndarray:
    # A pipeline a thread: their random state is not safe to share. A process has one size.
    if not hasattr(_local, "pipeline"):
        _local.pipeline = presets.A.Compose(presets.preset("light", size))
    return _local.pipeline(image=decode(path))["image"]


def keras_dataset(folder: Path):
    """The directory loader, and layers with the ranges of the preset."""
    import keras
    import tensorflow as tf

    crop, _, colour = presets.preset("light", SIZE)
    layers = keras.Sequential(
        [
            keras.layers.RandomZoom((crop.scale[0] ** 0.5 - 1, 0.0)),
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomBrightness(colour.brightness_limit, (0, 255)),
            keras.layers.RandomContrast(colour.contrast_limit[1], (0, 255)),
        ]
    )
    dataset = keras.utils.image_dataset_from_directory(
        folder, image_size=(SIZE, SIZE), batch_size=BATCH, label_mode="categorical", verbose=False
    )
    return dataset.map(
        lambda x, y: (layers(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE
    ).prefetch(2)


def keras_loader(manifest: Manifest, workers: int) -> Epoch:
    dataset = keras_dataset(manifest.root)
    return lambda limit: (len(x) for x, _ in dataset.take(limit or -1))


def tf_data(manifest: Manifest, workers: int) -> Epoch:
    import tensorflow as tf

    def load(path):
        image = tf.numpy_function(lambda p: decode_and_augment(p.decode()), [path], tf.uint8)
        return tf.ensure_shape(image, (SIZE, SIZE, 3))

    paths = _paths(manifest)
    dataset = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths))
    dataset = dataset.map(load, num_parallel_calls=workers).batch(BATCH).prefetch(2)
    return lambda limit: (len(x) for x in dataset.take(limit or -1))


class TorchPictures:
    """A map-style PyTorch dataset."""

    def __init__(self, paths: list[str], size: int = SIZE):
        self.paths, self.size = paths, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return decode_and_augment(self.paths[index], self.size)


def torch(manifest: Manifest, workers: int) -> Epoch:
    from torch.utils.data import DataLoader

    paths, order = _paths(manifest), []
    loading = DataLoader(
        TorchPictures(paths), BATCH, sampler=order, num_workers=workers, persistent_workers=True
    )

    def epoch(limit: int | None) -> Iterator[int]:
        # The workers live on, and this list is read anew at the start of every epoch.
        order[:] = np.random.permutation(len(paths))[: limit and limit * BATCH].tolist()
        return (len(x) for x in loading)

    return epoch


def tlpipe(manifest: Manifest, workers: int, prepared: bool = False) -> Epoch:
    sampler = open_sampler(manifest, prepared)
    rows, numbers = manifest.indices("train"), count()

    def epoch(limit: int | None) -> Iterator[int]:
        view = next(numbers)
        order = loader.epoch_order(rows, seed=0, epoch=view)[: limit and limit * BATCH]
        loading = loader.batches(sampler, order, view=view, batch_size=BATCH, workers=workers)
        return (len(x) for x, _ in loading)

    return epoch


def tlpipe_prepared(manifest: Manifest, workers: int) -> Epoch:
    return tlpipe(manifest, workers, prepared=True)


def open_sampler(manifest: Manifest, prepared: bool) -> Sampler:
    """tlpipe's pictures; ``prepared`` ones are decoded in the first epoch only."""
    store = Prepared(manifest, Path(tempfile.mkdtemp()), SHORT_SIDE) if prepared else None
    return Sampler(manifest, SIZE, augmentation=augment.load("light", SIZE), prepared=store)


def one_thread(work: Callable[[str], np.ndarray], manifest: Manifest) -> Epoch:
    paths = _paths(manifest)
    return lambda limit: (len([work(path)]) for path in paths[: limit and limit * BATCH])


def _paths(manifest: Manifest) -> list[str]:
    return [str(manifest.root / picture.path) for picture in manifest.pictures]


LOADERS: dict[str, Callable[[Manifest, int], Epoch]] = {
    "keras": keras_loader,
    "tf_data": tf_data,
    "torch": torch,
    "tlpipe": tlpipe,
    "tlpipe_prepared": tlpipe_prepared,
    "decode": lambda manifest, workers: one_thread(decode, manifest),
    "decode_augment": lambda manifest, workers: one_thread(decode_and_augment, manifest),
}
