"""The same picture on both sides of the split: what is tested on was trained on.

The scan keeps duplicates on one side. What is found here lay there in folders of the user's own, or
escaped the scan, whose search is made for many pictures. Here only pairs across the split count, so
that each held-out picture can be compared more thoroughly (``alike``) with those most like it, by
hash and by the network's features.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from tlpipe.audit.evidence.alike import FAR, FINE, FINEST, thumbnail, unlikeness
from tlpipe.data.decode import DecodeError
from tlpipe.data.machine import usable_cores
from tlpipe.data.manifest import Manifest
from tlpipe.data.pixels import RGB, Pixels, gray
from tlpipe.data.resize import coarsest
from tlpipe.data.scan import PARTS, Picture, Progress
from tlpipe.errors import DataError

_BLOCK = 512
# Thumbnails held at once: 16 KB each.
_KEPT = 8192
# What copies may leave (see ``unlikeness``) at 128 px. Different photographs leave .29 or more.
_FINE = 0.1
# And at 256 px, where something else looks alike too. Of the solar cells most alike, different ones
# leave .074 or more; copies cropped by 5 %, or compressed to quality 60, .047 or less; those below
# 200 px, resized besides, .068.
_FINEST, _FINEST_SMALL, _SMALL = 0.055, 0.07, 200
_Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Leak:
    """Two pictures that are one, in different parts.

    Attributes:
        held: the row of the manifest in test, or in val when the other is in train.
        other: the row in train, or in val when the first is in test.
        exact: byte for byte the same file; else the same picture saved in another way.
        conflict: whether their labels differ.
    """

    held: int
    other: int
    exact: bool
    conflict: bool


def find_leaks(
    manifest: Manifest,
    *,
    pixels: Pixels = RGB,
    rows: np.ndarray | None = None,
    features: np.ndarray | None = None,
    neighbours: int = 4,
    most: int = 20_000,
    progress: Progress | None = None,
) -> list[Leak]:
    """Exact and near duplicates that lie in different parts of the split.

    Each held-out picture is compared, pixel by pixel after an alignment, with those of the other
    parts whose hashes are nearest and, where features are given, with those the network finds most
    alike.

    Args:
        manifest: the split; the files are read again.
        pixels: how their bytes become pixels.
        rows: int (m,), rows of the manifest that ``features`` are of.
        features: float (m, d).
        neighbours: pictures of another part that each is compared with, for each of the two.
        most: pairs that are compared at most, the most alike first.
        progress: called with (done, total) pairs.

    Returns:
        Test before val, each in the manifest's order.

    Raises:
        DataError: a picture is gone or damaged.
    """
    sides = np.array([PARTS.index(p.split) for p in manifest.pictures])
    hashes = np.array([int(p.phash, 16) for p in manifest.pictures], np.uint64)
    ranked = _nearest(np.arange(len(sides)), sides, _bits_apart(hashes), neighbours)
    if features is not None:
        ranked |= _nearest(np.asarray(rows), sides, _unlike(features), neighbours)
    exact = _exact(manifest, sides)
    # Equal files need no second look.
    near = [pair for _, *pair in sorted(ranked) if tuple(pair) not in exact]
    near = sorted(set(map(tuple, near[:most])))
    found = [(pair, True) for pair in exact]
    found += [(pair, False) for pair in _same(manifest, pixels, near, progress)]
    labels = manifest.labels
    return [
        Leak(held, other, is_exact, bool(labels[held] != labels[other]))
        for (held, other), is_exact in sorted(found, key=lambda f: (-sides[f[0][0]], f[0]))
    ]


def _exact(manifest: Manifest, sides: np.ndarray) -> set[tuple[int, int]]:
    """Pairs (held, other) of equal files."""
    same = defaultdict(list)
    for row, picture in enumerate(manifest.pictures):
        same[picture.sha256].append(row)
    pairs = (pair for found in same.values() for pair in product(found, found))
    return {(a, b) for a, b in pairs if sides[a] > sides[b]}


def _bits_apart(hashes: np.ndarray) -> _Distance:
    return lambda a, b: np.bitwise_count(hashes[a][:, None] ^ hashes[b][None])


def _unlike(features: np.ndarray) -> _Distance:
    x = np.asarray(features, np.float32)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return lambda a, b: -(x[a] @ x[b].T)


def _nearest(
    rows: np.ndarray, sides: np.ndarray, distance: _Distance, neighbours: int
) -> set[tuple[int, int, int]]:
    """For each held-out picture those nearest in the parts before its own: (rank, held, other).

    ``distance`` takes places in ``rows``.
    """
    found = set()
    for side in (1, 2):
        held, others = np.flatnonzero(sides[rows] == side), np.flatnonzero(sides[rows] < side)
        count = min(neighbours, len(others))
        for start in range(0, len(held) if count else 0, _BLOCK):
            block = held[start : start + _BLOCK]
            apart = distance(block, others)
            nearest = np.argpartition(apart, count - 1, axis=1)[:, :count]
            order = np.take_along_axis(apart, nearest, 1).argsort(axis=1, kind="stable")
            nearest = np.take_along_axis(nearest, order, 1)
            for place, row in zip(block, others[nearest], strict=True):
                for rank, other in enumerate(row):
                    found.add((rank, int(rows[place]), int(rows[other])))
    return found


def _same(
    manifest: Manifest,
    pixels: Pixels,
    pairs: Sequence[tuple[int, int]],
    progress: Progress | None,
) -> Iterator[tuple[int, int]]:
    """The pairs whose pixels agree."""
    files = manifest.pictures

    @lru_cache(maxsize=_KEPT)
    def look(row: int) -> np.ndarray:
        return _thumbnail(manifest, row, pixels, FINE)

    def compare(pair: tuple[int, int]) -> list[float]:
        return unlikeness(*map(look, pair), _side(files, pair))

    found: list[list[float]] = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        # In slices, so that Ctrl-C is not kept waiting.
        for start in range(0, len(pairs), _BLOCK):
            found += pool.map(compare, pairs[start : start + _BLOCK])
            if progress:
                progress(len(found), len(pairs))
    both = [(pair, *left) for pair, left in zip(pairs, found, strict=True)]
    resembling = Counter(held for (held, _), rough, _ in both if rough < FAR)
    for pair, _, left in both:
        if left <= _FINE and resembling[pair[0]] > 1:
            a, b = (_thumbnail(manifest, row, pixels, FINEST) for row in pair)
            side = _side(files, pair)
            same = unlikeness(a, b, side)[-1] <= (_FINEST_SMALL if side < _SMALL else _FINEST)
        else:
            same = left <= _FINE
        if same:
            yield pair


def _side(files: Sequence[Picture], pair: tuple[int, int]) -> int:
    return min(min(files[row].width, files[row].height) for row in pair)


def _thumbnail(manifest: Manifest, row: int, pixels: Pixels, side: int) -> np.ndarray:
    """Gray uint8 (side, side), squashed."""
    file = manifest.pictures[row]
    path = manifest.root / file.path
    try:
        picture = pixels.decode(path.read_bytes(), coarsest(file.height, file.width, side))
    except (OSError, DecodeError) as error:
        raise DataError(
            f"Can't read the picture '{file.path}'.",
            where=path,
            cause=str(error),
            todo="put it back, or scan the folder again to set it aside",
        ) from error
    return thumbnail(gray(picture), side)
