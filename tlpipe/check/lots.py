"""Lots: pictures that a split must not tear apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tlpipe.data.duplicates import UnionFind
from tlpipe.data.folder import natural_key
from tlpipe.data.scan import Picture


def lots(pictures: Sequence[Picture], same: Iterable[Iterable[str]]) -> list[list[Picture]]:
    """All pictures, those together that belong together.

    Args:
        pictures: some of the data; those of one ``group`` belong together.
        same: paths of pictures that belong together besides; unknown ones are passed over.
    """
    index = {picture.path: i for i, picture in enumerate(pictures)}
    groups = defaultdict(list)
    for picture in pictures:
        if picture.group:
            groups[picture.group].append(picture.path)
    sets = UnionFind(len(pictures))
    for members in (*same, *groups.values()):
        present = [index[path] for path in members if path in index]
        for other in present[1:]:
            sets.join(present[0], other)
    return [[pictures[i] for i in found] for found in sets.sets()]


def grouped(
    pictures: Sequence[Picture], same: Iterable[Iterable[str]], name: str = ""
) -> list[Picture]:
    """The pictures, in their order, each with the group that is its lot.

    Args:
        pictures: some of the data.
        same: as for ``lots``.
        name: what a lot that has no name yet is called, before the path of its first picture.
    """
    group_of = {}
    for lot in lots(pictures, same):
        names = sorted({picture.group for picture in lot} - {""}, key=natural_key)
        alone = "" if len(lot) == 1 else f"{name} {lot[0].path}".strip()
        group_of |= {picture.path: "+".join(names) or alone for picture in lot}
    return [replace(picture, group=group_of[picture.path]) for picture in pictures]


def independent(pictures: Sequence[Picture], same: Sequence[Sequence[str]]) -> Counter[str]:
    """By class: how many lots of it a split has to deal out.

    Pictures that are given to val or test are not dealt out, nor are copies of those and pictures
    without a part that belong with them. A lot counts for each class that it has.
    """
    held = {picture.path for picture in pictures if picture.split in ("val", "test")}
    out = held.union(*(members for members in same if held & set(members)))
    found: Counter[str] = Counter()
    for lot in lots(pictures, same):
        joined = any(picture.path in held for picture in lot)
        dealt = (p for p in lot if p.path not in out and not (joined and p.split is None))
        found.update({picture.label for picture in dealt})
    return found
