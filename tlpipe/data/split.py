"""Which picture trains, validates, tests: seeded, stratified, and never through a group."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tlpipe.data.duplicates import DuplicateGroup
from tlpipe.data.folder import Found, natural_key
from tlpipe.data.groups import components, name_groups, names_of_groups
from tlpipe.data.scan import PARTS, BadFile, Picture
from tlpipe.errors import ConfigError, DataError
from tlpipe.words import counted

# How often the pictures are dealt out anew when a part came out without a class.
_DEALS = 20


@dataclass(frozen=True)
class SplitResult:
    """The divided pictures.

    Attributes:
        pictures: with ``split`` and ``group`` filled in, in natural order of their paths.
        set_aside: pictures left out, and why.
        notes: sentences the user should read.
    """

    pictures: list[Picture]
    set_aside: list[BadFile]
    notes: list[str]


def split(
    pictures: Sequence[Picture],
    duplicates: Sequence[DuplicateGroup],
    *,
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    seed: int,
    group_regex: str | None = None,
    strata: Sequence[str] | None = None,
) -> SplitResult:
    """Divide pictures into train, val and test.

    Pictures joined by a duplicate group, by the group that their source gives, or by the same text
    of ``group_regex``, form a component that stays whole. Each class (a component counts for its
    rarest class) is divided by ``fractions``, within rounding where its components are small. Equal
    arguments give an equal result, whatever the order of ``pictures``.

    Parts that the data give are kept; those that are missing are carved out of train. A picture
    of train that is a duplicate of one given to val or test is set aside, and one without a part
    goes where its component is given.

    Args:
        pictures: of the scan; ``split`` is the given part or None, ``group`` the given group.
        duplicates: of ``find_duplicates``.
        fractions: of train, val, test; test may be 0.
        seed: of the random order.
        group_regex: searched in each path; its first group, or else the whole match, names the
            group that the picture belongs to.
        strata: where it is not the classes that are dealt out evenly: a name for each picture.
            Those of too few pictures to divide are dealt out together.

    Raises:
        ConfigError: fractions or a regex that can't be used.
        DataError: a single class, or a class too small to divide.
    """
    _check_fractions(fractions)
    stratum_of = {p.path: s for p, s in zip(pictures, strata or (), strict=bool(strata))}
    pictures = sorted(pictures, key=lambda picture: natural_key(picture.path))
    labels = sorted({picture.label for picture in pictures}, key=natural_key)
    if len(labels) < 2 and strata is None:
        raise DataError(
            f"{counted(len(labels), 'class')} with whole pictures: {', '.join(labels) or 'none'}; "
            "at least 2 are needed.",
            todo="add pictures of another class",
        )
    notes: list[str] = []
    names = names_of_groups(pictures, group_regex, notes)
    pictures, set_aside = _without_leaks(pictures, duplicates, notes)
    together = components(pictures, duplicates, names)

    given = {picture.split for picture in pictures} - {None}
    wanted = dict(zip(PARTS, fractions, strict=True))
    missing = [part for part in PARTS[1:] if part not in given and wanted[part] > 0]
    if given and missing:
        notes.append(f"the data give no {' and no '.join(missing)} part: made out of train")
    shares = {part: wanted[part] for part in ("train", *missing)}
    shares = {part: share / sum(shares.values()) for part, share in shares.items()}

    part_of = _given(together)
    pool = [[p for p in component if p.path not in part_of] for component in together]
    pool = [component for component in pool if component]
    if strata is None:
        _check_large_enough(pool, labels, len(shares))
        dealt = _by_stratum(pool, {p.path: p.label for p in pictures}, labels)
        part_of |= _deal(dealt, shares, seed, lambda _, mine: {p.label for p in mine})
    else:
        dealt = _merged(_by_stratum(pool, stratum_of, sorted(set(strata))), len(shares))
        part_of |= _deal(dealt, shares, seed, lambda stratum, _: {stratum})

    group_of = name_groups(together, names)
    result = [replace(p, split=part_of[p.path], group=group_of[p.path]) for p in pictures]
    _note_spread(result, labels if strata is None else [], notes)
    return SplitResult(result, set_aside, notes)


def check_listing(
    files: Sequence[Found],
    *,
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    group_regex: str | None = None,
    strata: Sequence[str] | None = None,
) -> None:
    """What can be said of a split by names alone, before a picture is read.

    Damaged files and duplicates only leave fewer pictures, so that what fails here fails for sure.

    Raises:
        ConfigError: fractions or a regex that can't be used.
        DataError: a single class, or a class with too few files to divide.
    """
    unread = [Picture(f.path, f.label, f.split, 0, 0, 0, "", "", f.group) for f in files]
    split(unread, [], fractions=fractions, seed=0, strata=strata)
    names_of_groups(unread, group_regex, [])


def _check_fractions(fractions: Sequence[float]) -> None:
    train, val, test = fractions
    if min(train, val) <= 0 or test < 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise ConfigError(
            f"The fractions {train:g} / {val:g} / {test:g} of train, val and test can't be used.",
            cause="train and val must be above 0, test not below 0, and the sum must be 1",
            todo="for example 0.7 / 0.15 / 0.15",
        )


def _without_leaks(
    pictures: list[Picture], duplicates: Sequence[DuplicateGroup], notes: list[str]
) -> tuple[list[Picture], list[BadFile]]:
    """Set the train copies of given val and test pictures aside; name what lies in both those."""
    part = {picture.path: picture.split for picture in pictures}
    leaks: dict[str, str] = {}
    in_both = []
    for group in duplicates:
        held = {where: [p for p in group.members if part.get(p) == where] for where in PARTS}
        if held["val"] and held["test"]:
            in_both.append(f"{held['val'][0]} = {held['test'][0]}")
        for where in ("test", "val"):
            for path in held["train"] if held[where] else ():
                leaks.setdefault(path, f"duplicate of {held[where][0]} in {where}")
    if leaks:
        notes.append(
            f"set aside: {counted(len(leaks), 'picture')} of the given train part, also in val or "
            "test"
        )
    if in_both:
        notes.append(
            f"the given val and test parts share {counted(len(in_both), 'picture')} "
            f"(the first: {in_both[0]}): the test score may be a little too good"
        )
    kept = [picture for picture in pictures if picture.path not in leaks]
    return kept, [BadFile(p.path, leaks[p.path]) for p in pictures if p.path in leaks]


def _given(components: list[list[Picture]]) -> dict[str, str]:
    """Path to part: what is given to val and test, and what belongs with it and has no part."""
    part_of = {}
    for component in components:
        held = {picture.split for picture in component} & {"val", "test"}
        joined = "test" if "test" in held else next(iter(held), None)
        for picture in component:
            part = picture.split or joined
            if part in ("val", "test"):
                part_of[picture.path] = part
    return part_of


def _by_stratum(
    components: list[list[Picture]], stratum_of: Mapping[str, str], names: Sequence[str]
) -> dict[str, list[list[Picture]]]:
    """The components of each stratum, where one counts for the rarest of its pictures.

    The rarest first, as Sechidis et al. 2011 deal out several labels: what is common is in most of
    the components, and comes to every part with them.
    """
    found: dict[str, list[list[Picture]]] = {name: [] for name in names}
    place = {name: i for i, name in enumerate(names)}
    total = Counter(stratum_of[picture.path] for component in components for picture in component)
    for component in components:
        strata = {stratum_of[picture.path] for picture in component}
        found[min(strata, key=lambda name: (total[name], place[name]))].append(component)
    return found


def _check_large_enough(
    components: list[list[Picture]], labels: Sequence[str], needed: int
) -> None:
    having = Counter(
        label for component in components for label in {picture.label for picture in component}
    )
    for label in labels:
        if having[label] < needed:
            raise _too_small(label, components, having[label], needed)


def _merged(
    strata: Mapping[str, list[list[Picture]]], needed: int
) -> dict[str, list[list[Picture]]]:
    """Strata that can be divided: those of fewer than ``needed`` components as one."""
    enough = {name: mine for name, mine in strata.items() if len(mine) >= needed}
    rest = [component for name, mine in strata.items() if name not in enough for component in mine]
    if len(rest) >= needed or not enough:
        if len(rest) < needed:
            raise DataError(
                f"There are too few pictures to divide: {counted(len(rest), 'group')} of pictures "
                f"that stay together, and {needed} are needed.",
                todo="add pictures",
            )
        return {**enough, "": rest}
    largest = max(enough, key=lambda name: len(enough[name]))
    return {**enough, largest: enough[largest] + rest}


def _deal(
    strata: Mapping[str, list[list[Picture]]],
    shares: dict[str, float],
    seed: int,
    kinds_of: Callable[[str, list[Picture]], set[str]],
) -> dict[str, str]:
    """Path to part: stratum by stratum, the largest component first, each to the neediest part.

    No part shall stay without a kind, such as a class: ``kinds_of`` tells those of a component in
    a stratum. Where components hold several, it may take some tries to find such an order.
    """
    rng = np.random.default_rng(seed)
    for _ in range(_DEALS):
        part_of, lacking = _deal_once(strata, shares, rng, kinds_of)
        if not any(lacking.values()):
            break
    return part_of


def _deal_once(strata, shares, rng, kinds_of) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Path to part, and for each kind the parts that stayed without it."""
    left = Counter(k for name, mine in strata.items() for one in mine for k in kinds_of(name, one))
    lacking = {kind: set(shares) for kind in left}
    part_of = {}
    for name, mine in strata.items():
        mine = [mine[i] for i in rng.permutation(len(mine))]
        mine.sort(key=len, reverse=True)
        need = _rounded(sum(map(len, mine)), shares)
        for component in mine:
            kinds = kinds_of(name, component)
            # The last components of a kind go to parts that have none of it yet.
            urgent = Counter(p for k in kinds if left[k] <= len(lacking[k]) for p in lacking[k])
            part = max(shares, key=lambda p: (urgent[p], need[p]))
            need[part] -= len(component)
            part_of |= {picture.path: part for picture in component}
            left.subtract(kinds)
            for kind in kinds:
                lacking[kind].discard(part)
    return part_of, lacking


