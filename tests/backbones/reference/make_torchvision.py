"""Make torchvision_features.json: what torchvision's networks say, with random weights.

    pip install torch==2.13.0 torchvision==0.28.0 pillow scikit-image scikit-learn
    python tests/backbones/reference/make_torchvision.py

Of each network: the names and shapes of its state dict (the dense layers of VGG, which nobody
needs here, left out), and every so-many-th number of its last feature map, channels last,
computed in float64, as float32 in base64 of the little-endian bytes.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision

HERE = Path(__file__).parent
OUT = HERE / "torchvision_features.json"
sys.path.insert(0, str(HERE.parent))
from lite_pictures import photographs  # noqa: E402
from torchvision_states import random_state  # noqa: E402

# Odd and even sizes in front of the strides: both ways of padding matter.
SIZE, EVERY = 72, 29


def main() -> None:
    pixels = photographs(SIZE)["chelsea.png"]
    x = torch.from_numpy(pixels / 255).permute(2, 0, 1)
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).double()
    x = ((x - mean[:, None, None]) / deviation[:, None, None])[None]
    made = {}
    for name in ("mobilenet_v2", "vgg16", "resnet50"):
        net = getattr(torchvision.models, name)(weights=None).eval()
        entries = [
            [entry, list(value.shape)]
            for entry, value in net.state_dict().items()
            if value.numel() < 4e6
        ]
        numbers = {k: torch.from_numpy(v) for k, v in random_state(entries).items()}
        net.load_state_dict(numbers, strict=False)
        with torch.no_grad():
            features = _features(net.double(), x)[0].permute(1, 2, 0).numpy().astype("<f4")
        print(name, features.shape, features.std(), np.abs(features).max(), (features > 0).mean())
        made[name.replace("_", "")] = {
            "entries": entries,
            "shape": features.shape,
            "features": base64.b64encode(features.ravel()[::EVERY].tobytes()).decode(),
        }
    text = {
        "made_by": "tests/backbones/reference/make_torchvision.py",
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "size": SIZE,
        "every": EVERY,
        "networks": made,
    }
    OUT.write_text(json.dumps(text) + "\n")


def _features(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    if hasattr(net, "features"):
        return net.features(x)
    parts = [part for name, part in net.named_children() if name not in ("avgpool", "fc")]
    return torch.nn.Sequential(*parts)(x)


if __name__ == "__main__":
    main()
