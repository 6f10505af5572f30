"""Pictures that are there twice: the same file, or the same picture saved in another way.

Perceptual hashes name the candidates; pixels decide. Pictures that merely look alike (2,624 solar
cells, each with the same bus bars) must not be joined, and copies must: compressed again, resized,
converted, a little brighter, or cropped by a few percent. Rotated and mirrored copies are not
looked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources.abc import Traversable

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tlpipe.data.decode import DecodeError
from tlpipe.data.machine import usable_cores
from tlpipe.data.pixels import RGB, Pixels, gray
from tlpipe.data.resize import coarsest
from tlpipe.data.scan import Picture, Progress
from tlpipe.errors import DataError

SIDE = 128
_TILE = 512
# Measured at 128 px, blurred: solar cells cropped by 5 % leave at most .4 gray levels, the most
# alike of 2,624 different ones .46. As a share of the picture's own detail, nine of ten cropped
# photographs leave .013 or less, the cells .047 or more. Chosen on these data, not tested on more.
_RESIDUAL = 0.4
_RESIDUAL_OF_DETAIL = 0.03
_RESIDUAL_OF_CONTRAST = 0.2
# What may be left at a quarter of the size, not blurred, for a full look to be worth while. Of
# 8,300 pairs that the full look calls equal (compressed, resized, brighter, noisy; cells,
# photographs, tiles of 32 px) the worst leaves .83 of it, of different cells eight pairs in ten
# leave more than all of it.
_GLANCE = 4.0
_GLANCE_OF_CONTRAST = 0.12
# After the coarse alignment: 98 % of the crops are above, 88 % of the cells alike below.
_ENOUGH_CORRELATION = 0.975
_SATURATED = 240
_FLAT = 2.0
_CHUNK = 512
# Thumbnails in memory, 16 KB each; one that is dropped and needed again is decoded again.
_HELD = 30_000


@dataclass(frozen=True)
class DuplicateGroup:
    """Pictures that are one picture.

    Attributes:
        members: their paths, in the order of the listing.
        kind: "exact" when all files are byte for byte the same, else "near".
    """

    members: tuple[str, ...]
    kind: str


def find_duplicates(
    root: Traversable,
    pictures: Sequence[Picture],
    *,
    near: bool = True,
    kind: Pixels = RGB,
    max_distance: int = 12,
    max_pairs: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    notes: list[str] | None = None,
) -> list[DuplicateGroup]:
    """Find groups of exact and near duplicates.

    Args:
        root: what the paths are relative to.
        pictures: what the scan found; the order of the groups and members follows it.
        near: also look for near duplicates, by pixels.
        kind: how the files' bytes become pixels.
        max_distance: Hamming distance of the 64-bit hashes, up to which pixels are compared.
        max_pairs: bounds the work where everything looks alike: with more candidates the distance
            is lowered. Eight a picture, and 20,000 at least, when None.
        workers: threads; as many as there are cores when None.
        progress: called with (done, total) candidate pairs.
        notes: a list that takes a sentence when ``max_pairs`` was reached.

    Raises:
        DataError: a picture was removed or damaged since the scan.
    """
    first: dict[str, int] = {}
    links = [(first.setdefault(picture.sha256, i), i) for i, picture in enumerate(pictures)]
    if near and pictures:
        unique = np.array(sorted(first.values()))
        hashes = np.array([int(pictures[i].phash, 16) for i in unique], np.uint64)
        limit = max_pairs or max(20_000, 8 * len(unique))
        pairs, reached = candidates(hashes, max_distance, limit)
        if reached < max_distance and notes is not None:
            notes.append(
                f"many pictures look alike: near duplicates were looked for up to a hash distance "
                f"of {max(reached, 0)} instead of {max_distance}"
            )
        single = [pictures[i] for i in unique]
        for a, b in _confirmed(root, single, kind, pairs, workers or usable_cores(), progress):
            links.append((int(unique[a]), int(unique[b])))
    together = (found for found in connected(len(pictures), links) if len(found) > 1)
    return [_group([pictures[i] for i in found]) for found in together]


def connected(n: int, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The sets of the numbers 0..n-1 that ``links`` hold together.

    Each is sorted, and they are ordered by their smallest members.
    """
    if not links:
        return [[i] for i in range(n)]
    ends = np.array(links).T
    graph = coo_array((np.ones(len(links)), tuple(ends)), (n, n))
    found = defaultdict(list)
    for i, name in enumerate(connected_components(graph, directed=False)[1].tolist()):
        found[name].append(i)
    return list(found.values())


