"""Recurrent patches: small textured pieces that many pictures of one class share, and no others.

A logo or a time stamp recurs nearly pixel for pixel; leaves, fish and cracks do not. So pieces of
a class's pictures are used as filters (normalised cross-correlation), and a piece is a candidate
when its best match in most pictures of the class is better than that in nearly all other pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from tlpipe.data.machine import usable_cores
from tlpipe.data.pixels import gray

Advance = Callable[[int, int], None]

# Pieces of 10 px in pictures of 112 px, which is 20 px at 224: a fourth of the work.
SIDE, PIECE = 112, 10
# Gray levels of standard deviation below which a piece has no texture to recognise.
_TEXTURE = 4.0
_STEP = 5
_SOURCES, _PIECES = 6, 9000
_SCREEN_IN, _SCREEN_OUT, _KEPT = 14, 18, 40
_INSIDE, _OUTSIDE = 64, 128
# Fewer pictures than this say nothing about what recurs.
FEW = 9
# Of an artefact that is grown from a piece: how far, in pieces, and how much less than elsewhere
# its pixels may differ from picture to picture.
_REACH, _LIKENESS = 2, 0.5
_FIXED = 0.04

cv2.setNumThreads(0)


@dataclass(frozen=True)
class Patch:
    """A piece that recurs in one class.

    Attributes:
        label: the class.
        filter: float32 (PIECE * PIECE,), zero mean, unit length.
        threshold: the correlation, -1 to 1, from which a picture is said to show it.
        separation: correlation reached in the wished share of the class minus that reached in
            the tolerated share of the others; chance gives 0 or less.
        recurrence: share of the class's pictures that show it.
        elsewhere: share of the other classes' pictures that show it.
        place: mean centre, (down, across), as shares of the side.
        spread: standard deviation of the centre, likewise.
        picture: uint8 (h, w, channels): the artefact, the median over its matches.
        offset: rows and columns from the piece's corner to the artefact's, in pixels.
    """

    label: int
    filter: np.ndarray
    threshold: float
    separation: float
    recurrence: float
    elsewhere: float
    place: tuple[float, float] = (0.0, 0.0)
    spread: tuple[float, float] = (0.0, 0.0)
    picture: np.ndarray | None = None
    offset: tuple[int, int] = (0, 0)

    @property
    def fixed(self) -> bool:
        """Whether it sits at the same place in every picture."""
        return max(self.spread) < _FIXED


def mine(
    pictures: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    seed: int,
    recurrence: float = 0.6,
    elsewhere: float = 1 / 64,
    separation: float = 0.05,
    most: int = 3,
    advance: Advance | None = None,
) -> list[Patch]:
    """Patches that recur in one class and not in the others, the clearest first.

    Args:
        pictures: uint8 (n, s, s, channels), the training part or a sample of it.
        labels: int (n,), 0..classes - 1.
        classes: how many there are; one with fewer than ``FEW`` pictures is passed over.
        seed: of the choice of pictures and pieces.
        recurrence: share of the class that must show the patch.
        elsewhere: share of the others that may.
        separation: least distance of the two correlations.
        most: patches a class.
        advance: takes (classes done, classes).
    """
    found: list[Patch] = []
    side = min(SIDE, pictures.shape[1])
    with threadpool_limits(1), ThreadPoolExecutor(usable_cores()) as pool:
        for label in range(classes):
            random = np.random.default_rng([seed, label])
            inside = random.permutation(np.flatnonzero(labels == label))[:_INSIDE]
            outside = random.permutation(np.flatnonzero(labels != label))[:_OUTSIDE]
            if len(inside) >= FEW and len(outside) >= FEW:
                near = list(pool.map(lambda i: _reduced(pictures[i], side), inside))
                far = list(pool.map(lambda i: _reduced(pictures[i], side), outside))
                filters = _screened(near, far, _PIECES // classes, recurrence, random, pool)
                patches, places = _verified(filters, near, far, recurrence, elsewhere, pool)
                kept = [i for i, patch in enumerate(patches) if patch.separation >= separation]
                found += _grown(
                    [replace(patches[i], label=label) for i in kept],
                    [places[i] for i in kept],
                    (pictures, inside, outside),
                    most,
                )
            if advance:
                advance(label + 1, classes)
    return sorted(found, key=lambda patch: -patch.separation)


def match(patch: Patch, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How well each picture shows the patch, and where.

    Args:
        patch: what ``mine`` found.
        pictures: uint8 (n, s, s, channels).

    Returns:
        correlations float32 (n,); boxes int64 (n, 4): top, left, bottom, right in pixels, cut at
        the picture's edges.
    """
    size = pictures.shape[1]
    side = min(SIDE, size)
    with threadpool_limits(1), ThreadPoolExecutor(usable_cores()) as pool:
        small = list(pool.map(lambda picture: _reduced(picture, side), pictures))
        scores, places = _best(patch.filter[None], small, pool)
    corners = _corners(places[:, 0], side, size) + np.array(patch.offset)
    ends = corners + np.array(patch.picture.shape[:2])
    return scores[:, 0], np.clip(np.concatenate([corners, ends], axis=1), 0, size)


