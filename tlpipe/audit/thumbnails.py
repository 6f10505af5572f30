"""Small pictures for the page: WebP in base64."""

from __future__ import annotations

import base64
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from tlpipe.data.pixels import as_rgb

SIDE = 112


def webp(picture: np.ndarray, side: int = SIDE, quality: int = 60) -> str:
    """A picture as base64 WebP text, its longer side ``side`` pixels.

    Args:
        picture: uint8 (h, w, 3), or (h, w, c): gray three times, or the first three channels.
        side: pixels; a smaller picture is enlarged by repetition, so that its pixels are seen.
        quality: of WebP, 0..100.
    """
    picture = as_rgb(np.asarray(picture))
    scale = side / max(picture.shape[:2])
    size = tuple(max(1, round(n * scale)) for n in picture.shape[1::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = cv2.resize(np.ascontiguousarray(picture), size, interpolation=how)
    buffer = BytesIO()
    Image.fromarray(small).save(buffer, format="WEBP", quality=quality, method=4)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
