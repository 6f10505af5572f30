"""A map of scores in one pass against the same windows one by one.

    python benchmarks/dense.py

A photograph of 384 px holds 36 windows of 224 px, 32 px apart. ``one pass`` is the classifier as a
fully convolutional network (``tlpipe predict --dense``), ``windows`` the classifier on a batch of
all 36 crops. Seconds: VGG16 with its dense layers and EfficientNet-Lite0, both as tlpipe predicts
(BatchNorm folded), in turns, the first of each not counted; ``times_faster`` is the median of the
turns' ratios, because a shared machine's speed changes from turn to turn. Agreement: real
photographs of scikit-image and scikit-learn, each one's middle square at 384 px. Both networks pad
with zeros, so the two differ near the windows' edges; ``without_padding`` is a small network that
does not.

- ``top1_places``: share of all windows whose first class is the same; ``top1_sure``: of those to
  which the classifier gives half the probability or more (``sure`` is how many);
  ``top1_pictures``: of the photographs whose mean score has the same first class.
- ``correlation_map``: Pearson's between the two maps of a photograph's first class, the mean over
  photographs; ``correlation_scores``: between all logits of all windows.

Lite0 has its ImageNet weights. VGG16's are random (there is no install that brings them), so what
its figures say of agreement is about the graph, not about a trained VGG16.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib.resources import files
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent))
import common
import numpy as np

from tlpipe.backend import import_backend

PHOTOGRAPHS = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png"),
    *("coffee.png", "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png"),
    *("microaneurysms.png", "moon.png", "motorcycle_left.png", "motorcycle_right.png"),
    *("retina.jpg", "rocket.jpg", "china.jpg", "flower.jpg"),
)
SIZE, WINDOW, STRIDE = 384, 224, 32


def photographs(count: int) -> list[np.ndarray]:
    from tlpipe.data.decode import decode
    from tlpipe.data.resize import fit

    places = files("skimage") / "data", files("sklearn") / "datasets" / "images"
    found = [next(p / name for p in places if (p / name).is_file()) for name in PHOTOGRAPHS[:count]]
    return [fit(decode(file.read_bytes()), SIZE) for file in found]


def lite0():
    from tlpipe.backbones import registry
    from tlpipe.backbones.efficientnet_lite import efficientnet_lite
    from tlpipe.backbones.lite_weights import load_torch_weights, verified_bundle

    model = efficientnet_lite(0, include_top=True)
    load_torch_weights(model, 0, verified_bundle(registry.get("efficientnet_lite0").bundle))
    return model


def vgg16():
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((WINDOW, WINDOW, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1.0, -117.0, dtype="float32")(image)
    body = keras.applications.VGG16(
        weights=None, input_tensor=x, include_top=False, input_shape=(WINDOW, WINDOW, 3)
    )
    x = keras.layers.Flatten()(body.outputs[0])
    for units in (4096, 4096):
        x = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    model = keras.Model(image, keras.layers.Dense(1000)(x), name="vgg16")
    # He's scale keeps a random network's signal alive through 16 layers; Glorot's loses it.
    random = np.random.default_rng(0)
    for layer in body.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            scale = (2 / np.prod(kernel.shape[:3])) ** 0.5
            layer.set_weights([random.normal(0, scale, kernel.shape), bias])
    return model


def without_padding():
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image = x = keras.Input((WINDOW, WINDOW, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 64, -2.0, dtype="float32")(x)
    for filters, kernel in ((32, 6), (64, 4), (128, 3), (128, 3), (256, 4)):
        how = {"activation": "relu", "kernel_initializer": "he_normal"}
        x = layers.Conv2D(filters, kernel, 2, **how)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(1000)(x), name="without_padding")


NETWORKS = {
    "efficientnet_lite0": (lite0, "ImageNet, bundled"),
    "vgg16": (vgg16, "random, seed 0"),
    "without_padding": (without_padding, "random, seed 0"),
}


def measure(name: str, pictures: list[np.ndarray], repetitions: int) -> dict:
    from tlpipe.dense.constant import constant
    from tlpipe.dense.convolutions import to_convolutions
    from tlpipe.dense.folding import folded
    from tlpipe.training.fast import fast

    make, weights = NETWORKS[name]
    model = make()
    model.trainable = False
    whole, dense = fast(model), constant(folded(to_convolutions(model).model))
    places = range(0, SIZE - WINDOW + 1, STRIDE)

    def one_pass(picture: np.ndarray) -> np.ndarray:
        return dense.predict_on_batch(picture[None])[0]

    def windows(picture: np.ndarray) -> np.ndarray:
        crops = [picture[i : i + WINDOW, j : j + WINDOW] for i in places for j in places]
        scores = whole.predict_on_batch(np.stack(crops))
        return scores.reshape(len(places), len(places), -1)

    contestants = {"one_pass": one_pass, "windows": windows}
    seconds = {who: [] for who in contestants}
    cpu = {who: [] for who in contestants}
    for repetition in range(repetitions + 1):
        for who, function in contestants.items():
            start, used = time.perf_counter(), time.process_time()
            function(pictures[0])
            # The first call compiles.
            if repetition:
                seconds[who].append(time.perf_counter() - start)
                cpu[who].append(time.process_time() - used)
    medians = {who: median(times) for who, times in seconds.items()}
    return {
        "weights": weights,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "median_seconds": medians,
        "times_faster": _ratio(seconds),
        "times_less_cpu": _ratio(cpu),
        **agreement([(windows(p), one_pass(p)) for p in pictures]),
    }


def _ratio(spent: dict[str, list[float]]) -> float:
    turns = zip(spent["windows"], spent["one_pass"], strict=True)
    return median(windows / one_pass for windows, one_pass in turns)


def agreement(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict:
    """Between maps of logits (rows, columns, classes): the windows' and one pass's."""
    expected, found = (np.stack(side).astype("float64") for side in zip(*pairs, strict=True))
    mean_expected, mean_found = (x.mean(axis=(1, 2)).argmax(-1) for x in (expected, found))
    probabilities = [_softmax(x) for x in (expected, found)]
    same, sure = expected.argmax(-1) == found.argmax(-1), probabilities[0].max(axis=-1) >= 0.5
    maps = [
        _pearson(probabilities[0][i, ..., c], probabilities[1][i, ..., c])
        for i, c in enumerate(mean_expected)
    ]
    return {
        "photographs": len(pairs),
        "places": int(np.prod(expected.shape[:3])),
        "top1_places": float(same.mean()),
        "sure": int(sure.sum()),
        "top1_sure": float(same[sure].mean()) if sure.any() else None,
        "top1_pictures": float((mean_expected == mean_found).mean()),
        "correlation_map": float(np.mean(maps)),
        "correlation_map_lowest": float(np.min(maps)),
        "correlation_scores": _pearson(expected, found),
        "largest_difference": float(np.abs(expected - found).max()),
        "largest_score": float(np.abs(expected).max()),
    }


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--photographs", type=int, default=len(PHOTOGRAPHS))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--print", action="store_true", help="write no file")
    arguments = parser.parse_args()
    import_backend()
    pictures = photographs(arguments.photographs)
    found = {name: measure(name, pictures, arguments.repetitions) for name in arguments.networks}
    hidden = ("seconds", "cpu_seconds", "median_seconds")
    rows = {n: {k: v for k, v in r.items() if k not in hidden} for n, r in found.items()}
    for name, result in found.items():
        rows[name] = {f"{who}_s": s for who, s in result["median_seconds"].items()} | rows[name]
    print(common.table(rows))
    if not arguments.print:
        result = {"size": SIZE, "window": WINDOW, "stride": STRIDE, "networks": found}
        print(common.save("dense", result))


if __name__ == "__main__":
    main()
