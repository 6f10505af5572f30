"""A number a picture: how it is distributed, and what stands out."""

from __future__ import annotations

from collections import Counter

import numpy as np

from tlpipe.audit.finding import Figure, Finding, Gallery, Section, Table
from tlpipe.check.plots import histogram
from tlpipe.check.robust import OUTLIER, robust_z
from tlpipe.check.subject import LISTED, Subject
from tlpipe.targets.text import number_in
from tlpipe.words import counted

_QUANTILES = (0, 5, 25, 50, 75, 95, 100)
# Different values up to which they might as well be classes.
_CLASSES = 10
# Share of outliers above which the numbers are skewed rather than wrong.
_SKEWED = 0.05
_NAMED = 3


def examine(subject: Subject) -> Section:
    """Labels that are no numbers, the quantiles, a histogram, and outliers."""
    values = np.array([number_in(picture.label) for picture in subject.pictures])
    known = np.isfinite(values)
    bad = [subject.pictures[i] for i in np.flatnonzero(~known)]
    x = values[known]
    z = np.zeros(len(values))
    z[known] = robust_z(x)
    by_z = np.argsort(-np.abs(z), kind="stable")
    strange = [int(i) for i in by_z if abs(z[i]) > OUTLIER]
    findings = (*_no_numbers(bad, len(values)), *_spread(x), *_outliers(subject, strange, x))
    if not len(x):
        return Section(name="number", title="The number", findings=findings)
    quantiles = [float(q) for q in np.percentile(x, _QUANTILES)]
    return Section(
        name="number",
        title="The number",
        findings=findings,
        definition=f"An outlier lies more than {OUTLIER:g} robust standard deviations from the "
        "median: 1.4826 times the median distance to it, or, where most numbers are equal, 1.2533 "
        f"times the mean distance. More than {_SKEWED:.0%} of them are taken for a skewed "
        "distribution.",
        reference="Iglewicz and Hoaglin 1993 (robust z)",
        facts={
            "numbers": len(x),
            "different": len(set(x.tolist())),
            "mean": float(x.mean()),
            "deviation": float(x.std()),
            "quantiles": {str(q): v for q, v in zip(_QUANTILES, quantiles, strict=True)},
            "no_numbers": [{"path": p.path, "label": p.label} for p in bad],
            "outliers": [
                {"path": subject.pictures[i].path, "number": float(values[i]), "z": float(z[i])}
                for i in strange
            ],
        },
        tables=(
            Table(
                title="Quantiles",
                columns=("least", "5 %", "25 %", "median", "75 %", "95 %", "most"),
                rows=(tuple(quantiles),),
            ),
            *_by_part(subject, values, known),
            *_table(subject, strange, values, z),
        ),
        figures=(
            Figure(
                title="How the numbers are distributed",
                alt=f"Histogram of {len(x)} numbers from {quantiles[0]:g} to {quantiles[-1]:g}, "
                f"median {quantiles[3]:g}.",
                svg=histogram(x, np.abs(z[known]) > OUTLIER),
            ),
        ),
        galleries=_gallery(subject, strange),
    )


def _no_numbers(bad, total: int) -> tuple[Finding, ...]:
    if not bad:
        return ()
    shown = ", ".join(f"'{p.label}' ({p.path})" for p in bad[:_NAMED])
    return (
        Finding(
            name="number.none",
            level="red",
            sentence=f"{len(bad)} of {counted(total, 'label')} "
            f"{'is no number' if len(bad) == 1 else 'are no numbers'}: {shown}"
            f"{', ...' if len(bad) > _NAMED else ''}.",
            todo="mend them (a point, as in 0.25), or name the column of numbers with `--label`",
            weight=1.0,
        ),
    )


def _spread(x: np.ndarray) -> tuple[Finding, ...]:
    if not len(x):
        return ()
    if not np.ptp(x):
        return (
            Finding(
                name="number.constant",
                level="red",
                sentence=f"All {len(x)} numbers are {x[0]:g}: there is nothing to predict.",
                todo="name the column that holds the numbers with `--label`",
                weight=1.0,
            ),
        )
    counts = Counter(x.tolist())
    common, often = min(counts.items(), key=lambda item: (-item[1], item[0]))
    told = (
        f"From {x.min():g} to {x.max():g}, median {np.median(x):g}, mean {x.mean():.4g}, standard "
        f"deviation {x.std():.4g}; the commonest, {common:g}, has {often / len(x):.1%} of the "
        "pictures."
    )
    few = len(counts) <= _CLASSES and len(x) > 2 * _CLASSES
    more = f" There are only {len(counts)} different values." if few else ""
    return (
        Finding(
            name="number.spread",
            level="info" if few else "green",
            sentence=told + more,
            todo="consider classes instead: `--target class`" if few else "",
        ),
    )


def _outliers(subject: Subject, strange: list[int], x: np.ndarray) -> tuple[Finding, ...]:
    if not strange:
        return ()
    share = len(strange) / len(x)
    shown = ", ".join(
        f"{subject.pictures[i].path} ({number_in(subject.pictures[i].label):g})"
        for i in strange[:_NAMED]
    )
    skewed = share > _SKEWED
    verb = "lies" if len(strange) == 1 else "lie"
    return (
        Finding(
            name="number.outliers",
            level="info" if skewed else "amber",
            sentence=f"{len(strange)} of {counted(len(x), 'number')} ({share:.1%}) {verb} far from "
            f"the others: {shown}{', ...' if len(strange) > _NAMED else ''}."
            + (" So many speak for a skewed distribution, not for mistakes." if skewed else ""),
            todo="" if skewed else "see whether a unit, a point or a digit is wrong",
            weight=0.7,
        ),
    )


def _by_part(subject: Subject, values: np.ndarray, known: np.ndarray) -> tuple[Table, ...]:
    rows = []
    for part in subject.parts:
        x = values[known & np.array([p.split == part for p in subject.pictures])]
        if len(x):
            rows.append((part, len(x), *(float(v) for v in (x.mean(), x.min(), x.max()))))
    if not rows:
        return ()
    columns = ("given part", "pictures", "mean", "least", "most")
    return (Table(title="By given part", columns=columns, rows=tuple(rows)),)


def _table(subject: Subject, strange: list[int], values, z) -> tuple[Table, ...]:
    if not strange:
        return ()
    first = f" (the first {LISTED} of {len(strange)})" if len(strange) > LISTED else ""
    rows = ((subject.pictures[i].path, float(values[i]), float(z[i])) for i in strange[:LISTED])
    columns = ("picture", "number", "robust z")
    return (Table(title="Outliers" + first, columns=columns, rows=tuple(rows)),)


def _gallery(subject: Subject, strange: list[int]) -> tuple[Gallery, ...]:
    return subject.gallery(
        "Outliers, the furthest first",
        [subject.pictures[i] for i in strange],
        lambda picture: f"{picture.path}: {picture.label}",
    )
