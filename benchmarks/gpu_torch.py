"""gpu.py's other half: full fine-tuning as a plain PyTorch loop does it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from loaders import TorchPictures
from torch import nn
from torch.utils.data import DataLoader, default_collate

from tlpipe.data.machine import usable_cores
from tlpipe.data.manifest import Manifest

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WARM_UP = 3


class Labelled(TorchPictures):
    """Pictures and their classes."""

    def __init__(self, paths: list[str], size: int, labels: np.ndarray):
        super().__init__(paths, size)
        self.labels = labels

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return super().__getitem__(index), int(self.labels[index])


def measure(network: str, precision: str, manifest: Manifest, sizes: Any) -> dict:
    """Rates are pictures a second."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    # As JAX multiplies float32 by default.
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    model = build(network, len(manifest.class_names))
    model = model.to(device, memory_format=torch.channels_last).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval().requires_grad_(False)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, 1e-4, weight_decay=1e-4, fused=True)
    scale = torch.tensor(DEVIATION, device=device).view(1, 3, 1, 1) * 255
    shift = torch.tensor(MEAN, device=device).view(1, 3, 1, 1) * 255

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        images = images.to(device, non_blocking=True).permute(0, 3, 1, 2)
        labels = labels.to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = nn.functional.cross_entropy(model((images.float() - shift) / scale), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    def timed(batches: Iterable) -> float:
        begin = time.perf_counter()
        for images, labels in batches:
            step(images, labels)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begin

    rows = manifest.indices("train")
    paths = [str(manifest.root / manifest.pictures[row].path) for row in rows]
    loader = DataLoader(
        Labelled(paths, sizes.side, manifest.labels[rows]), sizes.batch, shuffle=True,
        num_workers=usable_cores(), persistent_workers=True, pin_memory=device.type == "cuda",
    )  # fmt: skip
    batch = default_collate([loader.dataset[i] for i in range(sizes.batch)])
    batch = [tensor.to(device) for tensor in batch]
    timed([batch] * WARM_UP)
    bare = sizes.steps * sizes.batch / timed([batch] * sizes.steps)
    epochs = [len(rows) / timed(loader) for _ in range(sizes.epochs)]
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "bare": {"full": bare},
        "epochs": {"full": epochs},
        "share": {"full, first epoch": epochs[0] / bare, "full, last epoch": epochs[-1] / bare},
    }


def build(network: str, classes: int) -> nn.Module:
    if network == "resnet50":
        from torchvision.models import resnet50

        return resnet50(num_classes=classes)
    import timm

    return timm.create_model("tf_efficientnet_lite0", num_classes=classes)
