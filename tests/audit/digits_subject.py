"""Handwritten digits as a data set with faults planted, and a model so simple that it needs no
training: what the audit's sections get, without a network."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from tests.data.odd_files import encoded, put, tiles
from tlpipe.config.audit import Audit
from tlpipe.data.augment import load
from tlpipe.data.folder import list_folder
from tlpipe.data.manifest import Manifest
from tlpipe.data.pixels import RGB
from tlpipe.data.resize import fit
from tlpipe.data.scan import scan
from tlpipe.data.split import split
from tlpipe.metrics.temperature import fit_temperature

SIZE = 32
NAMES = ("<b>3", "8", "九")


def lay_out(root: Path, *, faults: bool) -> None:
    """Digits 3, 8 and 9 in train, val and test; with ``faults`` one of every kind in test."""
    digits = load_digits()
    for label, digit in zip(NAMES, (3, 8, 9), strict=True):
        images = digits.images[digits.target == digit]
        # 10 for the last class to learn from: eight times fewer than the others.
        ends = {"train": 80 if digit != 9 or not faults else 10, "val": 30, "test": 60}
        start = 0
        for part, count in ends.items():
            for i, image in enumerate(images[start : start + count]):
                put(root, f"{part}/{label}/{digit}_{i:03}.png", encoded(drawn(image), "PNG"))
            start += count
        if not faults:
            continue
        for i, image in enumerate(images[start : start + 3]):
            wrong = NAMES[(NAMES.index(label) + 1) % 3]
            put(root, f"test/{wrong}/wrong_{digit}_{i}.png", encoded(drawn(image), "PNG"))
    if faults:
        # Photographs, bright where a digit's paper is dark.
        for i, tile in enumerate(sorted(tiles(96, 40), key=np.mean)[-4:]):
            put(root, f"test/8/strange_{i}.png", encoded(tile, "PNG"))
        copied = drawn(digits.images[digits.target == 8][0])
        put(root, "test/8/leak.jpg", encoded(copied, "JPEG", quality=80))


def drawn(image: np.ndarray) -> np.ndarray:
    """A digit of 8 x 8 and 17 levels as uint8 (96, 96, 3)."""
    large = cv2.resize(image * 15.9, (96, 96), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.clip(large, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


class Subject:
    """Stands in for ``tlpipe.audit.subject.Subject``: pixels are the features."""

    names, part, seed = NAMES, "test", 0

    def __init__(self, root: Path, settings: Audit | None = None):
        pictures = split(scan(list_folder(root)).pictures, [], seed=0).pictures
        self.manifest = Manifest(root, tuple(pictures))
        self.settings = settings or Audit()
        self.about = {
            "augmentation": load("light", SIZE).describe()["pipeline"],
            "settings": {
                "prepare": {"augment": "light", "strength": 1.0},
                "head": {"balance": False},
            },
        }
        self.columns = None
        about = SimpleNamespace(size=SIZE, resize="squash", pixels=RGB, channels=3)
        self.classifier = SimpleNamespace(metadata=about)
        model = LogisticRegression(C=0.01).fit(self.features("train"), self.labels("train"))
        self.logits_of = lambda x: model.decision_function(_features(x)).astype(np.float32)

    @property
    def temperature(self):
        return fit_temperature(self.labels("val"), self.logits("val"))

    def rows(self, part):
        return self.manifest.indices(part)

    def labels(self, part):
        return np.array([NAMES.index(self.manifest.pictures[i].label) for i in self.rows(part)])

    def paths(self, part):
        return [self.manifest.pictures[i].path for i in self.rows(part)]

    def pictures(self, part):
        files = [self.manifest.root / path for path in self.paths(part)]
        return np.stack([fit(RGB.decode(file.read_bytes()), SIZE, "squash") for file in files])

    def features(self, part):
        return _features(self.pictures(part))

    def logits(self, part):
        return self.logits_of(self.pictures(part))

    @contextmanager
    def progress(self, label):
        yield lambda done, total: None


def _features(pictures: np.ndarray) -> np.ndarray:
    small = [cv2.resize(x[..., 0], (8, 8), interpolation=cv2.INTER_AREA) for x in pictures]
    flat = np.stack(small).reshape(len(pictures), -1).astype(np.float32)
    # Without its mean light a photograph is no nearer to a digit than to anything.
    return (flat - flat.mean(axis=1, keepdims=True)) / 16
