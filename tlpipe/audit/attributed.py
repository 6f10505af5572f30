"""The attributions of any number of pictures, reduced as they come: a batch is all that is held."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from tlpipe.audit.evidence import inside
from tlpipe.audit.given.objects import Objects
from tlpipe.explain.overlay import scaled

Maps = Callable[[int, int], dict[str, np.ndarray]]
"""Of pictures start to stop - 1, by method, float32 (k, s, s)."""
BATCH = 32


@dataclass(frozen=True)
class Inside:
    """Attribution and object, a value for each picture that has one.

    Attributes:
        area: float (m,), the object's share of the picture.
        reach: float (m,), the share of the picture where a hottest point is a hit.
        hits: by method, bool (m,): the pointing game.
        energy: by method, float (m,): share of the attribution in the object.
    """

    area: np.ndarray
    reach: np.ndarray
    hits: dict[str, np.ndarray]
    energy: dict[str, np.ndarray]


@dataclass(frozen=True)
class Attributed:
    """What is kept of the maps of n pictures.

    Attributes:
        border: by method, float (n,): share of each map in the border.
        means: by method and class, float32 (s, s): mean of the scaled maps of a class's pictures.
        maps: by method and picture, float32 (s, s), of the pictures asked for.
        inside: where objects were given.
    """

    border: dict[str, np.ndarray]
    means: dict[tuple[str, int], np.ndarray]
    maps: dict[tuple[str, int], np.ndarray]
    inside: Inside | None


def reduced(
    maps_of: Maps,
    answers: np.ndarray,
    *,
    classes: Collection[int],
    kept: Collection[int],
    border: float,
    objects: Objects | None = None,
    tolerance: float = 0.0,
    advance: Callable[[int, int], None] | None = None,
) -> Attributed:
    """Asks for maps batch by batch.

    Args:
        maps_of: the maps of a range of pictures; all ranges give the same methods.
        answers: int (n,), the class each picture is said to be.
        classes: whose mean maps are wanted.
        kept: pictures whose maps are wanted.
        border: its width, a share of the side.
        objects: where the object lies in some of the pictures.
        tolerance: of the pointing game, a share of the side.
        advance: takes (done, n).
    """
    total, wanted = len(answers), set(kept)
    shares: dict[str, list[np.ndarray]] = {}
    sums: dict[tuple[str, int], np.ndarray] = {}
    maps: dict[tuple[str, int], np.ndarray] = {}
    judged: list[Inside] = []
    for start in range(0, total, BATCH):
        stop = min(start + BATCH, total)
        found = maps_of(start, stop)
        for name, batch in found.items():
            shares.setdefault(name, []).append(border_share(batch, border))
            for c in classes:
                mine = batch[answers[start:stop] == c]
                if len(mine):
                    more = scaled(mine).sum(axis=0, dtype="float64")
                    sums[name, c] = sums.get((name, c), 0.0) + more
            # Copies: a view would hold its whole batch.
            maps |= {
                (name, row): batch[row - start].copy()
                for row in range(start, stop)
                if row in wanted
            }
        if objects is not None:
            judged.append(_inside(found, start, stop, objects, tolerance))
        if advance:
            advance(stop, total)
    counted = {c: int((answers == c).sum()) for c in classes}
    return Attributed(
        border={name: np.concatenate(parts) for name, parts in shares.items()},
        means={key: (total / counted[key[1]]).astype("float32") for key, total in sums.items()},
        maps=maps,
        inside=_joined(judged) if judged else None,
    )


def border_area(width: float) -> float:
    """Share of a square that its border of ``width`` (a share of the side) covers."""
    return 1 - (1 - 2 * width) ** 2


def border_share(maps: np.ndarray, width: float) -> np.ndarray:
    """Share of each map, float (n, s, s), that lies in the border, float (n,); 0 for a dark map."""
    edge = [max(1, round(width * side)) for side in maps.shape[1:]]
    inside = maps[:, edge[0] : -edge[0], edge[1] : -edge[1]].sum((1, 2), dtype="float64")
    whole = maps.sum((1, 2), dtype="float64")
    return 1 - np.divide(inside, whole, out=np.ones_like(whole), where=whole > 0)


def _inside(
    found: dict[str, np.ndarray], start: int, stop: int, objects: Objects, tolerance: float
) -> Inside:
    places, masks = objects.between(start, stop)
    near = inside.reach(masks, tolerance * objects.size)
    rows = places - start
    return Inside(
        area=masks.mean(axis=(1, 2)),
        reach=near.mean(axis=(1, 2)),
        hits={name: inside.pointing(maps[rows], near) for name, maps in found.items()},
        energy={name: inside.energy(maps[rows], masks) for name, maps in found.items()},
    )


def _joined(parts: list[Inside]) -> Inside:
    return Inside(
        area=np.concatenate([part.area for part in parts]),
        reach=np.concatenate([part.reach for part in parts]),
        hits={name: np.concatenate([part.hits[name] for part in parts]) for name in parts[0].hits},
        energy={
            name: np.concatenate([part.energy[name] for part in parts]) for name in parts[0].energy
        },
    )