def _rounded(total: int, shares: dict[str, float]) -> dict[str, int]:
    """Whole numbers that sum up to ``total``, in these shares (largest remainders)."""
    exact = {part: total * share for part, share in shares.items()}
    whole = {part: math.floor(value + 1e-9) for part, value in exact.items()}
    order = sorted(shares, key=lambda part: whole[part] - exact[part])
    for part in order[: total - sum(whole.values())]:
        whole[part] += 1
    return whole


def _too_small(label: str, components: list[list[Picture]], found: int, needed: int) -> DataError:
    count = sum(picture.label == label for component in components for picture in component)
    if not count:
        return DataError(
            f"The class {label!r} has no picture to train on.",
            cause="the data give it to val or test only",
            todo="add pictures of this class to train, or remove it from the other parts",
        )
    alone = found == count
    return DataError(
        f"The class {label!r} is too small to divide: {counted(count, 'picture')}"
        + ("" if alone else f" in {counted(found, 'group')}")
        + f", and {needed} are needed, one for each of the {needed} parts to make.",
        cause=None if alone else "duplicates and pictures of one group stay together",
        todo="add pictures of this class, or leave it out",
    )


def _note_spread(pictures: list[Picture], labels: list[str], notes: list[str]) -> None:
    """Name groups the given folders tear apart, and classes that a part lacks."""
    parts = defaultdict(set)
    classes = defaultdict(set)
    for picture in pictures:
        classes[picture.split].add(picture.label)
        if picture.group:
            parts[picture.group].add(picture.split)
    torn = [group for group, where in parts.items() if len(where) > 1]
    if torn:
        notes.append(
            f"the given parts tear {counted(len(torn), 'group')} apart (the first: {torn[0]})"
        )
    for part in (part for part in PARTS if part in classes):
        lacking = [label for label in labels if label not in classes[part]]
        if lacking:
            notes.append(f"{part} has no picture of: {', '.join(lacking)}")
