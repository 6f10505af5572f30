"""What can be said of a picture without knowing what it shows, and what that gives away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.stats import false_discovery_control, mannwhitneyu

from tlpipe.data.pixels import gray
from tlpipe.data.scan import Picture

# An area under the curve from fewer pictures than this on either side says nothing.
_FEW = 10


@dataclass(frozen=True)
class Separation:
    """How well one property tells some pictures from the others.

    Attributes:
        property: its name.
        target: what the pictures are called.
        auc: area under the ROC curve, 0.5 (not at all) to 1 (perfectly).
        higher: whether the property is higher in them; else it is lower.
        q: the p value of the Mann-Whitney test, corrected for all that were made (Benjamini and
            Hochberg 1995).
    """

    property: str
    target: str
    auc: float
    higher: bool
    q: float


def measure(pictures: np.ndarray, files: Sequence[Picture]) -> dict[str, np.ndarray]:
    """Properties by name, float64 (n,) each.

    ``brightness`` and ``contrast``: mean and standard deviation of the gray levels, 0..255.
    ``saturation`` (of RGB only): mean of HSV's, 0..255. ``sharpness``: log2 of the variance of the
    Laplacian (Pech-Pacheco et al. 2000); low is blurred. ``size``: width times height in
    megapixels. ``aspect``: width over height. ``bytes a pixel``: of the file; low is strongly
    compressed, or plain.

    Args:
        pictures: uint8 (n, h, w, channels), as the network sees them.
        files: the same pictures' rows of the manifest.
    """
    seen: dict[str, list[float]] = {"brightness": [], "contrast": [], "sharpness": []}
    colour = pictures.shape[-1] == 3
    saturation: list[float] = []
    for picture in pictures:
        picture = np.ascontiguousarray(picture)
        flat = gray(picture)
        seen["brightness"].append(float(flat.mean()))
        seen["contrast"].append(float(flat.std()))
        seen["sharpness"].append(float(np.log2(1 + cv2.Laplacian(flat, cv2.CV_32F).var())))
        if colour:
            saturation.append(float(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)[..., 1].mean()))
    width, height, size = (
        np.array([getattr(file, name) for file in files], np.float64)
        for name in ("width", "height", "bytes")
    )
    return {
        **{name: np.array(values) for name, values in seen.items()},
        **({"saturation": np.array(saturation)} if colour else {}),
        "size": width * height / 1e6,
        "aspect": width / height,
        "bytes a pixel": size / (width * height),
    }


def separations(
    properties: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray]
) -> list[Separation]:
    """Every property against every target, the best separation first.

    Pairs with fewer than ten pictures on a side are left out, and properties that do not vary.

    Args:
        properties: float (n,) by name.
        targets: bool (n,) by name: the pictures to tell from all others.
    """
    found = []
    for target, chosen in targets.items():
        if min(chosen.sum(), (~chosen).sum()) < _FEW:
            continue
        for name, values in properties.items():
            if np.ptp(values) == 0:
                continue
            test = mannwhitneyu(values[chosen], values[~chosen], method="asymptotic")
            auc = float(test.statistic) / int(chosen.sum()) / int((~chosen).sum())
            found.append((name, target, auc, float(test.pvalue)))
    if not found:
        return []
    corrected = false_discovery_control([p for *_, p in found])
    rows = [
        Separation(name, target, max(auc, 1 - auc), auc > 0.5, float(q))
        for (name, target, auc, _), q in zip(found, corrected, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row.auc, row.property, row.target))
