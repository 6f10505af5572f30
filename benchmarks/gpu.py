"""How much of the bare compiled training step tlpipe reaches on a GPU.

    python benchmarks/gpu.py                                            one H100 or H200, 16 cores
    python benchmarks/gpu.py --networks resnet50 --name gpu_resnet50    half of it
    python benchmarks/gpu.py --smoke                                    Lite0, tiny, on a CPU

ResNet-50 and EfficientNet-Lite0 with random weights at 224 px, in float32 and in mixed bfloat16, on
links to the solar cells of the demo (photographs where its wheel is not installed). tlpipe runs on
JAX; TensorFlow need not be there. Each network and precision has a process, and in it:

- ``bare``: the compiled computation alone, again and again on one batch that lies on the device:
  the frozen network's forward pass, step three's training step, that of full fine-tuning;
- ``head``: tlpipe's step two; its first epoch decodes, and fills the activation cache for itself
  and for step three as the real step does; the later ones read it;
- ``unfreeze``: step three, three blocks from the top, all from the cache;
- ``full``: full fine-tuning; its first epoch decodes the pictures and keeps them;
- ``torch``: a plain PyTorch loop for full fine-tuning (autocast, channels last, fused AdamW, a
  DataLoader with a worker a core around cv2 and albumentations), and its step on one batch.
  BatchNorm is frozen, as it is in tlpipe. torchvision's ResNet-50 has its strides in the 3x3
  convolutions, 7 % more arithmetic than Keras'; Lite0 is timm's.

The loop is tlpipe's own, warmed up on two batches, so that nothing compiles while the clock runs;
validation and checkpoints between epochs are not counted. ``share``: pictures a second over those
of the bare computation. Results are written after every process: what is cut short leaves those.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common
import pictures

from tlpipe.data.folder import list_folder
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import scan

NETWORKS = {"resnet50": "torchvision", "efficientnet_lite0": "timm"}
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Sizes:
    """Pixels, pictures a batch and an epoch (whole batches), timed bare steps, epochs."""

    side: int = 224
    batch: int = 128
    train: int = 4096
    val: int = 512
    files: int = 2624
    steps: int = 40
    epochs: int = 3


SMOKE = Sizes(side=64, batch=8, train=64, val=8, files=64, steps=2, epochs=2)


def make(root: Path, sizes: Sizes) -> dict:
    """Lays out the pictures and writes the manifest; says what they are."""
    files = pictures.real(root / "files", sizes.files)
    pictures.linked(files, root / "data", sizes.train + sizes.val)
    found = scan(list_folder(root / "data")).pictures
    every = len(found) // sizes.val
    parts = [
        "val" if i % every == 0 and i // every < sizes.val else "train" for i in range(len(found))
    ]
    rows = (replace(p, split=part) for p, part in zip(found, parts, strict=True))
    Manifest(root / "data", tuple(rows)).write(root / "manifest.csv")
    first = found[0]
    return {"files": len(files), "first": f"{files[0].name}, {first.width}x{first.height}"}


def one(who: str, network: str, precision: str, root: Path, sizes: Sizes) -> dict:
    manifest = Manifest.read(root / "manifest.csv", root=root / "data")
    if who == "torch":
        import gpu_torch

        return gpu_torch.measure(network, precision, manifest, sizes)
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["TLPIPE_CACHE"] = tempfile.mkdtemp(dir=root)
    import gpu_tlpipe

    return gpu_tlpipe.measure(network, precision, manifest, sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, help="both, when not given")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, help="likewise")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="tiny, on a CPU; Lite0 in float32 unless told otherwise",
    )
    parser.add_argument("--name", default="gpu", help="of the file of results")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = SMOKE if arguments.smoke else Sizes()
    networks = arguments.networks or list(NETWORKS)[1 if arguments.smoke else 0 :]
    precisions = arguments.precisions or PRECISIONS[: 1 if arguments.smoke else None]
    if arguments.one:
        who, network, precision, root = arguments.one
        print(json.dumps(one(who, network, precision, Path(root), sizes)))
        return
    needed = {network: ("torch", NETWORKS[network]) for network in networks}
    missing = {n: [p for p in packages if not find_spec(p)] for n, packages in needed.items()}
    notes = [f"{n} in PyTorch left out: no {' and no '.join(p)}" for n, p in missing.items() if p]
    print(*notes, sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        result = {"sizes": vars(sizes), "notes": notes, "pictures": make(root, sizes), "rows": {}}
        for network in networks:
            whos = ["tlpipe"] if missing[network] else ["tlpipe", "torch"]
            for precision in precisions:
                for who in whos:
                    row = common.in_a_process(
                        Path(__file__), *["--smoke"] * arguments.smoke,
                        "--one", who, network, precision, str(root),
                    )  # fmt: skip
                    result["rows"].setdefault(f"{network} {precision}", {})[who] = row
                    print(network, precision, who, json.dumps(row, indent=2), flush=True)
                    result["ratio_to_torch"] = against_torch(result["rows"])
                    path = common.save(arguments.name, result)
    for who in ("tlpipe", "torch"):
        shares = {name: rows[who]["share"] for name, rows in result["rows"].items() if who in rows}
        if shares:
            print(f"\nshare of the bare computation, {who}\n{common.table(shares)}")
    print(path)


def against_torch(rows: dict[str, dict]) -> dict[str, float]:
    """Pictures a second of full fine-tuning in the last epoch, tlpipe's over PyTorch's."""
    return {
        name: both["tlpipe"]["epochs"]["full"][-1] / both["torch"]["epochs"]["full"][-1]
        for name, both in rows.items()
        if {"tlpipe", "torch"} <= both.keys()
    }


if __name__ == "__main__":
    main()
