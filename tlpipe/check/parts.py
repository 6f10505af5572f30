"""Parts and groups: what the user has divided or tied together beforehand."""

from __future__ import annotations

from collections import Counter, defaultdict

from tlpipe.audit.finding import Finding, Section, Table
from tlpipe.check.subject import LISTED, Subject
from tlpipe.data.folder import natural_key
from tlpipe.words import counted

_NAMED = 4


def examine(subject: Subject) -> Section:
    """Given parts without some class, and groups that they tear apart."""
    groups = defaultdict(list)
    for picture in subject.pictures:
        if picture.group:
            groups[picture.group].append(picture)
    torn = sorted(
        (name for name, members in groups.items() if len({p.split for p in members} - {None}) > 1),
        key=natural_key,
    )
    count = Counter(picture.split for picture in subject.pictures)
    ranked = sorted(groups, key=lambda name: (-len(groups[name]), natural_key(name)))
    return Section(
        name="parts",
        title="Parts and groups",
        findings=(
            *_torn(torn, groups),
            *_lacking(subject),
            *_unmatched(subject),
            *_given(subject, count),
            *_groups(subject, groups, ranked),
        ),
        definition="Given parts (folders `train`, `val` and `test`, or a column `split`) are "
        "kept as they are; what is missing is made out of train. Pictures of one group "
        "(`--group`, or a column `group`) stay together.",
        facts={
            "parts": {part or "undivided": count[part] for part in (*subject.parts, None)},
            "groups": {name: len(groups[name]) for name in sorted(groups, key=natural_key)},
            "groups_torn": torn,
            "without_match": subject.ungrouped,
        },
        tables=(
            Table(
                title="Groups, the largest first"
                + (f" ({LISTED} of {len(ranked)})" if len(ranked) > LISTED else ""),
                columns=("group", "pictures", "labels"),
                rows=tuple(
                    (name, len(groups[name]), len({p.label for p in groups[name]}))
                    for name in ranked[:LISTED]
                ),
            ),
        )
        if groups
        else (),
    )


def _torn(torn: list[str], groups: dict) -> tuple[Finding, ...]:
    if not torn:
        return ()
    parts = " and ".join(sorted({p.split for p in groups[torn[0]] if p.split}))
    verb = "lies" if len(torn) == 1 else "lie"
    return (
        Finding(
            name="parts.torn",
            level="red",
            sentence=f"{counted(len(torn), 'group')} {verb} in more than one given part: "
            f"'{torn[0]}' in {parts}, for one. The scores would be too good.",
            todo="move each group to one part",
            weight=0.9,
        ),
    )


def _lacking(subject: Subject) -> tuple[Finding, ...]:
    if subject.target != "class":
        return ()
    found = []
    for part in subject.parts:
        there = {picture.label for picture in subject.pictures if picture.split == part}
        lacking = [name for name in subject.listing.class_names if name not in there]
        if not lacking:
            continue
        shown = ", ".join(f"'{name}'" for name in lacking[:_NAMED])
        rest = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        train = part == "train"
        what = "can't be learned" if train else f"can't be judged by {part}"
        found.append(
            Finding(
                name=f"parts.{part}_lacks",
                level="red" if train else "amber",
                sentence=f"The given part {part} has no picture of {shown}{rest}: it {what}."
                if len(lacking) == 1
                else f"The given part {part} has no picture of {shown}{rest}: they {what}.",
                todo=f"add pictures of each class to {part}",
                weight=0.9 if train else 0.6,
            )
        )
    return tuple(found)


def _unmatched(subject: Subject) -> tuple[Finding, ...]:
    if not subject.ungrouped:
        return ()
    return (
        Finding(
            name="parts.unmatched",
            level="amber",
            sentence=f"The expression of `--group` does not match {subject.ungrouped} of "
            f"{counted(len(subject.pictures), 'picture')}: each of them counts as alone.",
            todo="mend the expression, unless these belong to no group",
            weight=0.5,
        ),
    )


def _given(subject: Subject, count: Counter) -> tuple[Finding, ...]:
    if subject.parts:
        counts = ", ".join(f"{part} {count[part]}" for part in subject.parts)
        rest = f", without one {count[None]}" if count[None] else ""
        sentence = f"Given parts: {counts}{rest}."
    else:
        split = subject.settings.stages["split"]
        sentence = (
            "No parts are given: pictures will be divided at random, "
            f"{split.train:.0%} to train, {split.val:.0%} to val and {split.test:.0%} to test."
        )
    return (Finding(name="parts.given", level="info", sentence=sentence),)


def _groups(subject: Subject, groups: dict, ranked: list[str]) -> tuple[Finding, ...]:
    if not groups:
        return ()
    inside = sum(map(len, groups.values()))
    largest = len(groups[ranked[0]])
    total = len(subject.pictures)
    # One lot can't be divided: what holds half of the pictures leaves the others too few.
    amber = largest > total / 2
    return (
        Finding(
            name="parts.groups",
            level="amber" if amber else "info",
            sentence=f"{counted(len(groups), 'group')} of {inside} of {counted(total, 'picture')}; "
            f"the largest, '{ranked[0]}', has {largest}.",
            todo="make groups smaller: a group can't be divided" if amber else "",
            weight=0.5,
        ),
    )
