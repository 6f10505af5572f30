"""How far two thumbnails are from showing the same picture, one of them perhaps cropped.

The scan asks the same of many more pairs (``tlpipe.data.duplicates``), starting its alignment where
the pictures lie. Measured on 5 % crops, that finds half of the solar cells and nine in ten of the
photographs. Here the crop is looked for first, so that the alignment starts near its end.
"""

from __future__ import annotations

import cv2
import numpy as np

# Sides of the thumbnails; the finest is for look-alikes only.
ROUGH, FINE, FINEST = 64, 128, 256
FAR = np.inf
# Side of what is left by the crop: down to nine tenths, each step within the alignment's reach.
_CROPS = (0.975, 0.95, 0.925, 0.9)
# Measured at 64 px: copies correlate by .52 or more where they fit best, different photographs by
# .26 at most; aligned, copies leave .17 of their detail at most, different ones .37 or more, and
# four in five of the solar cells most alike .13 or more.
_CORRELATION = 0.4
_LEFT = 0.18
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-5)
_FLAT = 2.0
# Gray levels: a smooth picture has less detail than this, and compression leaves its mark all the
# same.
_LEAST_DETAIL = 8.0


def thumbnail(gray: np.ndarray, side: int = FINE) -> np.ndarray:
    """A gray uint8 (h, w) picture as uint8 (side, side), squashed."""
    how = cv2.INTER_LINEAR if min(gray.shape) < side else cv2.INTER_AREA
    return cv2.resize(gray, (side, side), interpolation=how)


def unlikeness(a: np.ndarray, b: np.ndarray, side: int) -> list[float]:
    """What is left of one picture when the other is laid on it, as a share of its detail.

    Brightness and contrast may differ. The place of the one in the other is found by normalised
    cross-correlation, and refined by Evangelidis and Psarakis' method (2008).

    Args:
        a, b: uint8 (s, s) of ``thumbnail``, s 128 or 256.
        side: the shorter side of the smaller picture in its file: there is no finer detail to
            compare than it holds.

    Returns:
        For 64 pixels, 128 and so on up to s. Infinite where no place is found, and from the size on
        that says enough.
    """
    sizes = [ROUGH << i for i in range(len(a).bit_length() - ROUGH.bit_length() + 1)]
    flat = [float(x.std()) < _FLAT for x in (a, b)]
    if any(flat):
        same = all(flat) and abs(float(a.mean()) - float(b.mean())) < _FLAT
        return [0.0 if same else FAR] * len(sizes)
    pairs = [[thumbnail(x, size) for x in (a, b)] for size in sizes]
    into_a, into_b = _place(*pairs[0]), _place(*pairs[0][::-1])
    if into_b[0] > into_a[0]:
        pairs, into_a = [pair[::-1] for pair in pairs], into_b
    correlation, warp = into_a
    left = [FAR] * len(sizes)
    if correlation < _CORRELATION:
        return left
    for level, pair in enumerate(pairs):
        left[level], warp = _refined(*pair, warp, side)
        if left[level] > _LEFT:
            break
        warp = warp * np.array([[1, 1, 2]], np.float32)
    return left


def _place(a: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray]:
    """Where b fits best as a part of a: the correlation, and the warp that fetches it."""
    within = _detail(a)
    best = (float((_unit(within) * _unit(_detail(b))).sum()), 1.0, 0, 0)
    for crop in _CROPS:
        side = round(len(a) * crop)
        part = _detail(cv2.resize(b, (side, side), interpolation=cv2.INTER_AREA))
        found = cv2.matchTemplate(within, part, cv2.TM_CCOEFF_NORMED)
        _, value, _, (x, y) = cv2.minMaxLoc(found)
        best = max(best, (value, side / len(a), x, y))
    value, scale, x, y = best
    return value, np.array([[scale, 0, x], [0, scale, y]], np.float32)


def _detail(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(x, (0, 0), ROUGH / part) for part in (192, 48))
    return fine - coarse


def _unit(x: np.ndarray) -> np.ndarray:
    return x / max(float(np.linalg.norm(x)), 1e-6)


def _refined(a: np.ndarray, b: np.ndarray, warp: np.ndarray, side: int) -> tuple[float, np.ndarray]:
    """What is left, and the better of the warp and its refinement."""
    coarse = max(0.5, len(a) / side)
    a, b = (cv2.GaussianBlur(x.astype(np.float32), (0, 0), coarse) for x in (a, b))
    left = _left(a, b, warp)
    try:
        _, finer = cv2.findTransformECC(b, a, warp.copy(), cv2.MOTION_AFFINE, _STOP, None, 3)
    except cv2.error:  # how it says that it does not converge
        return left, warp
    # From a start that fits it may drift away.
    return min((left, warp), (_left(a, b, finer), finer), key=lambda found: found[0])


def _left(a: np.ndarray, b: np.ndarray, warp: np.ndarray) -> float:
    """Root mean square of b less a, smoothed, over that of b less b smoothed."""
    shape, sigma = a.shape[::-1], min(len(a) / 32, 4)
    how = cv2.WARP_INVERSE_MAP
    a = cv2.warpAffine(a, warp, shape, flags=cv2.INTER_LINEAR | how)
    inside = cv2.warpAffine(np.ones_like(b), warp, shape, flags=cv2.INTER_NEAREST | how)
    inside = cv2.erode(inside, np.ones((5, 5)), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    seen = inside > 0
    if seen.mean() < 0.5:
        return FAR
    x, y = a[seen] - a[seen].mean(), b[seen] - b[seen].mean()
    contrast = float(x @ y) / max(float(x @ x), 1e-6)
    if not 0.5 < contrast < 2:
        return FAR
    rest = np.zeros_like(a)
    rest[seen] = y - contrast * x
    weight = np.maximum(cv2.GaussianBlur(seen.astype(np.float32), (0, 0), sigma), 1e-3)
    rest = cv2.GaussianBlur(rest, (0, 0), sigma) / weight
    detail = float((b - cv2.GaussianBlur(b, (0, 0), sigma))[seen].std())
    return float(np.sqrt(np.mean(rest[seen] ** 2))) / max(detail, _LEAST_DETAIL)
