"""Wrong labels planted at random: how many are among the first tenth of the ranked list?

    python benchmarks/labels.py            # solar cells and food, 10 seeds: some minutes

Of all labels 5 % are turned into another one, drawn at random. tlpipe's ranking (confident learning
on features of the frozen EfficientNet-Lite0, computed once) is asked for the wrong ones; a random
list would have a tenth of them in its first tenth. Beside it, ranked in the same way, stand the
probabilities of a logistic regression in five folds.

The solar cells come in three ways: as `tlpipe demo` lays them out (two classes; experts were unsure
of 401 of the 2,624 cells, so that many labels are as good as wrong before any is turned); those of
which the experts were sure, where a label is known to be right before it is turned; and all, by
defect and kind of wafer, four classes.
"""

import argparse
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common
import food
import numpy as np

SHARE, FIRST = 0.05, 0.10


def read(root: Path) -> tuple[np.ndarray, list, np.ndarray]:
    """Features (n, d), the manifest's rows, and the numbers of their groups."""
    import keras

    from tlpipe.audit.evidence.out_of_fold import group_numbers
    from tlpipe.backbones.build import build
    from tlpipe.data.duplicates import find_duplicates
    from tlpipe.data.folder import list_folder
    from tlpipe.data.loader import batches
    from tlpipe.data.manifest import Manifest
    from tlpipe.data.sample import Sampler
    from tlpipe.data.scan import scan
    from tlpipe.data.split import split
    from tlpipe.training.fast import fast

    pictures = scan(list_folder(root)).pictures
    manifest = Manifest(
        root, tuple(split(pictures, find_duplicates(root, pictures), seed=0).pictures)
    )
    backbone = build("efficientnet_lite0")
    backbone.model.trainable = False
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.model.output)
    network = fast(keras.Model(backbone.model.input, pooled))
    rows = np.arange(len(manifest.pictures))
    sampler = Sampler(manifest, 224, "squash")
    found = batches(sampler, rows, view=None, batch_size=32)
    features = np.concatenate([np.asarray(network.predict_on_batch(x)) for x, _ in found])
    return features, list(manifest.pictures), group_numbers([p.group for p in manifest.pictures])


def solar_cells(work: Path) -> dict[str, tuple]:
    """(features, labels, groups) of the three ways."""
    from tlpipe.demo import lay_out

    lay_out("solar-cells", work / "solar-cells")
    features, pictures, groups = read(work / "solar-cells")
    data = Path(find_spec("elpv_dataset").origin).parent / "data"
    about = {}
    for line in (data / "labels.csv").read_text().splitlines():
        path, probability, wafer = line.split()
        about[Path(path).name] = float(probability), wafer
    mine = [about[Path(picture.path).name] for picture in pictures]
    labels = np.array([picture.label for picture in pictures])
    wafer = np.array([w for _, w in mine])
    sure = np.array([p in (0.0, 1.0) for p, _ in mine])
    return {
        "solar-cells": (features, labels, groups),
        "solar-cells, experts sure": (features[sure], labels[sure], groups[sure]),
        "solar-cells, 4 classes": (features, np.char.add(labels, wafer), groups),
    }


def foods(work: Path) -> dict[str, tuple]:
    features, pictures, groups = read(food.lay_out(work / "food"))
    return {"food": (features, np.array([picture.label for picture in pictures]), groups)}


def logistic(x, labels, groups, classes: int, seed: int) -> np.ndarray:
    """Five folds, groups kept together, standardised; the penalty of the least log loss."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from tlpipe.metrics.scores import log_loss

    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    found = {strength: np.zeros((len(labels), classes)) for strength in (1e-4, 1e-3, 1e-2)}
    for known, asked in folds.split(x, labels, groups):
        for strength, p in found.items():
            model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))
            model.fit(x[known], labels[known])
            p[np.ix_(asked, model.classes_)] = model.predict_proba(x[asked])
    return min(found.values(), key=lambda p: log_loss(labels, p))


def once(features: np.ndarray, names: np.ndarray, groups: np.ndarray, seed: int) -> dict:
    from tlpipe.audit.evidence.labels import check_labels
    from tlpipe.audit.evidence.out_of_fold import out_of_fold

    classes, right = np.unique(names, return_inverse=True)
    stream = np.random.default_rng(seed)
    turned = stream.choice(len(right), round(SHARE * len(right)), replace=False)
    labels = right.copy()
    labels[turned] = (right[turned] + stream.integers(1, len(classes), len(turned))) % len(classes)
    p = out_of_fold(features, labels, groups, len(classes))
    check = check_labels(labels, p)
    many = int(FIRST * len(labels))
    other = check_labels(labels, logistic(features, labels, groups, len(classes), seed))
    return {
        "seed": seed,
        "pictures": len(labels),
        "turned": len(turned),
        "found": float(np.isin(turned, check.ranked[:many]).mean()),
        "found_by_logistic": float(np.isin(turned, other.ranked[:many]).mean()),
        "suggested_right": float((check.suggested[turned] == right[turned]).mean()),
        "likely": len(check.likely),
        "likely_turned": int(np.isin(turned, check.likely).sum()),
        "accuracy": float((p.argmax(axis=1) == right).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    rows, means = {}, {}
    for name, data in {**foods(work), **solar_cells(work)}.items():
        rows[name] = [once(*data, seed) for seed in range(arguments.seeds)]
        means[name] = {
            key: float(np.mean([row[key] for row in rows[name]]))
            for key in (
                "found",
                "found_by_logistic",
                "suggested_right",
                "accuracy",
                "likely",
                "likely_turned",
                "turned",
            )
        }
    print(common.table(means))
    print(common.save("labels", {"share": SHARE, "first": FIRST, "rows": rows, "means": means}))


if __name__ == "__main__":
    main()
