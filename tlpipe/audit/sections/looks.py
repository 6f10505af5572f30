"""Section 4: where it looks."""

from __future__ import annotations

import numpy as np

from tlpipe.audit import looks_inside
from tlpipe.audit.attributed import border_area, reduced
from tlpipe.audit.chapter import Chapter
from tlpipe.audit.finding import Finding, Gallery, Section, Table, Thumbnail
from tlpipe.audit.subject import Subject
from tlpipe.audit.thumbnails import webp
from tlpipe.audit.trust import believed
from tlpipe.explain.methods import METHODS, attributions
from tlpipe.explain.overlay import overlay
from tlpipe.metrics.scores import predicted

_KINDS = ("right", "wrong", "least sure")


def examine(subject: Subject) -> Section:
    """Galleries of right, wrong and least sure cases, mean maps, shares of border and object."""
    part, limits = subject.part, subject.settings.looks
    pictures, labels, p = subject.pictures(part), subject.labels(part), subject.probabilities(part)
    answers = predicted(p)
    classes = worst_classes(labels, answers, len(subject.names), limits.classes)
    chosen = {
        (c, kind): _choose(kind, labels, answers, p, c, limits.examples)
        for c in classes
        for kind in _KINDS
    }

    def maps_of(start: int, stop: int) -> dict[str, np.ndarray]:
        rows = slice(start, stop)
        return attributions(subject.explained, pictures[rows], answers[rows], subject.methods)

    with subject.progress("attributions") as advance:
        found = reduced(
            maps_of,
            answers,
            classes=classes,
            kept={int(row) for rows in chosen.values() for row in rows},
            border=limits.border,
            objects=subject.objects,
            tolerance=limits.tolerance,
            advance=advance,
        )
    trusted, shares = believed(subject), found.border
    objects = Chapter(findings=())
    if found.inside is not None:
        objects = looks_inside.examine(limits, subject.objects, found.inside, trusted, subject.seed)
    return Section(
        name="looks",
        title="Where it looks",
        findings=(
            *objects.findings,
            *(_finding(subject, name, share, trusted[name]) for name, share in shares.items()),
        ),
        definition=(
            "Attributions of the predicted class's score before softmax, brighter where it "
            f"matters more. The border is the outer {limits.border:.0%} of the side all round, "
            f"{border_area(limits.border):.0%} of the picture."
            + (" " + looks_inside.definition(limits) if subject.objects is not None else "")
        ),
        reference="; ".join(
            [
                *(f"{METHODS[name].title}: {METHODS[name].paper}" for name in subject.methods),
                *([looks_inside.REFERENCE] if subject.objects is not None else []),
            ]
        ),
        facts={
            "border_share": {name: float(share.mean()) for name, share in shares.items()},
            "border_area": border_area(limits.border),
            "believed": trusted,
            "shown": {
                f"{subject.names[c]}: {kind}": [subject.paths(part)[i] for i in rows]
                for (c, kind), rows in chosen.items()
            },
            **objects.facts,
        },
        tables=(
            *objects.tables,
            Table(
                title="Share of the attribution in the border",
                columns=("method", *subject.names),
                rows=tuple(
                    (
                        METHODS[name].title,
                        *(
                            float(share[answers == c].mean()) if (answers == c).any() else None
                            for c in range(len(subject.names))
                        ),
                    )
                    for name, share in shares.items()
                ),
            ),
        ),
        galleries=(
            _mean_maps(subject, classes, found.means),
            *(
                _gallery(subject, c, kind, rows, pictures, found.maps, labels, answers, p, trusted)
                for (c, kind), rows in chosen.items()
                if len(rows)
            ),
        ),
    )


def _finding(subject: Subject, name: str, share: np.ndarray, trusted: bool) -> Finding:
    limits, mean = subject.settings.looks, float(share.mean())
    title = METHODS[name].title
    where = (
        f"{mean:.0%} of the {title} attribution lies in the border, which is "
        f"{border_area(limits.border):.0%} of the picture."
    )
    if not trusted:
        return Finding(
            name=f"looks.{name}",
            level="info",
            sentence=f"{where} It failed its tests, so this means little.",
            weight=0.1,
        )
    outside = mean > limits.border_amber
    return Finding(
        name=f"looks.border.{name}",
        level="amber" if outside else "green",
        sentence=where,
        todo="look at the galleries: a frame, a caption or the background may give the class away"
        if outside
        else "",
        weight=0.5,
    )


def worst_classes(labels: np.ndarray, answers: np.ndarray, k: int, most: int) -> list[int]:
    """The classes found least often, in their own order: a page has no room for hundreds.

    Args:
        labels, answers: int (n,), 0..k-1.
        k: classes in all; one without pictures comes last.
        most: how many are wanted.
    """
    recall = [
        float((answers[labels == c] == c).mean()) if (labels == c).any() else 2.0 for c in range(k)
    ]
    return sorted(np.argsort(recall, kind="stable")[:most].tolist())


def _choose(kind, labels, answers, p, c, examples) -> np.ndarray:
    mine = labels == c
    top = p.max(axis=1)
    if kind == "least sure":
        ranked = np.sort(p, axis=1)
        score, wanted = ranked[:, -2] - ranked[:, -1], mine
    else:
        score, wanted = top, mine & ((answers == labels) == (kind == "right"))
    rows = np.flatnonzero(wanted)
    return rows[np.argsort(-score[rows], kind="stable")][:examples]


def _gallery(subject, c, kind, rows, pictures, maps, labels, answers, p, trusted) -> Gallery:
    shown = []
    paths = subject.paths(subject.part)
    for row in rows:
        picture, answer = np.asarray(pictures[row]), subject.names[answers[row]]
        what = f"{answer} {p[row].max():.0%}"
        if answers[row] != labels[row]:
            what += f", truly {subject.names[labels[row]]}"
        shown.append(Thumbnail(caption=f"{paths[row]}: {what}", alt=what, webp=webp(picture)))
        for name in subject.methods:
            title = METHODS[name].title + ("" if trusted[name] else " (failed its tests)")
            shown.append(
                Thumbnail(
                    caption=title,
                    alt=f"{title} of {paths[row]}",
                    webp=webp(overlay(picture, maps[name, row])),
                )
            )
    return Gallery(title=f"'{subject.names[c]}': {kind}", pictures=tuple(shown))


def _mean_maps(
    subject: Subject, classes: list[int], means: dict[tuple[str, int], np.ndarray]
) -> Gallery:
    shown = []
    for c in classes:
        for method in subject.methods:
            if (method, c) not in means:
                continue
            mean = means[method, c]
            blank = np.zeros((*mean.shape, 3), "uint8")
            title = f"{METHODS[method].title}, mean over '{subject.names[c]}'"
            shown.append(Thumbnail(caption=title, alt=title, webp=webp(overlay(blank, mean))))
    return Gallery(
        title="Mean attribution",
        note="Over all pictures it calls by this name: a bright corner or frame is suspicious.",
        pictures=tuple(shown),
    )
