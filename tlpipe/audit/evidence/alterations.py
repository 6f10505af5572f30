"""Changes a picture may undergo without becoming another thing, five severities each.

After Hendrycks and Dietterich (2019), "Benchmarking neural network robustness to common corruptions
and perturbations"; the amounts are our own, and so are rotation, scale and translation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

SEVERITIES = (1, 2, 3, 4, 5)
_Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Alteration:
    """One kind of change.

    Attributes:
        name: what it is called.
        unit: what an amount says, with ``{}`` for the number.
        amounts: of the five severities.
        change: a picture uint8 (h, w, c), an amount and a source of randomness to uint8 or float
            of the same shape.
        channels: the numbers of channels it is defined for; empty: any.
    """

    name: str
    unit: str
    amounts: tuple[float, float, float, float, float]
    change: _Change
    channels: tuple[int, ...] = ()

    def apply(self, pictures: np.ndarray, severity: int, *, seed: int) -> np.ndarray:
        """Altered copies, uint8 (n, h, w, c).

        What is random (a direction, the noise) is drawn for each picture from (seed, its place),
        and is the same at every severity.

        Args:
            pictures: uint8 (n, h, w, c).
            severity: 1 to 5.
            seed: 0 or more.

        Raises:
            ValueError: no such severity, or not defined for so many channels.
        """
        if severity not in SEVERITIES:
            raise ValueError(f"severity {severity} is none of {SEVERITIES}")
        if not self.defined_for(pictures.shape[-1]):
            raise ValueError(f"{self.name} is not defined for {pictures.shape[-1]} channels")
        out = np.empty_like(pictures)
        number = list(ALTERATIONS).index(self.name)
        for place, picture in enumerate(pictures):
            stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, place)))
            changed = self.change(
                np.ascontiguousarray(picture), self.amounts[severity - 1], stream
            ).reshape(picture.shape)
            out[place] = np.rint(np.clip(changed, 0, 255))
        return out

    def defined_for(self, channels: int) -> bool:
        """Whether it can be made of pictures of so many channels."""
        return not self.channels or channels in self.channels


def _sign(stream: np.random.Generator) -> float:
    return float(stream.choice((-1.0, 1.0)))


def _warp(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    # Mirrored borders, as in training: a black wedge would be a second change.
    height, width = picture.shape[:2]
    how = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REFLECT_101}
    return _by_channels(picture, lambda part: cv2.warpAffine(part, matrix, (width, height), **how))


def _by_channels(picture: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """OpenCV takes up to four channels at a time."""
    height, width, channels = picture.shape
    parts = [
        change(np.ascontiguousarray(picture[..., i : i + 4])).reshape(height, width, -1)
        for i in range(0, channels, 4)
    ]
    return np.concatenate(parts, axis=2)


def _centred(picture: np.ndarray, degrees: float, zoom: float) -> np.ndarray:
    height, width = picture.shape[:2]
    return cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)


def _rotation(picture, degrees, stream):
    return _warp(picture, _centred(picture, _sign(stream) * degrees, 1.0))


def _scale(picture, factor, stream):
    return _warp(picture, _centred(picture, 0.0, factor ** _sign(stream)))


def _translation(picture, share, stream):
    angle = stream.uniform(0, 2 * np.pi)
    height, width = picture.shape[:2]
    shift = share * np.array([np.cos(angle) * width, np.sin(angle) * height])
    return _warp(picture, np.column_stack([np.eye(2), shift]))


def _brightness(picture, share, stream):
    return picture.astype(np.float32) + _sign(stream) * share * 255


def _contrast(picture, factor, stream):
    middle = picture.mean(dtype=np.float64)
    return middle + (picture.astype(np.float32) - middle) * factor ** _sign(stream)


def _noise(picture, share, stream):
    return picture + stream.normal(0, share * 255, picture.shape)


def _blur(picture, share, stream):
    sigma = share * min(picture.shape[:2])
    return _by_channels(picture, lambda part: cv2.GaussianBlur(part, (0, 0), sigma))


def _jpeg(picture, quality, stream):
    swap = slice(None, None, -1) if picture.shape[2] == 3 else slice(None)
    how = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., swap]), how)[1]
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED).reshape(picture.shape)[..., swap]


def _gray(picture, share, stream):
    flat = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
    return picture + share * (flat.astype(np.float32) - picture)


ALTERATIONS = {
    alteration.name: alteration
    for alteration in (
        Alteration("rotation", "{:g} degrees either way", (5, 10, 20, 30, 45), _rotation),
        Alteration("scale", "{:g} times as large or small", (1.05, 1.1, 1.2, 1.35, 1.6), _scale),
        Alteration("translation", "{:.0%} of the side", (0.02, 0.05, 0.1, 0.15, 0.2), _translation),
        Alteration(
            "brightness", "{:.0%} of the range up or down", (0.05, 0.1, 0.2, 0.3, 0.4), _brightness
        ),
        Alteration("contrast", "{:g} times as much or little", (1.1, 1.25, 1.5, 2, 3), _contrast),
        Alteration("noise", "{:.0%} of the range", (0.02, 0.04, 0.08, 0.12, 0.2), _noise),
        Alteration("blur", "{:.1%} of the side, sigma", (0.0025, 0.005, 0.01, 0.015, 0.025), _blur),
        Alteration("JPEG", "quality {:g}", (80, 60, 40, 20, 8), _jpeg, (1, 3)),
        Alteration("gray", "{:.0%} of the colour gone", (0.2, 0.4, 0.6, 0.8, 1.0), _gray, (3,)),
    )
}
