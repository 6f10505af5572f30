"""Several labels a picture: how often each is given, and which go together."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from tlpipe.audit.finding import Finding, Section, Table
from tlpipe.check.subject import LISTED, Subject
from tlpipe.data.folder import natural_key
from tlpipe.targets.text import names_in
from tlpipe.words import counted

_FEW = 20
# Labels whose table of pairs can still be read.
_ACROSS = 20
_ALWAYS = 0.95
_NAMED = 6


def examine(subject: Subject) -> Section:
    """Counts, co-occurrence, and labels that can't be learned or told apart."""
    named = [frozenset(names_in(picture.label)) for picture in subject.pictures]
    count = Counter(name for names in named for name in names)
    every = sorted(count, key=natural_key)
    together = Counter(
        pair for names in named for pair in combinations(sorted(names, key=natural_key), 2)
    )
    total = len(named)
    if not every:
        none = Finding(
            name="labels.none",
            level="red",
            sentence=f"None of {counted(total, 'picture')} has a label.",
            todo="name the column that holds them with `--label`; several are joined by |",
            weight=1.0,
        )
        return Section(name="labels", title="Labels", findings=(none,))
    by_count = sorted(every, key=lambda name: (-count[name], natural_key(name)))
    return Section(
        name="labels",
        title="Labels",
        findings=(
            *_same(every, count, together),
            *_rare(every, count),
            *_always(every, count, total),
            _counts(named, every, total),
        ),
        definition=f"Amber: labels on fewer than {_FEW} pictures, labels on more than "
        f"{_ALWAYS:.0%} of them, and pairs of labels that are never seen apart.",
        facts={
            "counts": {name: count[name] for name in every},
            "together": [[a, b, n] for (a, b), n in sorted(together.items())],
            "without": sum(not names for names in named),
        },
        tables=(
            Table(
                title="Labels, the commonest first"
                + (f" ({LISTED} of {len(every)})" if len(every) > LISTED else ""),
                columns=("label", "pictures", "share", "alone", *_parts(subject)),
                rows=tuple(_row(subject, named, name, count[name]) for name in by_count[:LISTED]),
            ),
            _pairs(by_count, count, together),
        ),
    )


def _parts(subject: Subject) -> list[str]:
    return subject.parts if len(subject.parts) > 1 else []


def _row(subject: Subject, named, name: str, n: int) -> tuple:
    own = [p.split for p, names in zip(subject.pictures, named, strict=True) if name in names]
    alone = sum(names == {name} for names in named)
    return (name, n, n / len(named), alone, *(own.count(part) for part in _parts(subject)))


def _pairs(by_count: list[str], count: Counter, together: Counter) -> Table:
    shown = by_count[:_ACROSS]

    def both(a: str, b: str) -> int:
        return count[a] if a == b else together[a, b] + together[b, a]

    first = f" (the {_ACROSS} commonest)" if len(by_count) > _ACROSS else ""
    return Table(
        title="Pictures that have both labels" + first,
        columns=("", *shown),
        rows=tuple((a, *(both(a, b) for b in shown)) for a in shown),
    )


def _same(every: list[str], count: Counter, together: Counter) -> tuple[Finding, ...]:
    found = [(a, b) for (a, b), n in sorted(together.items()) if n == count[a] == count[b]]
    if not found:
        return ()
    shown = "; ".join(f"'{a}' and '{b}'" for a, b in found[:_NAMED])
    return (
        Finding(
            name="labels.same",
            level="amber",
            sentence=f"Labels that are never seen apart: {shown}. No model can tell which is "
            "which.",
            todo="join them, or add pictures that have only one of them",
            weight=0.8,
        ),
    )


def _rare(every: list[str], count: Counter) -> tuple[Finding, ...]:
    rare = [name for name in every if count[name] < _FEW]
    if not rare:
        return ()
    shown = ", ".join(f"'{name}' ({count[name]})" for name in rare[:_NAMED])
    return (
        Finding(
            name="labels.rare",
            level="amber",
            sentence=f"{counted(len(rare), 'label')} on fewer than {_FEW} pictures: {shown}"
            f"{', ...' if len(rare) > _NAMED else ''}. What is said of them will rest on two or "
            "three.",
            todo="add pictures that have them, or leave these labels out",
            weight=0.6,
        ),
    )


def _always(every: list[str], count: Counter, total: int) -> tuple[Finding, ...]:
    found = [name for name in every if count[name] > _ALWAYS * total]
    if not found:
        return ()
    shown = ", ".join(f"'{name}' ({count[name] / total:.1%})" for name in found[:_NAMED])
    return (
        Finding(
            name="labels.always",
            level="amber",
            sentence=f"On nearly every picture: {shown}. There is next to nothing to learn.",
            todo="leave these labels out, or add pictures without them",
            weight=0.6,
        ),
    )


def _counts(named: list[frozenset[str]], every: list[str], total: int) -> Finding:
    mean = sum(map(len, named)) / total
    without = sum(not names for names in named)
    return Finding(
        name="labels.counts",
        level="info" if without else "green",
        sentence=f"{counted(len(every), 'label')} on {counted(total, 'picture')}, {mean:.2f} a "
        f"picture; {without} without any, {sum(len(n) > 1 for n in named)} with several.",
    )
