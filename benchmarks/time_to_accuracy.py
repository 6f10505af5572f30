"""Seconds to a fine-tuned model: the Keras transfer-learning guide's loop against tlpipe.

    python benchmarks/time_to_accuracy.py                 # solar cells, 3 seeds: about an hour
    python benchmarks/time_to_accuracy.py --data food     # RGB photographs of food

Both get the same backbone and weights (EfficientNet-Lite0), the same split (tlpipe's manifest), the
same epochs and the same freeze boundary. The guide's loop is the one of keras.io/guides/
transfer_learning: a directory loader, flip and rotation layers, a frozen base, `fit`, then the top
layers unfrozen and `fit` at 1e-5. Each run has a process of its own; tlpipe starts with an empty
activation cache. The clock starts before the first picture is read and ends with the trained model;
evaluation on the test part is not counted. tlpipe's scan and split are counted apart: the guide has
no such thing, and both use the split they make. tlpipe computes in the precision that it chooses
itself (`policy`; bfloat16 where the processor is quicker with it), the guide's loop in float32 as
it stands.

Step two is timed once more, as `again`, with the cache that the first run filled: what another run,
or a trial of a search, takes that shares backbone, augmentation, split and seed with it.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common
import food

BLOCKS = 3


def _solar_cells(root: Path) -> None:
    from tlpipe.demo import lay_out

    lay_out("solar-cells", root)


SCORES = ("accuracy", "auc")
SETS = {"solar-cells": _solar_cells, "food": food.lay_out}


def guide(
    root: Path,
    manifest_path: Path,
    epochs: int,
    seed: int,
    *,
    rates: tuple[float, float] = (1e-3, 1e-5),
    blocks: int = BLOCKS,
    dropout: float = 0.2,
    part: str = "test",
) -> dict:
    import keras
    import numpy as np

    from tlpipe.backbones.blocks import boundary
    from tlpipe.backbones.build import build
    from tlpipe.data.manifest import Manifest
    from tlpipe.metrics.scores import summary

    keras.utils.set_random_seed(seed)
    manifest = Manifest.read(manifest_path, root=root)
    folder = Path(tempfile.mkdtemp())
    for picture in manifest.pictures:
        link = folder / picture.split / picture.path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((root / picture.path).resolve())
    size = 224
    backbone = build("efficientnet_lite0").model
    cut = boundary(backbone, blocks)
    # The guide's model takes floats; its preprocessing is a layer in front of the nested base.
    preprocess = next(la for la in backbone.layers if isinstance(la, keras.layers.Rescaling))
    base = keras.Model(preprocess.output, backbone.output, name="base")
    frozen = {layer.name for layer in keras.Model(preprocess.output, cut.tensor).layers}

    start = time.perf_counter()

    def load(part, shuffle):
        return keras.utils.image_dataset_from_directory(
            folder / part, image_size=(size, size), batch_size=32, shuffle=shuffle, seed=seed,
            label_mode="categorical", verbose=False, class_names=manifest.class_names,
        ).prefetch(2)  # fmt: skip

    inputs = keras.Input((size, size, 3))
    x = keras.layers.RandomFlip("horizontal", seed=seed)(inputs)
    x = keras.layers.RandomRotation(0.1, seed=seed)(x)
    x = keras.layers.Rescaling.from_config(preprocess.get_config())(x)
    base.trainable = False
    x = base(x, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(dropout, seed=seed)(x)
    model = keras.Model(inputs, keras.layers.Dense(len(manifest.class_names))(x))
    train, val = load("train", True), load("val", False)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rates[0]), loss, metrics=["accuracy"])
    model.fit(train, epochs=epochs, validation_data=val, verbose=0)
    middle = time.perf_counter()
    base.trainable = True
    for layer in base.layers:
        layer.trainable = layer.name not in frozen
    model.compile(keras.optimizers.Adam(rates[1]), loss, metrics=["accuracy"])
    model.fit(train, epochs=epochs, validation_data=val, verbose=0)
    end = time.perf_counter()
    scored = load(part, False)
    probabilities = keras.ops.softmax(model.predict(scored, verbose=0))
    labels = np.concatenate([np.argmax(y, axis=1) for _, y in scored])
    scores = summary(labels, keras.ops.convert_to_numpy(probabilities), manifest.class_names)
    return {"step_two": middle - start, "step_three": end - middle, **_scores(scores)}


def tlpipe(root: Path, out: Path, epochs: int, seed: int) -> dict:
    from tlpipe.pipeline.atomic import read_json

    run = _finetune(root, out, epochs, seed, BLOCKS)
    seconds = {name: entry["seconds"] for name, entry in run.state().items()}
    return {
        "scan_and_split": seconds["scan"] + seconds["split"],
        "step_two": _step_two(seconds),
        "step_three": seconds["unfreeze"] + seconds["select"],
        "policy": read_json(run.path("backbone.json"))["policy"],
        **_scores(read_json(run.path("metrics.json"))["test"]),
    }


def again(root: Path, out: Path, epochs: int, seed: int) -> dict:
    run = _finetune(root, out, epochs, seed, "none", folder=f"{out}-again")
    return {"step_two": _step_two({name: entry["seconds"] for name, entry in run.state().items()})}


def _finetune(root: Path, out: Path, epochs: int, seed: int, blocks, *, folder=None):
    os.environ["TLPIPE_CACHE"] = f"{out}-cache"
    import tlpipe

    return tlpipe.finetune(
        root,
        out=folder or out,
        seed=seed,
        # As the guide's loader makes a picture square, so that both see the same.
        prepare={"resize": "squash"},
        head={"epochs": epochs, "patience": epochs},
        unfreeze={"epochs": epochs, "patience": epochs, "blocks": blocks},
    )


def _step_two(seconds: dict[str, float]) -> float:
    return seconds["backbone"] + seconds["prepare"] + seconds["head"]


def _scores(scores: dict) -> dict:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {"accuracy": scores["accuracy"], "auc": scores["auc"], "peak_memory_mb": round(peak)}


def result_of(rows: dict[str, list[dict]], epochs: int) -> dict:
    result = {"epochs": epochs, "rows": rows}
    if "guide" in rows:
        ratios = {
            key: common.median(rows["guide"], key) / common.median(rows["tlpipe"], key)
            for key in ("step_two", "step_three", "training_seconds", "process_seconds")
        }
        ratios["step_two_again"] = common.median(rows["guide"], "step_two") / common.median(
            rows["again"], "step_two"
        )
        result["ratios"] = ratios
    result["means"] = {
        who: {key: sum(row[key] for row in rows[who]) / len(rows[who]) for key in SCORES}
        for who in ("guide", "tlpipe")
        if who in rows
    }
    print(json.dumps({key: result[key] for key in ("ratios", "means") if key in result}, indent=2))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--add", action="store_true", help="keep the seeds already in the results file"
    )
    parser.add_argument(
        "--scores", action="store_true", help="tlpipe alone, to see what it scores by today's code"
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--data", choices=SETS, default="solar-cells")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        who, root, out, seed = arguments.one
        if who == "guide":
            result = guide(Path(root), Path(out) / "manifest.csv", arguments.epochs, int(seed))
        else:
            run = {"tlpipe": tlpipe, "again": again}[who]
            result = run(Path(root), Path(out), arguments.epochs, int(seed))
        print(json.dumps(result))
        return
    work = Path(tempfile.mkdtemp())
    root = work / arguments.data
    SETS[arguments.data](root)
    name = f"time_to_accuracy_{arguments.data}"
    rows = {"tlpipe": [], "again": [], "guide": []}
    if arguments.scores:
        name, rows = f"{name}_scores", {"tlpipe": []}
    if arguments.add:
        rows |= json.loads((common.HERE / "results" / f"{name}.json").read_text())["rows"]
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for who in rows:
            row = common.in_a_process(
                Path(__file__), "--epochs", str(arguments.epochs),
                "--one", who, str(root), str(work / f"run{seed}"), str(seed),
            )  # fmt: skip
            if "step_three" in row:
                row["training_seconds"] = row["step_two"] + row["step_three"]
            rows[who].append({"seed": seed, **row})
            print(who, seed, row, flush=True)
        # Saved after every seed: an hour's work is not lost with its last minute.
        print(common.save(name, result_of(rows, arguments.epochs)), flush=True)


if __name__ == "__main__":
    main()
