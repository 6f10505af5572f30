"""Where the object lies, from masks or boxes that the user gives, as the network sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from PIL import Image, ImageOps

from tlpipe.audit.evidence.statistics import each
from tlpipe.audit.given.places import find_places
from tlpipe.data.manifest import Manifest
from tlpipe.data.resize import fit
from tlpipe.data.scan import Picture
from tlpipe.data.table import Row, Table, read
from tlpipe.errors import DataError, nearest

_CORNERS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class Objects:
    """The objects in some of n pictures.

    Attributes:
        places: int64 (m,), ascending: which of the pictures have one.
        packed: uint8 (m, bytes): their masks, eight pixels a byte.
        size: side of a mask.
        unmarked: pictures without a mask, or with an empty one.
        cut_off: pictures whose object lies outside of what the network sees.
    """

    places: np.ndarray
    packed: np.ndarray
    size: int
    unmarked: int
    cut_off: int

    def between(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Of pictures start to stop - 1 those with an object, int64 (k,), and bool (k, s, s)."""
        chosen = slice(*np.searchsorted(self.places, [start, stop]))
        flat = np.unpackbits(self.packed[chosen], axis=1, count=self.size**2)
        return self.places[chosen], flat.reshape(-1, self.size, self.size).astype(bool)


def read_objects(
    source: Path, manifest: Manifest, rows: np.ndarray, size: int, mode: str
) -> Objects:
    """The objects of these rows of the manifest.

    Args:
        source: a folder of masks, each at its picture's relative path with .png, pixels that are
            not zero being the object; or a CSV ``path,x0,y0,x1,y1`` with any number of boxes a
            picture, edges in pixels of the picture upright.
        manifest: the pictures.
        rows: int (n,).
        size: side of the network's input.
        mode: how a picture is fitted into it.

    Raises:
        DataError: nothing there, no mask or box of these data, a mask of another shape than its
            picture, a box without a pixel.
    """
    if not source.exists():
        raise DataError(
            f"There is no folder of masks and no CSV of boxes '{source}'.",
            where=source.absolute(),
            todo="check the path given with --objects",
        )
    full = _masks(source) if source.is_dir() else _boxes(source, manifest)

    def one(row: int) -> tuple[bool, np.ndarray]:
        picture = manifest.pictures[row]
        mask = full(row, picture)
        if mask is None or not mask.any():
            return False, np.zeros((size, size), bool)
        return True, as_seen(mask, picture.width, picture.height, size, mode)

    found = each(lambda row: _packed(*one(row)), rows.tolist())
    marked = np.array([there for there, _, _ in found], bool)
    seen = np.array([some for _, some, _ in found], bool)
    if source.is_dir() and not marked.any():
        _nothing_in(source, manifest, rows)
    packed = np.array([bits for _, some, bits in found if some], np.uint8)
    return Objects(
        np.flatnonzero(seen),
        packed.reshape(int(seen.sum()), -(-(size**2) // 8)),
        size,
        int((~marked).sum()),
        int((marked & ~seen).sum()),
    )


def as_seen(mask: np.ndarray, width: int, height: int, size: int, mode: str) -> np.ndarray:
    """A mask as the network sees its picture: cut, squashed or padded by the same code.

    A pixel belongs to the object when half of it does; an object smaller than that keeps the
    pixels that have most of it.

    Args:
        mask: bool (h, w), of the picture's shape or a smaller or larger copy.
        width, height: of the picture, pixels.
        size: side of the network's input.
        mode: ``crop``, ``pad`` or ``squash``.

    Returns:
        bool (size, size).
    """
    levels = mask.astype(np.uint8) * 255
    if levels.shape != (height, width):
        levels = cv2.resize(levels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    cover = fit(levels[..., None], size, mode)[..., 0]
    return cover >= np.clip(cover.max(), 1, 128)


def _packed(marked: bool, mask: np.ndarray) -> tuple[bool, bool, np.ndarray]:
    return marked, bool(mask.any()), np.packbits(mask)


def _masks(folder: Path) -> Callable[[int, Picture], np.ndarray | None]:
    def mask(row: int, picture: Picture) -> np.ndarray | None:
        file = folder / _mask_name(picture)
        return _read_mask(file, picture) if file.exists() else None

    return mask


def _mask_name(picture: Picture) -> PurePosixPath:
    return PurePosixPath(picture.path).with_suffix(".png")


def _read_mask(file: Path, picture: Picture) -> np.ndarray:
    """bool (h, w). Colours count, not palette numbers; what is wholly transparent is nothing."""
    try:
        with Image.open(file, formats=("PNG",)) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode in ("P", "PA"):
                upright = upright.convert("RGBA")
            pixels = np.asarray(upright)
            opaque = pixels[..., -1] if upright.mode in ("LA", "RGBA") else None
    except Exception as error:  # a damaged file can make a codec raise anything
        raise DataError(
            f"The mask '{file}' can't be read.",
            where=file,
            cause=str(error),
            todo="save it again as PNG, or take it away: the picture is then left out",
        ) from error
    height, width = pixels.shape[:2]
    # A copy's sides are rounded; more than a pixel beside it is another shape.
    if (
        abs(height - picture.height * width / picture.width) >= 1
        and abs(width - picture.width * height / picture.height) >= 1
    ):
        raise DataError(
            f"The mask '{file}' is not of its picture's shape.",
            where=file,
            cause=f"it has {width} x {height} pixels, '{picture.path}' has "
            f"{picture.width} x {picture.height}",
            todo="make it from the whole picture, upright as it is shown",
        )
    if opaque is None:
        return pixels.any(axis=2) if pixels.ndim == 3 else pixels != 0
    return pixels[..., :-1].any(axis=2) & (opaque > 0)


def _nothing_in(folder: Path, manifest: Manifest, rows: np.ndarray) -> None:
    wanted = folder / _mask_name(manifest.pictures[rows[0]])
    raise DataError(
        f"The folder '{folder}' marks no object in any of the {len(rows)} pictures.",
        where=folder,
        cause=f"'{wanted}' is empty" if wanted.exists() else f"there is no '{wanted}', for one",
        todo="name each mask like its picture, folders included, with .png at the end",
    )


def _boxes(file: Path, manifest: Manifest) -> Callable[[int, Picture], np.ndarray | None]:
    table = read(file)
    names = {name.lower(): name for name in table.columns}
    for corner in _CORNERS:
        if corner not in names:
            raise DataError(
                f"'{file}' has no column '{corner}'.",
                where=f"{file}, line 1",
                cause="boxes need the columns path,x0,y0,x1,y1",
                todo=nearest(corner, names),
            )
    boxes: dict[int, list[tuple[slice, slice]]] = {}
    places = find_places(table, [picture.path for picture in manifest.pictures])
    for row, place in zip(table.rows, places, strict=True):
        if place is not None:
            box = _box(table, row, names, manifest.pictures[place])
            boxes.setdefault(place, []).append(box)

    def mask(row: int, picture: Picture) -> np.ndarray | None:
        if row not in boxes:
            return None
        drawn = np.zeros((picture.height, picture.width), bool)
        for box in boxes[row]:
            drawn[box] = True
        return drawn

    return mask


def _box(table: Table, row: Row, names: dict[str, str], picture: Picture) -> tuple[slice, slice]:
    """Rows and columns of the picture's pixels that a box covers."""
    texts = [row.values[names[corner]] for corner in _CORNERS]
    corners = [table.number(text) for text in texts]
    where, todo = f"{table.file}, line {row.line}", "x0 and y0 are left and top, x1 and y1 right "
    if None in corners:
        raise DataError(
            f"A box of '{row.path}' has a corner that is no number: {', '.join(texts)}.",
            where=where,
            todo=todo + "and bottom, in pixels",
        )
    left, top, right, bottom = (round(corner) for corner in corners)
    across = slice(max(left, 0), min(right, picture.width))
    down = slice(max(top, 0), min(bottom, picture.height))
    if across.start >= across.stop or down.start >= down.stop:
        raise DataError(
            f"The box {', '.join(texts)} of '{row.path}' holds no pixel of it.",
            where=where,
            cause=f"the picture is {picture.width} pixels wide and {picture.height} high",
            todo=todo + "and bottom, in pixels of the picture upright (not in shares of it)",
        )
    return down, across