def candidates(hashes: np.ndarray, distance: int, limit: int) -> tuple[np.ndarray, int]:
    """All pairs (i < j) of 64-bit hashes at most ``distance`` bits apart.

    Args:
        hashes: uint64 (n,).
        distance: the largest Hamming distance.
        limit: the most pairs to return; the distance is lowered until they are no more.

    Returns:
        int64 (pairs, 2), sorted; and the distance reached, -1 when even equal hashes were too many
        (then the first ``limit`` of them are returned).
    """
    found = np.empty((0, 3), np.int64)
    pending: list[np.ndarray] = []
    count = 0
    for tile in _tiles(hashes, distance):
        tile = tile[tile[:, 2] <= distance]
        pending.append(tile)
        count += len(tile)
        if count > 2 * limit:
            found, distance = _lowered(np.concatenate([found, *pending]), distance, limit)
            pending, count = [], len(found)
        if distance < 0:
            break
    found, distance = _lowered(np.concatenate([found, *pending]), distance, limit)
    return found[np.lexsort((found[:, 1], found[:, 0])), :2], distance


def same_picture(a: np.ndarray, b: np.ndarray, side: int) -> bool:
    """Whether two gray uint8 (128, 128) thumbnails show the same picture.

    They are compared as they lie, then after an affine alignment (Evangelidis and Psarakis,
    "Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", 2008), for
    the crops. Brightness and contrast may differ. ``side`` is the shorter side of the smaller
    picture in its file: compression leaves more of a mark on a small one.
    """
    a, b = a.astype(np.float32), b.astype(np.float32)
    flat = a.std() < _FLAT, b.std() < _FLAT
    if any(flat):
        return all(flat) and abs(float(a.mean() - b.mean())) < _FLAT
    warp = np.eye(2, 3, dtype=np.float32)
    if _may_lie_alike(a, b, side) and _residual_is_small(a, b, warp, side):
        return True
    for scale, least in ((2, _ENOUGH_CORRELATION), (1, 0)):
        warp = _align(a, b, warp, scale, least)
        if warp is None:
            return False
    return _residual_is_small(a, b, warp, side)


def _tiles(hashes: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """Rows (i, j, bits), tile by tile: a tile stays in the processor's cache."""
    for top in range(0, len(hashes), _TILE):
        rows = hashes[top : top + _TILE]
        for left in range(top, len(hashes), _TILE):
            columns = hashes[left : left + _TILE]
            bits = np.bitwise_count(rows[:, None] ^ columns[None])
            near = np.flatnonzero(bits <= distance)
            i, j = np.divmod(near, len(columns))
            found = np.stack([i + top, j + left, bits.ravel()[near]], 1)
            yield found[found[:, 0] < found[:, 1]]


def _lowered(found: np.ndarray, distance: int, limit: int) -> tuple[np.ndarray, int]:
    while len(found) > limit:
        distance -= 1
        if distance < 0:
            return found[:limit], distance
        found = found[found[:, 2] <= distance]
    return found, distance


def _confirmed(
    root: Traversable,
    pictures: Sequence[Picture],
    kind: Pixels,
    pairs: np.ndarray,
    workers: int,
    progress: Progress | None,
) -> Iterator[tuple[int, int]]:
    """The pairs whose pixels agree. Thumbnails go after their last pair, or for want of room."""
    last = {int(i): row for row, pair in enumerate(pairs) for i in pair}
    ending = defaultdict(list)
    for i, row in last.items():
        ending[row // _CHUNK].append(i)
    thumbnails: dict[int, np.ndarray] = {}

    def look(i: int) -> np.ndarray:
        return _thumbnail(root, pictures[i], kind)

    def compare(pair: np.ndarray) -> bool:
        i, j = (int(k) for k in pair)
        side = min(min(pictures[k].width, pictures[k].height) for k in (i, j))
        return same_picture(thumbnails[i], thumbnails[j], side)

    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(pairs), _CHUNK):
            chunk = pairs[start : start + _CHUNK]
            missing = [int(i) for i in np.unique(chunk) if int(i) not in thumbnails]
            thumbnails.update(zip(missing, pool.map(look, missing), strict=True))
            same = pool.map(compare, chunk)
            for done, (pair, is_same) in enumerate(zip(chunk, same, strict=True), start + 1):
                if is_same:
                    yield int(pair[0]), int(pair[1])
                if progress:
                    progress(done, len(pairs))
            for i in ending[start // _CHUNK]:
                thumbnails.pop(i, None)
            while len(thumbnails) > _HELD:
                del thumbnails[next(iter(thumbnails))]


def _thumbnail(root: Traversable, picture: Picture, kind: Pixels) -> np.ndarray:
    path = root / picture.path
    try:
        # The scan has looked for damage; here speed matters.
        pixels = kind.decode(path.read_bytes(), coarsest(picture.height, picture.width, SIDE))
    except (OSError, DecodeError) as error:
        raise DataError(
            "A picture changed while the folder was being read.",
            where=path,
            cause=str(error),
            todo="run the same command again when nothing else writes to the folder",
        ) from error
    smaller = min(pixels.shape[:2]) < SIDE
    how = cv2.INTER_LINEAR if smaller else cv2.INTER_AREA
    if pixels.shape[2] != 3:
        return cv2.resize(gray(pixels), (SIDE, SIDE), interpolation=how)
    return gray(cv2.resize(pixels, (SIDE, SIDE), interpolation=how))


def _align(
    a: np.ndarray, b: np.ndarray, warp: np.ndarray, scale: int, least: float
) -> np.ndarray | None:
    """Refine the affine map that lays b on a, at 1 / scale of the size; None if none is good."""
    side = SIDE // scale
    small = [cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA) for x in (a, b)]
    start = warp.copy()
    start[:, 2] /= scale
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 3e-4)
    blur = 5 if scale == 1 else 3
    try:
        correlation, warp = cv2.findTransformECC(*small, start, cv2.MOTION_AFFINE, stop, None, blur)
    except cv2.error:  # how it says that it does not converge
        return None
    warp[:, 2] *= scale
    return warp if correlation > least else None


