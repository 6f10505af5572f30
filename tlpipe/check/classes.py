"""Classes: how many pictures each has, and whether that is enough."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from tlpipe.audit.finding import Finding, Section, Table
from tlpipe.check.lots import independent
from tlpipe.check.subject import Subject
from tlpipe.config.audit import Audit
from tlpipe.data.scan import PARTS
from tlpipe.words import counted

# Pictures of a class below which its score would rest on two or three of them.
FEW = 20
_NAMED = 6


def examine(subject: Subject) -> Section:
    """Counts a class and part; classes that are too small, too rare, or the same by name."""
    names = subject.listing.class_names
    count = Counter((picture.label, picture.split) for picture in subject.pictures)
    total = {name: sum(count[name, part] for part in (*PARTS, None)) for name in names}
    lots = independent(subject.pictures, subject.duplicates)
    columns = [*subject.parts, *([None] if any(p.split is None for p in subject.pictures) else [])]
    findings = (
        *_one(names),
        *_small(subject, total, lots),
        *_few(subject, total, lots),
        *_balance(total),
        *_alike(names),
    )
    return Section(
        name="classes",
        title="Classes",
        findings=findings,
        definition="Of a class, every part that is made needs a picture that is no copy of, and "
        "in no group with, one in another part: as few are too small to divide, and red. Amber is "
        f"a class of fewer than {FEW} such pictures, and a largest class more than "
        f"{_limit():g} times the smallest.",
        facts={
            "counts": {
                name: {part or "undivided": count[name, part] for part in columns} for name in names
            },
            "independent": {name: lots[name] for name in names},
            "parts_to_make": subject.to_make,
        },
        tables=(
            Table(
                title="Pictures that can be read",
                columns=(
                    "class",
                    *(part or "no part given" for part in columns),
                    *(["in all"] if len(columns) > 1 else []),
                    "independent",
                ),
                rows=tuple(
                    (
                        name,
                        *(count[name, part] for part in columns),
                        *([total[name]] if len(columns) > 1 else []),
                        lots[name],
                    )
                    for name in names
                ),
            ),
        ),
    )


def _one(names: list[str]) -> tuple[Finding, ...]:
    if len(names) > 1:
        return ()
    return (
        Finding(
            name="classes.one",
            level="red",
            sentence=f"There is only one class, '{names[0]}': nothing is to be told apart.",
            todo="add a folder of pictures that show something else",
            weight=1.0,
        ),
    )


def _small(subject: Subject, total: dict[str, int], lots: Counter) -> tuple[Finding, ...]:
    small = [name for name in total if lots[name] < subject.to_make]
    if not small:
        return ()
    verb = "is" if len(small) == 1 else "are"
    return (
        Finding(
            name="classes.small",
            level="red",
            sentence=f"{counted(len(small), 'class')} {verb} too small to divide into "
            f"{counted(subject.to_make, 'part')}: {_told(small, total, lots)}.",
            todo="add pictures of these classes, or remove them",
            weight=0.95,
        ),
    )


def _few(subject: Subject, total: dict[str, int], lots: Counter) -> tuple[Finding, ...]:
    few = [name for name in total if subject.to_make <= lots[name] < FEW and total[name] < FEW]
    if not few:
        return ()
    return (
        Finding(
            name="classes.few",
            level="amber",
            sentence=f"{counted(len(few), 'class')} of fewer than {FEW} pictures: "
            f"{_told(few, total, lots)}. What is said of them will rest on two or three.",
            todo="add pictures of these classes",
            weight=0.6,
        ),
    )


def _told(names: list[str], total: dict[str, int], lots: Counter) -> str:
    shown = []
    for name in names[:_NAMED]:
        apart = "" if lots[name] >= total[name] else f", {lots[name]} independent"
        shown.append(f"'{name}' ({counted(total[name], 'picture')}{apart})")
    return ", ".join(shown) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _balance(total: dict[str, int]) -> tuple[Finding, ...]:
    if len(total) < 2:
        return ()
    largest, smallest = (f(total.items(), key=lambda item: item[1]) for f in (max, min))
    ratio = largest[1] / max(smallest[1], 1)
    amber = ratio > _limit()
    return (
        Finding(
            name="classes.balance",
            level="amber" if amber else "green",
            sentence=f"{len(total)} classes: the largest, '{largest[0]}', has {largest[1]} "
            f"pictures, the smallest, '{smallest[0]}', {smallest[1]}: {ratio:.1f} times as many.",
            todo=f"add pictures of '{smallest[0]}', or train with `--balance`" if amber else "",
            weight=0.5,
        ),
    )


def _alike(names: list[str]) -> tuple[Finding, ...]:
    same = defaultdict(list)
    for name in names:
        same[re.sub(r"[\s_-]+", "", name.casefold())].append(name)
    found = [group for group in same.values() if len(group) > 1]
    if not found:
        return ()
    shown = "; ".join(" and ".join(f"'{name}'" for name in group) for group in found[:_NAMED])
    return (
        Finding(
            name="classes.alike",
            level="amber",
            sentence=f"Classes whose names differ in case, spaces or hyphens only: {shown}.",
            todo="join them when they mean the same",
            weight=0.7,
        ),
    )


def _limit() -> float:
    return Audit().data.imbalance_amber
