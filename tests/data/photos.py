"""Real photographs in a temporary folder, with the manifest that names them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from skimage import data as skimage_data

from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import Picture


def photo(name: str) -> np.ndarray:
    """A photograph that comes with scikit-image, uint8 (H, W, 3) RGB."""
    return getattr(skimage_data, name)()


def lay_out(root: Path, images: dict[str, np.ndarray], *, split: str = "train") -> Manifest:
    """Write each image under its name (.jpg or .png) and make the manifest by hand."""
    pictures = []
    for name, image in images.items():
        path = root / "things" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        ok, data = cv2.imencode(path.suffix, image[..., ::-1])
        assert ok
        path.write_bytes(data.tobytes())
        pictures.append(
            Picture(
                path=f"things/{name}",
                label="things",
                split=split,
                width=image.shape[1],
                height=image.shape[0],
                bytes=len(data),
                sha256="0" * 64,
                phash="0" * 16,
                group="",
            )
        )
    return Manifest(root=root, pictures=tuple(pictures))
