"""Where the data mislead the model: telling properties and weak slices."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

import numpy as np

from tlpipe.audit.chapter import Chapter
from tlpipe.audit.evidence.properties import Separation, measure, separations
from tlpipe.audit.evidence.slices import (
    WeakSlice,
    categories,
    clusters,
    quarters,
    told,
    weak_slices,
)
from tlpipe.audit.finding import Finding, Gallery, Table
from tlpipe.audit.gathered import Gathered, thumbnail

_LISTED = 50
# Separations weaker than this are not worth a line.
_TELLING = 0.6
_Q = 0.05
# Weak slices of the user's own table that get a finding each.
_NAMED = 3


def properties(data: Gathered, correct: np.ndarray) -> tuple[Chapter, dict[str, np.ndarray]]:
    """What brightness, size and the like give away; the audited pictures' own beside it."""
    subject, limits = data.subject, data.subject.settings.data
    with subject.progress("measuring pictures") as advance:
        parts = []
        done = list(dict.fromkeys(data.part))
        for number, part in enumerate(done, 1):
            files = [data.files[i] for i in np.flatnonzero(data.part == part)]
            parts.append(measure(subject.pictures(part), files))
            advance(number, len(done))
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    audited = {name: value[data.audited] for name, value in values.items()}
    # Of two classes one is the other's mirror.
    asked = range(len(subject.names)) if len(subject.names) > 2 else (1,)
    by_class = separations(values, {subject.names[c]: data.labels == c for c in asked})
    by_error = separations(audited, {"wrong": ~correct})
    telling = [s for s in (*by_class, *by_error) if s.auc >= _TELLING and s.q <= _Q]
    rows = tuple(
        (
            s.property,
            "errors" if s in by_error else s.target,
            "higher" if s.higher else "lower",
            s.auc,
            s.q,
        )
        for s in telling
    )
    return Chapter(
        findings=(
            _class_finding(subject.names, by_class, limits.property_auc),
            *_error_finding(by_error, limits.property_error_auc),
        ),
        facts={
            "properties": {
                "classes": [asdict(s) for s in by_class],
                "errors": [asdict(s) for s in by_error],
            }
        },
        tables=(
            Table(
                title="What properties of the file give away",
                columns=("property", "tells", "is", "AUC", "q"),
                rows=rows[:_LISTED],
            ),
        )
        if rows
        else (),
    ), audited


def _class_finding(names: tuple[str, ...], found: list[Separation], limit: float) -> Finding:
    if not found:
        return Finding(
            name="data.properties",
            level="info",
            sentence="There are too few pictures to say whether a simple property gives the class "
            "away.",
            weight=0.2,
        )
    if found[0].auc < limit or found[0].q > _Q:
        best = f" (the best, {found[0].property}: AUC {found[0].auc:.2f})"
        return Finding(
            name="data.properties",
            level="green",
            sentence=f"No simple property of a picture gives its class away{best}.",
            weight=0.2,
        )
    best = found[0]
    rest = f"'{names[0]}'" if len(names) == 2 else "the other classes"
    return Finding(
        name="data.properties",
        level="amber",
        sentence=f"{best.property[:1].upper() + best.property[1:]} alone tells '{best.target}' "
        f"from {rest} with an AUC of {best.auc:.2f} ({'higher' if best.higher else 'lower'} in "
        f"'{best.target}'): the model may have learned that instead of the thing itself.",
        todo=f"check whether the classes were taken or saved in different ways, and gather "
        f"pictures that do not differ in {best.property}",
        weight=min(1.0, best.auc - 0.2),
    )


def _error_finding(found: list[Separation], limit: float) -> tuple[Finding, ...]:
    if not found or found[0].auc < limit or found[0].q > _Q:
        return ()
    best = found[0]
    how = "high" if best.higher else "low"
    return (
        Finding(
            name="data.error_property",
            level="amber",
            sentence=f"Pictures it gets wrong stand out by {how} {best.property} (AUC "
            f"{best.auc:.2f}).",
            todo=f"gather training pictures of {how} {best.property}",
            weight=min(1.0, best.auc - 0.2),
        ),
    )


