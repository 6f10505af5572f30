"""Is the memory that `tlpipe inspect` estimates the memory that a step takes?

One step of training (and one of prediction) at two batch sizes, each in a process of its own. What
the peak of resident memory grows by from the small batch to the large one, divided by the pictures
between them, is what a picture takes; the network, its optimizer and the framework cancel out. The
peak itself, less what the process held with the framework loaded, is what all of it takes.

    python benchmarks/memory.py
    python benchmarks/memory.py --size 96 --batches 8 32 --networks resnet50
"""

import argparse
import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

NETWORKS = ["efficientnet_lite0", "resnet50", "vgg16"]
CLASSES = 10


def peak() -> int:
    """Bytes of the most memory this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def network(name: str, size: int):
    import keras

    from tlpipe.backbones.build import build

    backbone = build(name, weights="none", size=size).model
    x = keras.layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.input, keras.layers.Dense(CLASSES, activation="softmax")(x))


def one(name: str, size: int, batch: int, what: str) -> dict:
    """Peak growth of one step in this process, and the estimate for it."""
    import keras
    import numpy as np

    keras.ops.convert_to_numpy(keras.ops.ones((2, 2)) @ keras.ops.ones((2, 2)))
    before = peak()
    model = network(name, size)
    pictures = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), "uint8")
    labels = np.arange(batch) % CLASSES
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", jit_compile=False)
    for _ in range(2):
        if what == "training":
            model.train_on_batch(pictures, labels)
        else:
            model.predict_on_batch(pictures)
    grown = peak() - before

    from tlpipe.inspect.examine import examine

    memory = examine(model).memory
    each = memory.training_picture if what == "training" else memory.prediction_picture
    whole = memory.training(batch) if what == "training" else memory.prediction(batch)
    return {"grown": grown, "estimate": whole, "estimate_picture": each}


def compare(name: str, size: int, batches: list[int], what: str) -> dict:
    """Estimate against measurement, in megabytes."""
    from common import in_a_process

    small, large = (
        in_a_process(Path(__file__), "--one", name, str(size), str(n), what) for n in batches
    )
    picture = (large["grown"] - small["grown"]) / (batches[1] - batches[0])
    return {
        "measured MB a picture": picture / 1e6,
        "estimated MB a picture": large["estimate_picture"] / 1e6,
        "ratio a picture": large["estimate_picture"] / picture,
        "measured MB in all": large["grown"] / 1e6,
        "estimated MB in all": large["estimate"] / 1e6,
        "ratio in all": large["estimate"] / large["grown"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--batches", type=int, nargs=2, default=[8, 32])
    parser.add_argument("--no-save", action="store_true", help="write no results/memory.json")
    parser.add_argument("--one", nargs=4, metavar=("NAME", "SIZE", "BATCH", "WHAT"))
    options = parser.parse_args()
    if options.one:
        name, size, batch, what = options.one
        print(json.dumps(one(name, int(size), int(batch), what)))
        return
    from common import save, table

    rows = {
        f"{name}, {what}": compare(name, options.size, options.batches, what)
        for name in options.networks
        for what in ("training", "prediction")
    }
    print(table(rows))
    if not options.no_save:
        save("memory", {"size": options.size, "batches": options.batches, "rows": rows})


if __name__ == "__main__":
    main()
