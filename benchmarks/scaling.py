"""Seconds and memory of tlpipe against the number of pictures, and seconds against epochs.

    python benchmarks/scaling.py                            both, under ten minutes on 2 cores
    python benchmarks/scaling.py --pictures 1000 10000      other numbers of pictures
    python benchmarks/scaling.py --pictures --epochs 2 32   only the second part

The pictures are links, under names of their own, to 300 solar cells of the demo (photographs where
its wheel is not installed). ``scan`` lists, reads, decodes and hashes them, and looks for equal
files (each link counts as a file of its own; near duplicates are not looked for). ``split``
deals them out and writes the manifest. ``load`` reads the manifest and takes a fixed number of
augmented batches from a shuffled epoch. ``epochs`` is step two on 300 pictures with an empty cache
of 2 views: after the second epoch nothing is decoded. Each figure has a process of its own;
``memory_mb`` is the most it ever held (resident), ``grown_mb`` what of that came after the imports.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common
import pictures

from tlpipe.backend import import_backend
from tlpipe.data import augment, loader
from tlpipe.data.duplicates import find_duplicates
from tlpipe.data.folder import list_folder
from tlpipe.data.manifest import Manifest
from tlpipe.data.sample import Sampler
from tlpipe.data.scan import Picture
from tlpipe.data.scan import scan as read_all
from tlpipe.data.split import split as deal

FILES, BATCH, SIZE, VIEWS = 300, 32, 224, 2
PHASES = ("scan", "split", "load")


def scan(root: Path, batches: int) -> None:
    found = read_all(list_folder(root / "data")).pictures
    own = [replace(p, sha256=sha256(p.path.encode()).hexdigest()) for p in found]
    assert not find_duplicates(root / "data", own, near=False)
    (root / "scan.pickle").write_bytes(pickle.dumps(own))


def split(root: Path, batches: int) -> None:
    found: list[Picture] = pickle.loads((root / "scan.pickle").read_bytes())
    result = deal(found, [], seed=0)
    Manifest(root / "data", tuple(result.pictures)).write(root / "manifest.csv")


def load(root: Path, batches: int) -> None:
    manifest = Manifest.read(root / "manifest.csv", root=root / "data")
    sampler = Sampler(manifest, SIZE, augmentation=augment.load("light", SIZE))
    order = loader.epoch_order(manifest.indices("train"), seed=0, epoch=0)
    with loader.batches(sampler, order, view=0, batch_size=BATCH) as loading:
        for _ in range(batches):
            next(loading)


def measure(phase: Callable[[Path, int], None], root: Path, batches: int) -> dict:
    before, start = _peak_mb(), time.perf_counter()
    phase(root, batches)
    seconds, peak = time.perf_counter() - start, _peak_mb()
    return {"seconds": seconds, "memory_mb": peak, "grown_mb": peak - before}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def step_two(root: Path, epochs: int) -> dict:
    work = Path(tempfile.mkdtemp(dir=root))
    os.environ["TLPIPE_CACHE"] = str(work / "cache")
    import_backend()
    from tlpipe.api import run_pipeline

    stages = {
        "scan": {"data": str(root / "data"), "duplicates": False},
        "split": {},
        "backbone": {},
        "prepare": {"cache": VIEWS},
        "head": {"epochs": epochs, "patience": epochs},
    }
    run = run_pipeline({"seed": 0, "stages": stages}, out=work / "run")
    return {"seconds": run.state()["head"]["seconds"], "memory_mb": _peak_mb()}


def one(what: str, root: Path, count: int) -> dict:
    if what == "epochs":
        return step_two(root, count)
    return measure({"scan": scan, "split": split, "load": load}[what], root, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--epochs", type=int, nargs="*", default=[2, 8, 32])
    parser.add_argument("--batches", type=int, default=20, help="to load; 32 pictures each")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--name", default="scaling", help="of the file of results")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        what, root, count = arguments.one
        print(json.dumps(one(what, Path(root), int(count))))
        return
    if min(arguments.pictures, default=10**9) * 0.7 < arguments.batches * BATCH:
        parser.error("the smallest number of pictures has too few for training: lower --batches")

    def repeat(what: str, root: Path, count: int) -> dict:
        rows = [
            common.in_a_process(Path(__file__), "--one", what, str(root), str(count))
            for _ in range(arguments.repetitions)
        ]
        keys = [key for key in rows[0] if key != "process_seconds"]
        print(root.name, what, count, rows, flush=True)
        return {**{key: common.median(rows, key) for key in keys}, "rows": rows}

    found = {phase: {} for phase in PHASES if arguments.pictures}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = pictures.real(work / "files", FILES)
        for count in arguments.pictures:
            pictures.linked(files, work / str(count) / "data", count)
            for phase in PHASES:
                found[phase][count] = repeat(phase, work / str(count), arguments.batches)
        pictures.linked(files, work / "epochs" / "data", FILES)
        found["epochs"] = {n: repeat("epochs", work / "epochs", n) for n in arguments.epochs}
    for (fewer, short), (more, long) in pairwise(found["epochs"].items()):
        long["seconds_a_further_epoch"] = (long["seconds"] - short["seconds"]) / (more - fewer)
    for phase, rows in found.items():
        shown = {n: {key: row[key] for key in row if key != "rows"} for n, row in rows.items()}
        print(f"\n{phase}\n{common.table(shown)}")
    result = {"files": FILES, "batches": arguments.batches, "views": VIEWS, **found}
    print(common.save(arguments.name, result))


if __name__ == "__main__":
    main()
