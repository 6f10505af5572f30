"""Properties of a picture that alone predict its label: what a model could learn instead."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from scipy.stats import false_discovery_control, spearmanr

from tlpipe.audit.evidence.properties import Separation, separations
from tlpipe.audit.finding import Figure, Finding, Section, Table
from tlpipe.check.plots import by_class, scatter
from tlpipe.check.subject import LISTED, Subject
from tlpipe.config.audit import Audit
from tlpipe.targets.text import names_in, number_in

_MEASURED = (
    "size",
    "aspect",
    "bytes a pixel",
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    "gray",
)
# Below this a separation is not worth a line.
_TELLING = 0.6
# A rank correlation that explains a quarter of the numbers' order.
_CORRELATED = 0.5
_Q = 0.05
# Pictures below which a correlation says nothing.
_FEW = 20


def examine(subject: Subject) -> Section:
    """Each property against each class or label, or against the number."""
    values = _properties(subject)
    definition = (
        "Size, aspect (width over height), bytes a pixel, brightness, contrast, saturation, "
        "sharpness, lack of colour, and the file's format. A network sees most of these without "
        "looking at what a picture shows. "
    )
    if subject.target == "number":
        return _against_number(subject, values, definition)
    limit = Audit().data.property_auc
    found = separations(values, _targets(subject))
    telling = [s for s in found if s.auc >= _TELLING and s.q <= _Q]
    strong = [s for s in telling if s.auc >= limit]
    return Section(
        name="properties",
        title="What gives the label away",
        findings=(_finding(subject, found, strong),),
        definition=definition + "AUC: the chance that a picture of the class has the higher (or "
        f"lower) value than one of another; 0.5 is none. Amber from {limit:g} on, when the "
        f"Mann-Whitney test, corrected for all that were made, gives q of at most {_Q:g}. It is a "
        "hint, and no proof: the property may belong to the thing itself. Classes with fewer than "
        "10 pictures are left out.",
        reference="Benjamini and Hochberg 1995 (q)",
        facts={"separations": [asdict(s) for s in found]},
        tables=_table(telling),
        figures=_figures(subject, values, strong),
    )


def _properties(subject: Subject) -> dict[str, np.ndarray]:
    looks = subject.looks
    formats = {
        f"format {name}": (looks["format"] == name).astype(np.float64)
        for name in sorted(set(looks["format"]))
    }
    return {name: looks[name] for name in _MEASURED if name in looks} | formats


def _targets(subject: Subject) -> dict[str, np.ndarray]:
    if subject.target == "labels":
        named = [set(names_in(picture.label)) for picture in subject.pictures]
        every = sorted(set().union(*named))
        return {name: np.array([name in names for names in named]) for name in every}
    label = np.array([picture.label for picture in subject.pictures])
    names = subject.listing.class_names
    # Of two classes one is the other's mirror.
    return {name: label == name for name in (names if len(names) > 2 else names[1:])}


def _finding(subject: Subject, found: list[Separation], strong: list[Separation]) -> Finding:
    if not found:
        return _too_few("label")
    if not strong:
        best = f" (the best, {found[0].property}: AUC {found[0].auc:.2f})"
        return Finding(
            name="properties.none",
            level="green",
            sentence=f"No simple property of a picture gives its label away{best}.",
        )
    best, names = strong[0], subject.listing.class_names
    two = subject.target == "class" and len(names) == 2
    rest = f"'{names[0]}'" if two else "the others"
    pairs = len({(s.property, s.target) for s in strong}) - 1
    more = f" {pairs} more in the table below." if pairs else ""
    return Finding(
        name="properties.telling",
        level="amber",
        sentence=f"{_said(best)} alone tells '{best.target}' from {rest} with an AUC of "
        f"{best.auc:.2f} ({'higher' if best.higher else 'lower'} in '{best.target}'): a model "
        f"could learn that instead of the thing itself.{more}",
        todo="find out whether the classes were taken or saved in different ways, and gather "
        f"pictures that do not differ in {best.property}",
        weight=min(1.0, best.auc - 0.2),
    )


def _too_few(label: str) -> Finding:
    return Finding(
        name="properties.few",
        level="info",
        sentence=f"There are too few pictures to say whether a simple property gives the {label} "
        "away.",
    )


def _said(found: Separation) -> str:
    return found.property[:1].upper() + found.property[1:]


def _table(telling: list[Separation]) -> tuple[Table, ...]:
    if not telling:
        return ()
    return (
        Table(
            title="What tells labels apart",
            columns=("property", "tells", "is", "AUC", "q"),
            rows=tuple(
                (s.property, s.target, "higher" if s.higher else "lower", s.auc, s.q)
                for s in telling[:LISTED]
            ),
        ),
    )


def _figures(subject, values, strong: list[Separation]) -> tuple[Figure, ...]:
    if not strong or subject.target != "class":
        return ()
    name = strong[0].property
    return (
        Figure(
            title=f"{_said(strong[0])} of each class",
            alt=f"The spread of {name} in each class, as boxes from the lower to the upper "
            "quarter; the table has the figures.",
            svg=by_class(
                values[name],
                [picture.label for picture in subject.pictures],
                subject.listing.class_names,
                name,
            ),
        ),
    )


def _against_number(subject: Subject, values, definition: str) -> Section:
    y = np.array([number_in(picture.label) for picture in subject.pictures])
    known = np.isfinite(y)
    found = []
    if known.sum() >= _FEW and np.ptp(y[known]):
        for name, x in values.items():
            if np.ptp(x[known]):
                test = spearmanr(x[known], y[known])
                found.append((name, float(test.statistic), float(test.pvalue)))
    corrected = false_discovery_control([p for *_, p in found]).tolist() if found else []
    rows = sorted(
        ((name, rho, q) for (name, rho, _), q in zip(found, corrected, strict=True)),
        key=lambda row: (-abs(row[1]), row[0]),
    )
    strong = [row for row in rows if abs(row[1]) >= _CORRELATED and row[2] <= _Q]
    return Section(
        name="properties",
        title="What gives the label away",
        findings=(_number_finding(rows, strong),),
        definition=definition + "Spearman's rank correlation with the number, -1 to 1. Amber from "
        f"{_CORRELATED:g} on, in either direction, when q, corrected for all that were made, is at "
        f"most {_Q:g}. It is a hint, and no proof: the property may belong to the thing itself.",
        reference="Spearman 1904; Benjamini and Hochberg 1995 (q)",
        facts={"correlations": [{"property": n, "rho": r, "q": q} for n, r, q in rows]},
        tables=(
            Table(
                title="Rank correlation with the number",
                columns=("property", "correlation", "q"),
                rows=tuple(rows),
            ),
        )
        if rows
        else (),
        figures=(
            Figure(
                title=f"{strong[0][0][:1].upper() + strong[0][0][1:]} and the number",
                alt=f"Every picture by {strong[0][0]} and number.",
                svg=scatter(values[strong[0][0]][known], y[known], strong[0][0]),
            ),
        )
        if strong
        else (),
    )


def _number_finding(rows: list[tuple], strong: list[tuple]) -> Finding:
    if not rows:
        return _too_few("number")
    if not strong:
        best = f" (the best, {rows[0][0]}: correlation {rows[0][1]:.2f})"
        return Finding(
            name="properties.none",
            level="green",
            sentence=f"No simple property of a picture gives its number away{best}.",
        )
    name, rho, _ = strong[0]
    more = f" {len(strong) - 1} more in the table below." if len(strong) > 1 else ""
    return Finding(
        name="properties.telling",
        level="amber",
        sentence=f"{name[:1].upper() + name[1:]} alone goes with the number (rank correlation "
        f"{rho:.2f}): a model could learn that instead of the thing itself.{more}",
        todo="find out whether pictures were taken or saved in different ways, and gather some "
        f"that do not differ in {name}",
        weight=min(1.0, abs(rho)),
    )
