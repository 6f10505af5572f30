"""Does bfloat16 pay on this processor?

    python benchmarks/precision.py                        # ten minutes
    python benchmarks/precision.py --networks resnet50

For each network, as step three trains it with three blocks unfrozen: the frozen part's forward pass
and a step of the trained part, in float32 and in bfloat16, in turns. Random weights and pictures:
the time does not hang on them. What `--precision auto` does on a CPU rests on this.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common

NETWORKS = [
    "efficientnet_lite0", "resnet50", "mobilenetv2", "vgg16", "mobilenetv3_large", "densenet121",
    "efficientnetb0", "efficientnetv2b0", "resnet50v2", "xception", "googlenet", "shufflenet_v2",
]  # fmt: skip
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
BATCH, BLOCKS, TURNS = 16, 3, 5


def parts(name: str, policy: str):
    """Two functions: a forward pass of the frozen part, and a step of the trained one."""
    import keras
    import numpy as np

    from tlpipe.backbones.blocks import boundary
    from tlpipe.backbones.build import build
    from tlpipe.config.settings import Head
    from tlpipe.training.fast import fast
    from tlpipe.training.network import add_head, cut

    backbone = build(name, weights="none", dtype_policy=policy).model
    two = cut(add_head(backbone, 2, Head(), seed=0), boundary(backbone, BLOCKS).tensor)
    prefix, suffix = fast(two.prefix, hold=True), fast(two.suffix, hold=True)
    suffix.compile(
        keras.optimizers.Adam(1e-5),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (BATCH, *backbone.input.shape[1:]), "uint8")
    values = random.normal(size=(BATCH, *suffix.inputs[0].shape[1:])).astype("float32")
    labels = np.eye(2, dtype="float32")[random.integers(0, 2, BATCH)]
    return {
        "forward": lambda: prefix.predict_on_batch(pictures),
        "step": lambda: suffix.train_on_batch(values, labels),
    }


def one(name: str) -> dict:
    """Every turn's milliseconds, by part and precision."""
    from tlpipe.training.determinism import make_deterministic

    make_deterministic(0)
    work = {short: parts(name, policy) for short, policy in POLICIES.items()}
    taken = {part: {short: [] for short in work} for part in ("forward", "step")}
    for turn in range(TURNS + 1):
        for short, functions in work.items():
            for part, function in functions.items():
                start = time.perf_counter()
                function()
                # The first one is traced.
                if turn:
                    taken[part][short].append(round((time.perf_counter() - start) * 1e3, 1))
    return taken


def compare(taken: dict) -> dict:
    medians = {
        part: {short: statistics.median(turns) for short, turns in by.items()}
        for part, by in taken.items()
    }
    return {
        f"{part} {what}": value
        for part, of in medians.items()
        for what, value in {
            **{f"{short} ms": ms for short, ms in of.items()},
            "ratio": of["float32"] / of["bfloat16"],
        }.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one)))
        return
    from tlpipe.data.machine import bfloat16_unit

    turns, rows = {}, {}
    for name in arguments.networks:
        turns[name] = common.in_a_process(Path(__file__), "--one", name)
        turns[name].pop("process_seconds")
        rows[name] = compare(turns[name])
        print(name, rows[name], flush=True)
        result = {
            "unit": bfloat16_unit(),
            "batch": BATCH,
            "blocks": BLOCKS,
            "rows": rows,
            "turns": turns,
        }
        path = common.save("precision", result)
    print(common.table(rows), path, sep="\n")


if __name__ == "__main__":
    main()