def _may_lie_alike(a: np.ndarray, b: np.ndarray, side: int) -> bool:
    """A glance at a quarter of the size: False where the full look as they lie would say no."""
    a, b = (cv2.resize(x, (32, 32), interpolation=cv2.INTER_AREA) for x in (a, b))
    _, _, y, left = _fitted(a, b, np.ones(a.shape, bool))
    limit = max(_GLANCE, _GLANCE_OF_CONTRAST * float(y.std()))
    return float(np.sqrt(np.mean(left**2))) <= limit * max(1.0, SIDE / side)


def _residual_is_small(a: np.ndarray, b: np.ndarray, warp: np.ndarray, side: int) -> bool:
    """Fit b to a in brightness and contrast, and look at what is left after a blur.

    The blur before takes away what interpolation adds, the one after what compression adds.
    """
    coarse = max(1.0, SIDE / side)
    a, b = (cv2.GaussianBlur(x, (0, 0), coarse) for x in (a, b))
    how = cv2.WARP_INVERSE_MAP
    inside = cv2.warpAffine(np.ones_like(b), warp, (SIDE, SIDE), flags=cv2.INTER_NEAREST | how)
    inside = cv2.erode(inside, np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    b = cv2.warpAffine(b, warp, (SIDE, SIDE), flags=cv2.INTER_LINEAR | how)
    seen = inside > 0
    if seen.mean() < 0.5:
        return False
    seen, contrast, y, rest = _fitted(a, b, seen)
    if not 0.5 < contrast < 2:
        return False
    left = np.zeros_like(a)
    left[seen] = rest
    weight = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), 4).clip(1e-3)
    left = cv2.GaussianBlur(left, (0, 0), 4) / weight
    residual = float(np.sqrt(np.mean(left[seen] ** 2)))
    detail = float((a - cv2.GaussianBlur(a, (0, 0), 4))[seen].std())
    limit = max(_RESIDUAL * min(coarse, 2), _RESIDUAL_OF_DETAIL * detail)
    return residual <= min(limit, _RESIDUAL_OF_CONTRAST * float(y.std()))


def _fitted(a: np.ndarray, b: np.ndarray, seen: np.ndarray):
    """Fit a to b in brightness and contrast.

    Returns:
        Which pixels were looked at, the contrast, b about its mean, and what of it is left.
    """
    # A brighter copy has lost what was near white; where most is white there is nothing to lose.
    below = seen & (np.maximum(a, b) < _SATURATED)
    seen = below if below.mean() > 0.5 else seen
    x, y = a[seen] - a[seen].mean(), b[seen] - b[seen].mean()
    contrast = float(x @ y) / max(float(x @ x), 1e-6)
    return seen, contrast, y, y - contrast * x


def _group(members: list[Picture]) -> DuplicateGroup:
    exact = len({picture.sha256 for picture in members}) == 1
    return DuplicateGroup(
        members=tuple(picture.path for picture in members),
        kind="exact" if exact else "near",
    )
