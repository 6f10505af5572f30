"""Slices of the data on which the model is weaker than elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from scipy.stats import binomtest, false_discovery_control, hypergeom
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from tlpipe.data.folder import part_named
from tlpipe.data.scan import Picture


@dataclass(frozen=True)
class WeakSlice:
    """A slice on which the model is worse than on the rest.

    Attributes:
        name: in words, as the slices were given.
        n: its pictures.
        accuracy: on it.
        low, high: Wilson's 95 % interval of that accuracy (Wilson 1927).
        rest: accuracy on all other pictures.
        q: one-sided p value of Fisher's exact test against the rest, corrected for all slices that
            were looked at (Benjamini and Hochberg 1995).
        rows: int64 (n,), its pictures.
    """

    name: str
    n: int
    accuracy: float
    low: float
    high: float
    rest: float
    q: float
    rows: np.ndarray


def weak_slices(
    correct: np.ndarray, slices: Mapping[str, np.ndarray], *, least: int = 30, rate: float = 0.05
) -> tuple[list[WeakSlice], int]:
    """The slices that are worse than the rest, the worst accuracy first; and how many were tested.

    Weak is a slice whose Wilson interval ends below the overall accuracy, and that passes
    Benjamini and Hochberg's procedure.

    Args:
        correct: bool (n,): the prediction is the label.
        slices: bool (n,) by name; they may overlap.
        least: pictures that a slice, and the rest, must have to be tested.
        rate: share of false discoveries that is allowed.
    """
    correct = np.asarray(correct, bool)
    n, hits = len(correct), int(correct.sum())
    tested = {name: mask for name, mask in slices.items() if least <= int(mask.sum()) <= n - least}
    if not tested:
        return [], 0
    p = []
    for mask in tested.values():
        inside = int(mask.sum())
        p.append(float(hypergeom.cdf(int(correct[mask].sum()), n, hits, inside)))
    found = []
    corrected = false_discovery_control(np.clip(p, 0, 1))
    for (name, mask), q in zip(tested.items(), corrected, strict=True):
        inside, right = int(mask.sum()), int(correct[mask].sum())
        wilson = binomtest(right, inside).proportion_ci(0.95, method="wilson")
        if q <= rate and wilson.high < hits / n:
            found.append(
                WeakSlice(
                    name=name,
                    n=inside,
                    accuracy=right / inside,
                    low=float(wilson.low),
                    high=float(wilson.high),
                    rest=(hits - right) / (n - inside),
                    q=float(q),
                    rows=np.flatnonzero(mask),
                )
            )
    return sorted(found, key=lambda s: (s.accuracy, s.name)), len(tested)


def quarters(properties: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The lowest and the highest quarter of each property, bool (n,) each.

    A property with few values may put more or fewer than a quarter there; one whose lowest quarter
    reaches up to the highest does not vary, and is left out.
    """
    found = {}
    for name, values in properties.items():
        low, high = np.quantile(values, (0.25, 0.75))
        if low < high:
            found[f"{name} up to {low:.3g}"] = values <= low
            found[f"{name} from {high:.3g}"] = values >= high
    return found


def categories(files: Sequence[Picture]) -> dict[str, np.ndarray]:
    """Slices that the manifest gives, bool (n,) each: file type, size, group, folder, file name.

    Folders are those below the class's own; of a file's name it is the part before the first digit.
    """
    columns: dict[str, list[str]] = {
        "file type {}": [PurePosixPath(file.path).suffix.lower() for file in files],
        "{} pixels": [f"{file.width} x {file.height}" for file in files],
        "group {!r}": [file.group for file in files],
        "folder {!r}": [_below_class(file) for file in files],
        "file name begins with {!r}": [_beginning(file.path) for file in files],
    }
    found = {}
    for title, values in columns.items():
        for value in sorted(Counter(values)):
            if value:
                found[title.format(value)] = np.array([v == value for v in values])
    return found


def told(columns: Mapping[str, np.ndarray], *, least: int = 30) -> dict[str, np.ndarray]:
    """Slices that the user's own table gives, bool (n,) each.

    Args:
        columns: by name; str (n,): a slice for each value, and none for the empty text; float
            (n,): one for each quarter, and none for NaN.
        least: pictures that a slice must have: a column may have a value for every picture.
    """
    found: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        if values.dtype.kind == "f":
            found |= _four(name, values)
            continue
        for value, count in sorted(Counter(values.tolist()).items()):
            if value and count >= least:
                found[f"{name}={value}"] = values == value
    return {name: mask for name, mask in found.items() if mask.sum() >= least}


def _four(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """The quarters of a column of numbers; equal numbers lie in one, the lower."""
    there = values[~np.isnan(values)]
    if not len(there):
        return {}
    first, middle, last = np.quantile(there, (0.25, 0.5, 0.75))
    return {
        f"{name} up to {first:.6g}": values <= first,
        f"{name} above {first:.6g}, up to {middle:.6g}": (values > first) & (values <= middle),
        f"{name} above {middle:.6g}, up to {last:.6g}": (values > middle) & (values <= last),
        f"{name} above {last:.6g}": values > last,
    }


def clusters(features: np.ndarray, *, seed: int, size: int = 60) -> dict[str, np.ndarray]:
    """Pictures that look alike to the network, bool (n,) each: k-means of the features.

    Args:
        features: float (n, d).
        seed: of the first centres.
        size: pictures that a cluster has on average; there are at least 2 and at most 12.
    """
    x = np.asarray(features, np.float64)
    count = int(np.clip(len(x) // size, 2, 12))
    if len(x) < count:
        return {}
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    # In a thousand dimensions all pictures are nearly equally far from one another.
    x = PCA(min(32, *x.shape), svd_solver="full").fit_transform(x)
    found = KMeans(count, n_init=4, random_state=seed).fit_predict(x)
    # Numbered by their first picture, whatever order k-means gave them.
    order = dict.fromkeys(found.tolist())
    return {f"look-alikes {i}": found == one for i, one in enumerate(order, 1)}


def _below_class(file: Picture) -> str:
    folders = list(PurePosixPath(file.path).parts[:-1])
    if len(folders) > 1 and part_named(folders[0]):
        folders = folders[1:]
    return "/".join(folders[1:])


def _beginning(path: str) -> str:
    return re.match(r"[^\d]*", PurePosixPath(path).stem)[0]
