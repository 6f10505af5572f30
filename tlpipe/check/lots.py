"""Lots: pictures that a split must not tear apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tlpipe.data.duplicates import DuplicateGroup
from tlpipe.data.groups import components
from tlpipe.data.scan import Picture


def independent(pictures: Sequence[Picture], duplicates: Sequence[DuplicateGroup]) -> Counter[str]:
    """By class: how many lots of it a split has to deal out.

    Pictures that are given to val or test are not dealt out, nor are copies of those and pictures
    without a part that belong with them. A lot counts for each class that it has.
    """
    held = {picture.path for picture in pictures if picture.split in ("val", "test")}
    out = held.union(*(same.members for same in duplicates if held & set(same.members)))
    found: Counter[str] = Counter()
    for lot in components(pictures, duplicates, {}):
        joined = any(picture.path in held for picture in lot)
        dealt = (p for p in lot if p.path not in out and not (joined and p.split is None))
        found.update({picture.label for picture in dealt})
    return found
