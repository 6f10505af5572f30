"""Gradient saliency and Grad-CAM of a batch: tlpipe against tf-keras-vis and the bare passes.

    python benchmarks/attribution.py

A batch of 32 pictures of 224 px, MobileNetV2 and EfficientNetB0 with a pooled dense head, random
weights, float32. In turns, the first of each not counted:

- ``tf_keras_vis``: its Saliency and its Gradcam, one after the other, told the same layer;
- ``tlpipe_pair``: both maps from one forward and one backward pass;
- ``bare_pair``: a compiled forward and backward pass of the unchanged model, nothing else;
- ``tlpipe_cam``: Grad-CAM alone;
- ``bare_forward``: a compiled forward pass of the unchanged model;
- ``folded_pair`` and ``folded_forward``: the bare passes of the network as tlpipe computes it, with
  its BatchNorms folded into the convolutions.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent))
import common
import numpy as np

from tlpipe.backend import import_backend

NETWORKS = ("MobileNetV2", "EfficientNetB0")


def build(name: str):
    import keras

    keras.utils.set_random_seed(0)
    backbone = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(224, 224, 3)
    )
    x = keras.layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.input, keras.layers.Dense(1000)(x)), backbone.layers[-1].name


def bare(model):
    """A compiled forward pass, and one with the gradient of the best scores to the picture."""
    import tensorflow as tf

    @tf.function
    def forward(x):
        return model(x, training=False)

    @tf.function
    def pair(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(tf.reduce_max(model(x, training=False), axis=1))
        return tape.gradient(score, x)

    return forward, pair


def contestants(name: str, pictures: np.ndarray) -> dict:
    import tensorflow as tf
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.saliency import Saliency

    from tlpipe.explain.methods import attributions
    from tlpipe.explain.network import Explained
    from tlpipe.training.fast import fast

    model, last = build(name)
    model.trainable = False
    saliency, gradcam = Saliency(model, clone=False), Gradcam(model, clone=False)
    network = Explained(model)
    forward, pair = bare(model)
    folded_forward, folded_pair = bare(fast(model))
    x = tf.constant(pictures.astype("float32"))
    classes = network.logits(pictures).argmax(1)

    def score(output):
        return [row[c] for row, c in zip(output, classes, strict=True)]

    def theirs():
        saliency(score, x)
        gradcam(score, x, penultimate_layer=last, seek_penultimate_conv_layer=False)

    return {
        "tf_keras_vis": theirs,
        "tlpipe_pair": lambda: attributions(network, pictures, classes, ["saliency", "gradcam"]),
        "bare_pair": lambda: pair(x).numpy(),
        "folded_pair": lambda: folded_pair(x).numpy(),
        "tlpipe_cam": lambda: attributions(network, pictures, classes, ["gradcam"]),
        "bare_forward": lambda: forward(x).numpy(),
        "folded_forward": lambda: folded_forward(x).numpy(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    import_backend()
    pictures = np.random.default_rng(0).integers(0, 256, (32, 224, 224, 3), dtype="uint8")
    results = {}
    for name in NETWORKS:
        runs = contestants(name, pictures)
        rows: dict[str, list[dict]] = {who: [] for who in runs}
        for repeat in range(arguments.repeats + 1):
            for who, work in runs.items():
                start = time.perf_counter()
                work()
                if repeat:
                    rows[who].append({"seconds": time.perf_counter() - start})
        shown = common.summary(rows, "seconds", "tlpipe_pair")
        results[name] = {"rows": rows, "summary": shown}
        print(f"\n{name}, seconds a batch of 32\n\n{common.table(shown)}")
        middle = {who: row["median"] for who, row in shown.items()}
        ratios = {
            "tf_keras_vis / tlpipe_pair": middle["tf_keras_vis"] / middle["tlpipe_pair"],
            "tlpipe_pair / bare_pair": middle["tlpipe_pair"] / middle["bare_pair"],
            "tlpipe_pair / folded_pair": middle["tlpipe_pair"] / middle["folded_pair"],
            "tlpipe_cam / bare_forward": middle["tlpipe_cam"] / middle["bare_forward"],
            "tlpipe_cam / folded_forward": middle["tlpipe_cam"] / middle["folded_forward"],
        }
        results[name]["ratios"] = ratios
        print("\n".join(f"{what}: {value:.2f}" for what, value in ratios.items()))
    print(f"\nwritten to {common.save('attribution', results)}")


if __name__ == "__main__":
    main()
