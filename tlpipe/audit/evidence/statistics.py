"""What a whole picture gives away without anybody looking at what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from sklearn.metrics import roc_auc_score

from tlpipe.data.machine import usable_cores
from tlpipe.data.pixels import gray

# The width of a strip along an edge, as a share of the side.
_STRIP = 0.02

cv2.setNumThreads(0)


def measure(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Properties by name, float64 (n,) each.

    ``brightness`` and ``contrast``: mean and standard deviation of the gray levels. ``saturation``,
    ``red against green``, ``blue against yellow`` (three channels only): mean distances of the
    channels. ``sharpness``: log variance of the Laplacian. ``noise``: log median of its absolute
    value. ``grid``: how much stronger the strongest period of 3 to 12 pixels is than the others,
    as the blocks of strong JPEG compression make it. ``border``: log spread of the pixels along
    the edges; low is a uniform border.
    """
    rows = each(_properties, pictures)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def auc(values: np.ndarray, chosen: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a chosen picture has the higher value."""
    return float(roc_auc_score(chosen, values)) if 0 < chosen.sum() < len(chosen) else 0.5


def worst_auc(values: np.ndarray, labels: np.ndarray, label: int) -> float:
    """The lowest area among those of a class against each other class.

    Classes that look alike on the whole keep it low; an artefact of one class does not.
    """
    found = [
        auc(values[pair], labels[pair] == label)
        for other in np.unique(labels)
        if other != label
        for pair in [(labels == label) | (labels == other)]
    ]
    return min(found, default=0.5)


def edge_strips(picture: np.ndarray) -> np.ndarray:
    """float (4, channels + 1): each edge's median colour, and mean distance of its pixels to it."""
    width = max(2, round(_STRIP * len(picture)))
    found = []
    for strip in (picture[:width], picture[-width:], picture[:, :width], picture[:, -width:]):
        pixels = strip.reshape(-1, picture.shape[2]).astype(np.float32)
        colour = np.median(pixels, axis=0)
        found.append([*colour, np.abs(pixels - colour).mean()])
    return np.array(found)


def each(function: Callable, pictures: Iterable[np.ndarray]) -> list:
    """What a function says of every picture, on all cores."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(function, pictures))


def each_array(function: Callable, pictures: Iterable[np.ndarray]) -> np.ndarray:
    """Likewise, as float64 (n, ...)."""
    return np.array(each(function, pictures), np.float64)


def _properties(picture: np.ndarray) -> dict[str, float]:
    picture = np.ascontiguousarray(picture)
    flat = gray(picture)
    laplacian = cv2.Laplacian(flat, cv2.CV_32F)
    found = {
        "brightness": float(flat.mean()),
        "contrast": float(flat.std()),
        "sharpness": float(np.log1p(laplacian.var())),
        "noise": float(np.log1p(np.median(np.abs(laplacian)))),
        "grid": _period(flat),
        "border": float(np.log1p(edge_strips(picture)[:, -1].mean())),
    }
    if picture.shape[2] == 3:
        red, green, blue = cv2.mean(picture)[:3]
        channels = cv2.split(picture)
        highest = cv2.max(cv2.max(channels[0], channels[1]), channels[2])
        lowest = cv2.min(cv2.min(channels[0], channels[1]), channels[2])
        found["saturation"] = float((highest - lowest).mean())
        found["red against green"] = red - green
        found["blue against yellow"] = blue - (red + green) / 2
    return found


def _period(flat: np.ndarray) -> float:
    """Of a picture that was enlarged or reduced after it was compressed, hence any period."""
    found = []
    for axis in (0, 1):
        second = np.abs(np.diff(flat.astype(np.float32), 2, axis=axis)).mean(axis=1 - axis)
        second = second - np.convolve(second, np.full(9, 1 / 9), "same")
        strength = np.abs(np.fft.rfft(second * np.hanning(len(second))))
        wanted = strength[len(second) // 12 : len(second) // 3 + 1]
        found.append(float(wanted.max(initial=0) / (np.median(strength) + 1e-6)))
    return float(np.log1p(max(found)))