def slices(
    data: Gathered, correct: np.ndarray, measured: dict[str, np.ndarray]
) -> tuple[Chapter, list[WeakSlice]]:
    """Kinds of pictures that the model is weak on."""
    subject, limits = data.subject, data.subject.settings.data
    files = [data.files[i] for i in np.flatnonzero(data.audited)]
    given, known = _given(data, limits.slice_pictures)
    searched = {
        **quarters(measured),
        **categories(files),
        **given,
        **clusters(data.features[data.audited], seed=subject.seed),
    }
    weak, tested = weak_slices(
        correct, searched, least=limits.slice_pictures, rate=limits.slice_rate
    )
    where = np.flatnonzero(data.audited)
    return Chapter(
        findings=_slice_findings(
            weak, set(given), tested, float(correct.mean()), limits.slice_pictures
        ),
        facts={
            "slices": {
                "tested": tested,
                **known,
                "weak": [
                    {key: value for key, value in asdict(s).items() if key != "rows"} for s in weak
                ],
            }
        },
        tables=(
            Table(
                title="Weak slices",
                columns=("slice", "pictures", "accuracy", "from", "to", "the rest", "q"),
                rows=tuple((s.name, s.n, s.accuracy, s.low, s.high, s.rest, s.q) for s in weak),
            ),
        )
        if weak
        else (),
        galleries=tuple(
            Gallery(
                title=f"Weak slice: {s.name}",
                note="Pictures of it that the model gets wrong.",
                pictures=tuple(
                    thumbnail(subject, [int(data.rows[where[i]])], data.files[where[i]].path)
                    for i in s.rows[~correct[s.rows]][: limits.shown // 2]
                ),
            )
            for s in weak[:3]
        ),
    ), weak


def _given(data: Gathered, least: int) -> tuple[dict[str, np.ndarray], dict[str, dict]]:
    """The slices of the user's table, and what is to be said of it; nothing when there is none."""
    columns = data.subject.columns
    if columns is None:
        return {}, {}
    rows = data.rows[data.audited]
    about = {
        "columns": list(columns.values),
        "pictures": int(columns.known[rows].sum()),
        "lines_about_no_picture": columns.unknown,
    }
    values = {name: column[rows] for name, column in columns.values.items()}
    return told(values, least=least), {"table": about}


def _slice_findings(
    weak: list[WeakSlice], given: Collection[str], tested: int, accuracy: float, least: int
) -> tuple[Finding, ...]:
    """The worst slice, and the worst of those that the user's own table gives by name."""
    if not tested:
        return (
            Finding(
                name="data.slices",
                level="info",
                sentence=f"Too few pictures to search for weak slices: none has {least}.",
                weight=0.1,
            ),
        )
    if not weak:
        return (
            Finding(
                name="data.slices",
                level="green",
                sentence=f"None of {tested} slices of the data is clearly worse than the rest.",
                weight=0.2,
            ),
        )
    more = f" {len(weak) - 1} more of {tested} slices are weak." if len(weak) > 1 else ""
    named = [s for s in weak if s.name in given][:_NAMED]
    rest = [s for s in named if s is not weak[0]]
    return (
        _slice_finding("data.slices", weak[0], weak[0].name in given, accuracy, more),
        *(_slice_finding(f"data.slices.{s.name}", s, True, accuracy, "") for s in rest),
    )


def _slice_finding(name: str, s: WeakSlice, given: bool, accuracy: float, more: str) -> Finding:
    if given:
        sentence = (
            f"Pictures with {s.name}: {s.accuracy:.0%} right ({s.low:.0%} to {s.high:.0%}, "
            f"{s.n} pictures) against {s.rest:.0%} of the rest."
        )
    else:
        sentence = (
            f"On the slice “{s.name}” ({s.n} pictures) it is right {s.accuracy:.0%} of the time "
            f"({s.low:.0%} to {s.high:.0%}), on the rest {s.rest:.0%}."
        )
    return Finding(
        name=name,
        level="amber",
        sentence=sentence + more,
        todo="gather more training pictures of this kind",
        weight=min(1.0, 0.4 + accuracy - s.accuracy),
    )
