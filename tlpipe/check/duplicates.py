"""Duplicates: the same picture twice, under two labels, or in two parts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from tlpipe.audit.finding import Finding, Gallery, Level, Section, Table
from tlpipe.check.subject import LISTED, SHOWN, Subject
from tlpipe.data.scan import PARTS, Picture
from tlpipe.targets.text import meaning
from tlpipe.words import counted, were

# Pictures of a group that are shown.
_ACROSS = 8
# Share of superfluous pictures above which it matters.
_AMBER = 0.01


@dataclass(frozen=True)
class Same:
    """Pictures that are one picture.

    Attributes:
        pictures: in the order of the listing, two at least.
        meanings: of their labels.
        exact: byte for byte the same file; else saved in another way.
        parts: the given parts that they lie in.
    """

    pictures: tuple[Picture, ...]
    meanings: tuple[Hashable, ...]
    exact: bool
    parts: tuple[str, ...]

    @property
    def conflict(self) -> bool:
        """Whether their labels mean different things."""
        return len(set(self.meanings)) > 1

    @property
    def leak(self) -> bool:
        """Whether they lie in more than one given part."""
        return len(self.parts) > 1

    @property
    def tied(self) -> bool:
        """Whether one given group holds them together already."""
        groups = {picture.group for picture in self.pictures}
        return len(groups) == 1 and "" not in groups

    def against(self, picture: Picture) -> Picture:
        """The first one whose label means something else. Only of a conflict."""
        own = self.meanings[self.pictures.index(picture)]
        pairs = zip(self.pictures, self.meanings, strict=True)
        return next(other for other, meant in pairs if meant != own)


def same_pictures(subject: Subject) -> list[Same]:
    """The groups that the scan found, the worst first."""
    found = []
    for group in subject.duplicates:
        pictures = tuple(subject.by_path[path] for path in group.members)
        splits = {picture.split for picture in pictures}
        found.append(
            Same(
                pictures,
                meanings=tuple(meaning(p.label, subject.target) for p in pictures),
                exact=group.kind == "exact",
                parts=tuple(part for part in PARTS if part in splits),
            )
        )
    return sorted(found, key=lambda same: (not same.conflict, not same.leak, not same.exact))


def examine(subject: Subject) -> Section:
    """Conflicts, leaks, exact and near copies."""
    found = same_pictures(subject)
    near = subject.settings.stages["scan"].duplicates
    findings = (
        *_conflicts([same for same in found if same.conflict]),
        *_leaks([same for same in found if same.leak]),
        *_copies(found, len(subject.pictures)),
    ) or (
        Finding(
            name="duplicates.none",
            level="green",
            sentence="No picture is there twice, not even resized, recompressed, brightened or "
            "slightly cropped."
            if near
            else "No file is there twice; near duplicates were not looked for.",
        ),
    )
    notes = tuple(
        Finding(
            name=f"duplicates.note{i}", level="info", sentence=note[:1].upper() + note[1:] + "."
        )
        for i, note in enumerate(subject.notes, 1)
    )
    return Section(
        name="duplicates",
        title="Duplicates",
        findings=findings + notes,
        definition="Exact copies have equal bytes. Near copies are candidates by perceptual hash "
        "whose pixels agree after an alignment: compressed again, resized, converted, a little "
        "brighter or cropped by a few percent; rotated or mirrored ones are not looked for. "
        "`tlpipe finetune` keeps copies on one side of the split. Copies are amber from "
        f"{_AMBER:.0%} superfluous pictures on; different labels, and copies in different given "
        "parts, are always red.",
        reference="Zauner 2010 (perceptual hash); Evangelidis and Psarakis 2008 (alignment)",
        facts={
            "groups": [
                {
                    "kind": "exact" if same.exact else "near",
                    "labels_conflict": same.conflict,
                    "parts": list(same.parts),
                    "members": [picture.path for picture in same.pictures],
                }
                for same in found
            ],
            "near_looked_for": near,
        },
        tables=_table(found),
        galleries=tuple(
            Gallery(
                title=f"Group {number}: {_told(same)}",
                note=f"The first {_ACROSS} of {len(same.pictures)}."
                if len(same.pictures) > _ACROSS
                else "",
                pictures=tuple(
                    subject.thumbnail(p, f"{p.path}: {_where(p)}") for p in same.pictures[:_ACROSS]
                ),
            )
            for number, same in enumerate(found[:SHOWN], 1)
        ),
    )


def _conflicts(found: Sequence[Same]) -> tuple[Finding, ...]:
    if not found:
        return ()
    a = found[0].pictures[0]
    b = found[0].against(a)
    return (
        Finding(
            name="duplicates.conflict",
            level="red",
            sentence=f"{counted(len(found), 'picture')} {were(len(found))} given different labels "
            f"in {sum(len(same.pictures) for same in found)} copies: '{a.path}' is "
            f"'{a.label}' and '{b.path}' is '{b.label}', for one. At least one label is wrong.",
            todo="keep the right copy of each; `--fix DIR` leaves all of them out",
            weight=1.0,
        ),
    )


def _leaks(found: Sequence[Same]) -> tuple[Finding, ...]:
    if not found:
        return ()
    first = {picture.split: picture.path for picture in found[0].pictures}
    a, b = (first[part] for part in found[0].parts[:2])
    return (
        Finding(
            name="duplicates.leak",
            level="red",
            sentence=f"{counted(len(found), 'picture')} {'lies' if len(found) == 1 else 'lie'} in "
            f"more than one given part: '{a}' and '{b}', for one. What is trained on must not be "
            "tested on: the scores would be too good.",
            todo="remove one of each; `--fix DIR` keeps the one in test, or else in val",
            weight=0.95,
        ),
    )


def _copies(found: Sequence[Same], total: int) -> tuple[Finding, ...]:
    files = [[picture.sha256 for picture in same.pictures] for same in found]
    exact = sum(len(hashes) - len(set(hashes)) for hashes in files)
    near = sum(len(set(hashes)) - 1 for hashes in files)
    loose = sum(
        len(set(hashes)) - 1 for hashes, same in zip(files, found, strict=True) if not same.tied
    )
    level: Level = "amber" if exact + loose > _AMBER * total else "info"
    findings = []
    if exact:
        findings.append(
            Finding(
                name="duplicates.exact",
                level=level,
                sentence=f"{exact} of {counted(total, 'picture')} ({exact / total:.1%}) "
                f"{'is an exact copy' if exact == 1 else 'are exact copies'} of another: they "
                "count double and teach nothing.",
                todo="remove the copies; `--fix DIR` keeps one of each",
                weight=0.6,
            )
        )
    if near:
        tied = "" if loose else " A group holds each with its like already."
        findings.append(
            Finding(
                name="duplicates.near",
                level=level if loose else "info",
                sentence=f"{near} of {counted(total, 'picture')} ({near / total:.1%}) "
                f"{'is' if near == 1 else 'are'} the same as another, saved in another way: "
                f"resized, recompressed, brightened or slightly cropped.{tied}",
                todo="keep each with its like on one side of the split, as `tlpipe finetune` does; "
                "`--fix DIR` gives them a common group"
                if loose
                else "",
                weight=0.55,
            )
        )
    return tuple(findings)


def _told(same: Same) -> str:
    kind = "exact copies" if same.exact else "near copies"
    labels = ["different labels"] * same.conflict
    parts = [f"in {' and '.join(same.parts)}"] * same.leak
    return ", ".join([kind, *labels, *parts])


def _where(picture: Picture) -> str:
    return ", ".join(filter(None, (picture.label, picture.split)))


def _table(found: Sequence[Same]) -> tuple[Table, ...]:
    rows = [
        (p.path, number, "exact" if same.exact else "near", p.label, p.split or "–")
        for number, same in enumerate(found, 1)
        for p in same.pictures
    ]
    if not rows:
        return ()
    first = f" (the first {LISTED} of {len(rows)} pictures)" if len(rows) > LISTED else ""
    return (
        Table(
            title="Pictures that are one" + first,
            columns=("picture", "group", "copies", "label", "given part"),
            rows=tuple(rows[:LISTED]),
        ),
    )
