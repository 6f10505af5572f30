"""The input pipeline alone: pictures a second and processor time a picture.

    python benchmarks/input.py              loaders with nothing behind them
    python benchmarks/input.py --fit        the same in front of a small frozen network that trains

JPEG files of 500x375 and of 1600x1200 pixels, made from real photographs, become batches of 32
augmented pictures of 224 px. Compared are Keras' directory loader with Keras' augmentation layers,
tf.data around cv2 and albumentations, PyTorch's DataLoader around the same two, tlpipe's loader
from the files, and tlpipe's from its cache of decoded pictures, after the epoch that fills it (its
seconds stand beside). ``decode`` and ``decode_augment`` are the limits of one thread.

Fair by: one preset, tlpipe's 'light' (random crop, flip, brightness and contrast), the same
albumentations transforms in all but Keras, whose layers have the same ranges but always take the
centre; every contestant in a process of its own, confined to as many cores as it has workers, in
turns; the files in the page cache; OpenCV's own threads off; a few batches to warm up, and then
whole epochs, their start included, until ``--seconds`` have passed. In ``--fit`` all train a head
on the same frozen network, Keras by `fit` and tlpipe as it always does, with the frozen BatchNorm
folded; ``tlpipe_unfolded`` is the loader's share of that, ``network_alone`` (not folded) and
``network_folded`` have one batch in memory. What lies between two epochs is not counted.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common
import numpy as np
import pictures
from loaders import BATCH, LOADERS, SIZE, Epoch, keras_dataset, open_sampler

from tlpipe.backend import import_backend
from tlpipe.data.manifest import Manifest
from tlpipe.data.sample import Sampler

SHAPES = {"small": (500, 375, 1), "large": (1600, 1200, 4)}
NEEDS = {"keras": "tensorflow", "tf_data": "tensorflow", "torch": "torch"}
IN_FIT = (
    "keras", "tlpipe", "tlpipe_prepared", "tlpipe_unfolded", "network_alone", "network_folded",
)  # fmt: skip
FOLDED = ("tlpipe", "tlpipe_prepared", "network_folded")
WARM_UP, FIT_EPOCHS = 4, 6


def measure(epoch: Epoch, seconds: float, warm_up: int | None) -> dict:
    """Whole epochs for so many seconds, after ``warm_up`` batches (None: an epoch)."""
    first = time.perf_counter()
    warmed = sum(epoch(warm_up))
    begin, used, count = time.perf_counter(), _processor_seconds(), 0
    while not count or time.perf_counter() - begin < seconds:
        count += sum(epoch(None))
    wall, used = time.perf_counter() - begin, _processor_seconds() - used
    return {
        "pictures_per_second": count / wall,
        "cpu_ms": 1e3 * used / count,
        "pictures": count,
        "warm_up_pictures": warmed,
        "warm_up_seconds": begin - first,
    }


def _processor_seconds() -> float:
    """Of this process and of its living children (PyTorch's workers)."""
    ticks = 0
    for child in multiprocessing.active_children():
        # utime and stime, behind the name in brackets, which may hold anything.
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def fit(who: str, manifest: Manifest) -> dict:
    """A head on a frozen MobileNetV2 (a third of its width, random weights), epoch by epoch."""
    import keras

    from tlpipe.config.settings import Head
    from tlpipe.targets.classes import Classes
    from tlpipe.training.activations import Pictures
    from tlpipe.training.fast import fast
    from tlpipe.training.loop import Task, train

    class SameBatch(Pictures):
        """No input at all: the first batch again and again."""

        def __init__(self, sampler: Sampler, batch_size: int):
            super().__init__(sampler, batch_size)
            self.images, _ = next(super().stream(np.arange(batch_size), None))

        def stream(self, rows: np.ndarray, view: int | None) -> Iterator:
            for start in range(0, len(rows), BATCH):
                chunk = rows[start : start + BATCH]
                yield self.images[: len(chunk)], chunk

    image = keras.Input((SIZE, SIZE, 3), dtype="float32" if who == "keras" else "uint8")
    base = keras.applications.MobileNetV2(
        input_tensor=keras.layers.Rescaling(1 / 127.5, -1.0)(image),
        alpha=0.35, weights=None, include_top=False, pooling="avg",
    )  # fmt: skip
    base.trainable = False
    classes, rows = len(manifest.class_names), manifest.indices("train")
    model = keras.Model(image, keras.layers.Dense(classes)(base.outputs[0]))
    if who in FOLDED:
        model = fast(model)
    model.compile(keras.optimizers.Adam(), keras.losses.CategoricalCrossentropy(from_logits=True))
    clock = common.Clock()
    if who == "keras":
        ticks = keras.callbacks.LambdaCallback(
            on_train_batch_end=clock.step, on_epoch_end=clock.close
        )
        dataset = keras_dataset(manifest.root)
        model.fit(dataset, epochs=FIT_EPOCHS, callbacks=[ticks], shuffle=False, verbose=0)
    else:
        source = SameBatch if who.startswith("network") else Pictures
        target = Classes(manifest.class_names)
        task = Task(
            "head", model, model.trainable_weights,
            source(open_sampler(manifest, who == "tlpipe_prepared"), BATCH), target,
            target.truth([picture.label for picture in manifest.pictures]),
            train=rows, val=rows[:BATCH],
        )  # fmt: skip
        train(
            task,
            Head(epochs=FIT_EPOCHS, batch_size=BATCH, patience=FIT_EPOCHS),
            seed=0,
            file=Path(tempfile.mkdtemp()) / "checkpoint.npz",
            say=clock.close,
            advance=clock.step,
        )
    # The first epoch traces the network and fills the cache.
    count = (FIT_EPOCHS - 1) * len(rows)
    return {
        "pictures_per_second": count / sum(clock.seconds[1:]),
        "cpu_ms": 1e3 * sum(clock.cpu[1:]) / count,
        "seconds_an_epoch": clock.seconds,
    }


def make(root: Path, name: str, count: int) -> Path:
    """Writes the files of one size, all of them training pictures, and their manifest."""
    from tlpipe.data.folder import list_folder
    from tlpipe.data.scan import scan

    width, height, grid = SHAPES[name]
    pictures.photographs(root / name, count, width, height, grid=grid, seed=0)
    found = scan(list_folder(root / name)).pictures
    manifest = Manifest(root / name, tuple(replace(p, split="train") for p in found))
    manifest.write(root / f"{name}.csv")
    return root / f"{name}.csv"


def one(who: str, file: Path, arguments: argparse.Namespace) -> dict:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.workers])
    manifest = Manifest.read(file, root=file.with_suffix(""))
    if arguments.fit or NEEDS.get(who) == "tensorflow":
        import_backend()
    if arguments.fit:
        return fit(who, manifest)
    warm_up = None if who == "tlpipe_prepared" else WARM_UP
    return measure(LOADERS[who](manifest, arguments.workers), arguments.seconds, warm_up)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", action="store_true", help="in front of a network that trains")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="and cores")
    parser.add_argument("--seconds", type=float, default=4, help="of measuring, at least")
    parser.add_argument("--small", type=int, default=512, help="pictures of 500x375; 0: leave out")
    parser.add_argument("--large", type=int, default=256, help="pictures of 1600x1200, likewise")
    parser.add_argument("--only", nargs="+", choices=sorted({*LOADERS, *IN_FIT}), metavar="WHO")
    parser.add_argument("--name", help="of the file of results; input or input_fit when not given")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], Path(arguments.one[1]), arguments)))
        return
    chosen = [
        who for who in (IN_FIT if arguments.fit else LOADERS)
        if not arguments.only or who in arguments.only
    ]  # fmt: skip
    missing = [who for who in chosen if who in NEEDS and not find_spec(NEEDS[who])]
    notes = [f"{who} left out: {NEEDS[who]} is not installed" for who in missing]
    print(*notes, sep="\n")
    result = {"workers": arguments.workers, "batch": BATCH, "notes": notes, "sizes": {}}
    flags = ["--workers", str(arguments.workers), "--seconds", str(arguments.seconds)]
    flags += ["--fit"] if arguments.fit else []
    with tempfile.TemporaryDirectory() as folder:
        for name in [size for size in SHAPES if getattr(arguments, size)]:
            file = make(Path(folder), name, getattr(arguments, name))
            rows = {who: [] for who in chosen if who not in missing}
            for _ in range(arguments.repetitions):
                for who, found in rows.items():
                    found.append(
                        common.in_a_process(Path(__file__), *flags, "--one", who, str(file))
                    )
                    print(name, who, found[-1], flush=True)
            files = [path.stat().st_size for path in file.with_suffix("").glob("*/*")]
            result["sizes"][name] = {
                "pixels": SHAPES[name][:2],
                "pictures": len(files),
                "megabytes": sum(files) / 1e6,
                "medians": {
                    key: common.summary(rows, key, "tlpipe")
                    for key in ("pictures_per_second", "cpu_ms")
                },
                "rows": rows,
            }
            for key, medians in result["sizes"][name]["medians"].items():
                print(f"\n{name}, {key}\n{common.table(medians)}\n")
    print(common.save(arguments.name or ("input_fit" if arguments.fit else "input"), result))


if __name__ == "__main__":
    main()
