"""What is checked: the data as the scan finds them, and what is measured of each picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tlpipe.audit.finding import Gallery, Thumbnail
from tlpipe.audit.thumbnails import SIDE, webp
from tlpipe.check.look import look, read
from tlpipe.config.settings import Pipeline
from tlpipe.data.duplicates import DuplicateGroup, find_duplicates
from tlpipe.data.folder import BadFile, Listing
from tlpipe.data.groups import components, name_groups, names_of_groups
from tlpipe.data.pixels import Pixels
from tlpipe.data.scan import PARTS, Picture, Progress, scan
from tlpipe.data.source import list_data
from tlpipe.errors import ConfigError

# Rows of a table on the page; the JSON has all.
LISTED = 100
# Thumbnails of a gallery, and galleries of a kind.
SHOWN = 12
# The side of the default network's input.
INPUT = 224

Bar = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Subject:
    """The data.

    Attributes:
        data: as the user names them.
        settings: the stages' settings that say how they are read and divided.
        listing: the files.
        bad: those of them that can't be read, and why.
        pictures: the others; ``group`` is the one that ``--group`` or the source gives.
        ungrouped: how many the expression of ``--group`` does not match.
        duplicates: groups of pictures that are one.
        notes: what the search for duplicates wants to be known.
        looks: of ``look.look``, in the order of ``pictures``.
    """

    data: str
    settings: Pipeline
    listing: Listing
    bad: list[BadFile]
    pictures: list[Picture]
    ungrouped: int
    duplicates: list[DuplicateGroup]
    notes: list[str]
    looks: dict[str, np.ndarray]

    @property
    def target(self) -> str:
        """What a label is: ``class``, ``labels`` or ``number``."""
        return self.settings.stages["scan"].target

    @property
    def kind(self) -> Pixels:
        """How bytes become pixels."""
        return _pixels(self.settings)

    @property
    def size(self) -> int:
        """The side of the network's input, pixels."""
        return self.settings.stages["backbone"].resolution or INPUT

    @cached_property
    def by_path(self) -> dict[str, Picture]:
        """The pictures by their paths."""
        return {picture.path: picture for picture in self.pictures}

    @cached_property
    def parts(self) -> list[str]:
        """The parts that are given."""
        given = {picture.split for picture in self.pictures}
        return [part for part in PARTS if part in given]

    @cached_property
    def to_make(self) -> int:
        """How many parts are divided out of the pictures that have none or lie in train."""
        split = self.settings.stages["split"]
        return 1 + sum(getattr(split, p) > 0 for p in PARTS[1:] if p not in self.parts)

    def thumbnail(self, picture: Picture, caption: str) -> Thumbnail:
        """It, made small."""
        _, pixels = read(self.listing.root, picture, self.kind, SIDE)
        return Thumbnail(caption=caption, alt=caption, webp=webp(pixels))

    def gallery(
        self, title: str, chosen: Sequence[Picture], caption: Callable[[Picture], str]
    ) -> tuple[Gallery, ...]:
        """The first of some pictures; nothing when there are none."""
        shown = tuple(self.thumbnail(picture, caption(picture)) for picture in chosen[:SHOWN])
        more = len(chosen) - len(shown)
        note = f"The first {len(shown)} of {len(chosen)}." if more else ""
        return (Gallery(title=title, note=note, pictures=shown),) if shown else ()


def gather(settings: Pipeline, bar: Bar) -> Subject:
    """Read every picture of the data: once for damage, once for duplicates, once for its looks.

    Args:
        settings: of the stages ``scan``, ``split`` and ``backbone``.
        bar: makes a progress bar with a title; what it yields takes (done, total).

    Raises:
        ConfigError: no data were named, or the groups' expression matches nothing.
        DataError: no pictures are there, or they changed meanwhile.
    """
    how = settings.stages["scan"]
    if how.data is None:
        raise ConfigError(
            "No pictures were named.",
            todo="give the folder with --data DIR (one sub-folder a class)",
        )
    listing, kind = (
        list_data(how.data, label=how.label, least=1 if how.target == "class" else 0),
        _pixels(settings),
    )
    with bar("decoding") as advance:
        found = scan(listing, pixels=kind, progress=advance)
    pictures, ungrouped = _grouped(found.pictures, settings.stages["split"].group)
    notes: list[str] = []
    with bar("comparing") as advance:
        duplicates = find_duplicates(
            listing.root,
            pictures,
            near=how.duplicates,
            kind=kind,
            progress=advance,
            notes=notes,
        )
    with bar("measuring") as advance:
        looks = look(listing.root, pictures, kind, advance)
    return Subject(
        data=how.data,
        settings=settings,
        listing=listing,
        bad=found.bad[len(listing.set_aside) :],
        pictures=pictures,
        ungrouped=ungrouped,
        duplicates=duplicates,
        notes=notes,
        looks=looks,
    )


def _pixels(settings: Pipeline) -> Pixels:
    how = settings.stages["scan"]
    return Pixels(how.channels, how.low, how.high)


def _grouped(pictures: list[Picture], expression: str | None) -> tuple[list[Picture], int]:
    """The pictures with the group that ``expression`` finds in their paths beside their own."""
    names = names_of_groups(pictures, expression, []) if pictures else {}
    if not names:
        return pictures, 0
    group_of = name_groups(components(pictures, [], names), names)
    grouped = [replace(picture, group=group_of[picture.path]) for picture in pictures]
    return grouped, len(pictures) - len(names)