def _reduced(picture: np.ndarray, side: int) -> np.ndarray:
    small = cv2.resize(gray(picture), (side, side), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)


def _windows(small: np.ndarray) -> np.ndarray:
    """float32 (positions, PIECE²): every piece, zero mean and unit length; zero without texture."""
    pieces = np.lib.stride_tricks.sliding_window_view(small, (PIECE, PIECE))
    pieces = pieces.reshape(-1, PIECE * PIECE)
    pieces = pieces - pieces.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", pieces, pieces))
    length[length < _TEXTURE * PIECE] = np.inf
    pieces /= length[:, None]
    return pieces


def _best(
    filters: np.ndarray, small: list[np.ndarray], pool: Executor
) -> tuple[np.ndarray, np.ndarray]:
    """The best correlation of each filter in each picture and its position: both (n, f)."""

    def one(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        windows = _windows(picture).T
        # In slices that stay in the processor's cache.
        maps = [filters[i : i + 128] @ windows for i in range(0, len(filters), 128)]
        places = np.concatenate([part.argmax(axis=1) for part in maps])
        return np.concatenate([part.max(axis=1) for part in maps]), places

    scores, places = zip(*pool.map(one, small), strict=True)
    return np.stack(scores), np.stack(places)


def _screened(
    near: list[np.ndarray],
    far: list[np.ndarray],
    budget: int,
    recurrence: float,
    random: np.random.Generator,
    pool: Executor,
) -> np.ndarray:
    """The most promising pieces of a few pictures, judged on a few others: float32 (f, PIECE²)."""
    sources = min(_SOURCES, len(near) // 3)
    each = min(max(budget // sources, 50), 200)
    pieces = []
    for small in near[:sources]:
        across = len(small) - PIECE + 1
        grid = _windows(small).reshape(across, across, -1)
        down, right = random.integers(0, _STEP, 2)
        grid = grid[down::_STEP, right::_STEP].reshape(-1, PIECE * PIECE)
        textured = np.flatnonzero(grid.any(axis=1))
        pieces.append(grid[random.permutation(textured)[:each]])
    filters = np.concatenate(pieces)
    if not len(filters):
        return filters
    inside, _ = _best(filters, near[sources : sources + _SCREEN_IN], pool)
    outside, _ = _best(filters, far[:_SCREEN_OUT], pool)
    gap = np.quantile(inside, 1 - recurrence, axis=0) - np.sort(outside, axis=0)[-2]
    return filters[np.argsort(-gap, kind="stable")[:_KEPT]]


def _verified(
    filters: np.ndarray,
    near: list[np.ndarray],
    far: list[np.ndarray],
    recurrence: float,
    elsewhere: float,
    pool: Executor,
) -> tuple[list[Patch], list[np.ndarray]]:
    """The pieces judged on all pictures, the clearest first; where each matches best in the class.

    The class's pictures include the few that the pieces were cut from; they are left out here.
    """
    if not len(filters):
        return [], []
    sources = min(_SOURCES, len(near) // 3)
    inside, places = _best(filters, near, pool)
    outside, _ = _best(filters, far, pool)
    low = np.quantile(inside[sources:], 1 - recurrence, axis=0)
    high = np.quantile(outside, 1 - elsewhere, axis=0)
    patches, where = [], []
    for i in np.argsort(high - low, kind="stable"):
        threshold = float(low[i] + high[i]) / 2
        shown = inside[:, i] >= threshold
        patches.append(
            Patch(
                label=-1,
                filter=filters[i],
                threshold=threshold,
                separation=float(low[i] - high[i]),
                recurrence=float(shown[sources:].mean()),
                elsewhere=float((outside[:, i] >= threshold).mean()),
            )
        )
        where.append(np.where(shown, places[:, i], -1))
    return patches, where


def _corners(places: np.ndarray, side: int, size: int) -> np.ndarray:
    """int64 (n, 2): top and left of the pieces in the full picture."""
    across = side - PIECE + 1
    corners = np.stack([places // across, places % across], axis=1)
    return np.rint(corners * (size / side)).astype(np.int64)


def _grown(
    patches: list[Patch],
    places: list[np.ndarray],
    source: tuple[np.ndarray, np.ndarray, np.ndarray],
    most: int,
) -> list[Patch]:
    """Each piece with the whole of what it is a piece of; other pieces of the same left out."""
    pictures, inside, outside = source
    size = pictures.shape[1]
    side = min(SIDE, size)
    piece = round(PIECE * size / side)
    kept: list[tuple[Patch, np.ndarray]] = []
    for patch, place in zip(patches, places, strict=True):
        corners = np.where(place[:, None] >= 0, _corners(place, side, size), -size)
        if len(kept) == most:
            break
        if any(_same(corners + piece // 2, boxes, piece // 2) for _, boxes in kept):
            continue
        shown = np.flatnonzero(place >= 0)
        top, left, bottom, right, picture = _artefact(
            pictures, inside[shown], corners[shown], outside, piece
        )
        first, last = np.array([top, left]), np.array([bottom, right])
        boxes = np.concatenate([corners + first, corners + last], axis=1)
        centres = (corners[shown] + (first + last) / 2) / size
        whole = replace(
            patch,
            place=tuple(centres.mean(axis=0).clip(0, 1).tolist()),
            spread=tuple(centres.std(axis=0).tolist()),
            picture=picture,
            offset=(top, left),
        )
        kept.append((whole, boxes))
    return [patch for patch, _ in kept]


def _same(centres: np.ndarray, boxes: np.ndarray, slack: int) -> bool:
    """Whether the centres (n, 2) lie in or near the boxes (n, 4) in most of the pictures."""
    shown = (centres[:, 0] >= 0) & (boxes[:, 2] > 0)
    inside = (centres >= boxes[:, :2] - slack) & (centres < boxes[:, 2:] + slack)
    return bool((inside.all(axis=1) & shown).sum() > 0.5 * max(1, shown.sum()))


def _artefact(
    pictures: np.ndarray,
    inside: np.ndarray,
    corners: np.ndarray,
    outside: np.ndarray,
    piece: int,
) -> tuple[int, int, int, int, np.ndarray]:
    """The box around the piece in which the matches agree, and their median picture.

    A pixel belongs to the artefact when its matches differ from their median less than other
    classes' pictures do at the same places. The connected part that holds the piece is taken.
    """
    reach = _REACH * piece
    views = np.stack(
        [_around(pictures[i], at, piece, reach) for i, at in zip(inside, corners, strict=True)]
    )
    others = np.stack(
        [
            _around(pictures[i], corners[k % len(corners)], piece, reach)
            for k, i in enumerate(outside[: max(32, len(inside))])
        ]
    )
    middle = _median(views)
    agree = _spread(views, middle) < _LIKENESS * _spread(others, middle)
    # Single pixels come and go: what counts is whether most of a neighbourhood agrees.
    solid = cv2.boxFilter(agree.astype(np.float32), -1, (5, 5)) > 0.5
    solid[reach : reach + piece, reach : reach + piece] = True
    _, regions = cv2.connectedComponents(solid.astype(np.uint8))
    rows, columns = np.nonzero(regions == regions[reach + piece // 2, reach + piece // 2])
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    picture = middle[top:bottom, left:right].astype(np.uint8)
    return int(top - reach), int(left - reach), int(bottom - reach), int(right - reach), picture


def _around(picture: np.ndarray, corner: np.ndarray, piece: int, reach: int) -> np.ndarray:
    """int16 (w, w, channels), w = piece + 2 reach; -1 outside of the picture."""
    padded = np.pad(picture.astype(np.int16), [(reach, reach)] * 2 + [(0, 0)], constant_values=-1)
    top, left = corner
    return padded[top : top + piece + 2 * reach, left : left + piece + 2 * reach]


def _median(views: np.ndarray) -> np.ndarray:
    """int16 (w, w, channels): the lower median of the views with pixels there, 0 where none."""
    ordered = np.sort(np.where(views < 0, 256, views), axis=0)
    count = (views >= 0).sum(axis=0, keepdims=True)
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=0)[0]
    return np.where(count[0] > 0, middle, 0)


def _spread(views: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """float (w, w): mean distance from ``middle``; infinite where hardly a view has pixels."""
    seen = (views >= 0).all(axis=3)
    distance = np.abs(views - middle).mean(axis=3)
    count = seen.sum(axis=0)
    spread = (distance * seen).sum(axis=0) / np.maximum(count, 1)
    return np.where(count >= max(3, 0.5 * len(views)), spread, np.inf)
