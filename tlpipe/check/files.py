"""Files: those that can't be read or used, and what else lies there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tlpipe.audit.finding import Finding, Section, Table
from tlpipe.check.subject import LISTED, Subject
from tlpipe.data.folder import BadFile
from tlpipe.words import counted

# Share of unreadable files above which something is wrong with the copy as a whole.
_RED = 0.05
# Causes that are named in a sentence.
_NAMED = 4


def examine(subject: Subject) -> Section:
    """What the listing and the scan set aside, by name and cause."""
    listing, bad = subject.listing, subject.bad
    everything = [*bad, *listing.set_aside]
    findings = _unreadable(bad, len(listing.files))
    if listing.set_aside:
        findings += (
            Finding(
                name="files.left_out",
                level="amber",
                sentence=f"{counted(len(listing.set_aside), 'file')} can't be used: "
                f"{_causes(listing.set_aside)}.",
                todo="mend them as their causes say, or go on without them",
            ),
        )
    if listing.empty_classes:
        names = ", ".join(f"'{name}'" for name in listing.empty_classes)
        findings += (
            Finding(
                name="files.empty_classes",
                level="amber",
                sentence=f"No picture is in: {names}. The model will not know what they stand for.",
                todo="add pictures, or remove the empty folders",
            ),
        )
    if listing.ignored:
        kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(listing.ignored.items()))
        findings += (
            Finding(
                name="files.ignored",
                level="info",
                sentence=f"{counted(sum(listing.ignored.values()), 'file')} beside the pictures "
                f"can't hold one, by the name's ending: {kinds}.",
            ),
        )
    return Section(
        name="files",
        title="Files",
        findings=findings,
        definition="Every file with the ending of a picture is decoded whole and strictly: what "
        "is cut short or damaged inside is found, even where a viewer still shows something. "
        f"Red from more than {_RED:.0%} of unreadable files on.",
        facts={
            "files": len(listing.files),
            "read": len(subject.pictures),
            "unreadable": [{"path": b.path, "cause": b.cause} for b in bad],
            "left_out": [{"path": b.path, "cause": b.cause} for b in listing.set_aside],
            "empty_classes": list(listing.empty_classes),
            "ignored": dict(sorted(listing.ignored.items())),
        },
        tables=_table(everything),
    )


def _unreadable(bad: Sequence[BadFile], files: int) -> tuple[Finding, ...]:
    if not bad:
        return (
            Finding(
                name="files.fine",
                level="green",
                sentence=f"Every file ({files}) can be read.",
            ),
        )
    share = len(bad) / files
    return (
        Finding(
            name="files.unreadable",
            level="red" if share > _RED else "amber",
            sentence=f"{len(bad)} of {counted(files, 'file')} ({share:.1%}) can't be read: "
            f"{_causes(bad)}.",
            todo="fetch them again from where they came; without that they are set aside",
            weight=0.9,
        ),
    )


def _causes(bad: Sequence[BadFile]) -> str:
    """The commonest, without what is particular to a file."""
    found = Counter(b.cause.split(": ")[0] for b in bad)
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ranked[_NAMED:])
    shown = ", ".join(f"{cause} ({count})" for cause, count in ranked[:_NAMED])
    return shown + (f" and {rest} more" if rest else "")


def _table(bad: Sequence[BadFile]) -> tuple[Table, ...]:
    if not bad:
        return ()
    first = f" (the first {LISTED} of {len(bad)})" if len(bad) > LISTED else ""
    return (
        Table(
            title="Files that can't be used" + first,
            columns=("file", "cause"),
            rows=tuple((b.path, b.cause) for b in bad[:LISTED]),
        ),
    )
