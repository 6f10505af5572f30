"""A data set of TFDS with splits of its own, labels of every kind, and some that lack one."""

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

SPLITS = {"train": 8, "validation": 4, "test": 4, "unsupervised": 2}


class Parts(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Real pictures; those of ``unsupervised`` and the last one of test have no label."""

    VERSION = tfds.core.Version("1.2.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in ("small", "large")]  # noqa: RUF012
    url_infos = {}  # noqa: RUF012

    def __init__(self, files: list[Path] = (), **kwargs):
        self._files = files
        super().__init__(**kwargs)

    def _info(self):
        names = tfds.features.ClassLabel(names=["a", "b"])
        features = {
            "picture": tfds.features.Image(shape=(None, None, 1)),
            "label": names,
            "tags": tfds.features.Sequence(tfds.features.ClassLabel(names=["x", "y"])),
            "species": tfds.features.Text(),
            "age": np.int64,
            "box": tfds.features.BBoxFeature(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        files = iter(self._files)
        return {
            name: self._generate_examples(name, [next(files) for _ in range(count)])
            for name, count in SPLITS.items()
        }

    def _generate_examples(self, split, files):
        for number, file in enumerate(files):
            without = split == "unsupervised" or (split == "test" and number == 3)
            yield (
                number,
                {
                    "picture": file,
                    "label": -1 if without else number % 2,
                    "tags": [0, 1][: number % 3],
                    "species": f"e\u0301{number % 2}",
                    "age": number,
                    "box": tfds.features.BBox(0.0, 0.0, 1.0, 1.0),
                },
            )
