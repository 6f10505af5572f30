"""Section 4: where it looks."""

from __future__ import annotations

import numpy as np

from tlpipe.audit.finding import Finding, Gallery, Section, Table, Thumbnail
from tlpipe.audit.subject import Subject
from tlpipe.audit.thumbnails import webp
from tlpipe.audit.trust import believed
from tlpipe.explain.methods import METHODS, attributions
from tlpipe.explain.overlay import overlay, scaled
from tlpipe.metrics.scores import predicted

_KINDS = ("right", "wrong", "least sure")


def examine(subject: Subject) -> Section:
    """Galleries of right, wrong and least sure cases, mean maps, and the border's share."""
    part = subject.part
    pictures, labels, p = subject.pictures(part), subject.labels(part), subject.probabilities(part)
    answers = predicted(p)
    with subject.progress("attributions") as advance:
        found = attributions(
            subject.explained, pictures, answers, subject.methods, progress=advance
        )
    trusted = believed(subject)
    shares = {
        name: border_share(maps, subject.settings.looks.border) for name, maps in found.items()
    }
    classes = worst_classes(labels, answers, len(subject.names), subject.settings.looks.classes)
    chosen = {
        (c, kind): _choose(kind, labels, answers, p, c, subject.settings.looks.examples)
        for c in classes
        for kind in _KINDS
    }
    return Section(
        name="looks",
        title="Where it looks",
        findings=tuple(
            _finding(subject, name, share, trusted[name]) for name, share in shares.items()
        ),
        definition=(
            "Attributions of the predicted class's score before softmax, brighter where it "
            "matters more. The border is the outer "
            f"{subject.settings.looks.border:.0%} of the side all round, "
            f"{border_area(subject.settings.looks.border):.0%} of the picture."
        ),
        reference="; ".join(
            f"{METHODS[name].title}: {METHODS[name].paper}" for name in subject.methods
        ),
        facts={
            "border_share": {name: float(share.mean()) for name, share in shares.items()},
            "border_area": border_area(subject.settings.looks.border),
            "believed": trusted,
            "shown": {
                f"{subject.names[c]}: {kind}": [subject.paths(part)[i] for i in rows]
                for (c, kind), rows in chosen.items()
            },
        },
        tables=(
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
            _mean_maps(subject, classes, found, answers),
            *(
                _gallery(subject, c, kind, rows, pictures, found, labels, answers, p, trusted)
                for (c, kind), rows in chosen.items()
                if len(rows)
            ),
        ),
    )


def border_area(width: float) -> float:
    """Share of a square that its border of ``width`` (a share of the side) covers."""
    return 1 - (1 - 2 * width) ** 2


def border_share(maps: np.ndarray, width: float) -> np.ndarray:
    """Share of each map, float (n, s, s), that lies in the border, float (n,); 0 for a dark map."""
    edge = [max(1, round(width * side)) for side in maps.shape[1:]]
    inside = maps[:, edge[0] : -edge[0], edge[1] : -edge[1]].sum((1, 2), dtype="float64")
    whole = maps.sum((1, 2), dtype="float64")
    return 1 - np.divide(inside, whole, out=np.ones_like(whole), where=whole > 0)


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


def _gallery(subject, c, kind, rows, pictures, found, labels, answers, p, trusted) -> Gallery:
    shown = []
    paths = subject.paths(subject.part)
    for row in rows:
        picture, answer = np.asarray(pictures[row]), subject.names[answers[row]]
        what = f"{answer} {p[row].max():.0%}"
        if answers[row] != labels[row]:
            what += f", truly {subject.names[labels[row]]}"
        shown.append(Thumbnail(caption=f"{paths[row]}: {what}", alt=what, webp=webp(picture)))
        for name, maps in found.items():
            title = METHODS[name].title + ("" if trusted[name] else " (failed its tests)")
            shown.append(
                Thumbnail(
                    caption=title,
                    alt=f"{title} of {paths[row]}",
                    webp=webp(overlay(picture, maps[row])),
                )
            )
    return Gallery(title=f"'{subject.names[c]}': {kind}", pictures=tuple(shown))


def _mean_maps(
    subject: Subject, classes: list[int], found: dict[str, np.ndarray], answers: np.ndarray
) -> Gallery:
    shown = []
    for c in classes:
        name = subject.names[c]
        if not (answers == c).any():
            continue
        for method, maps in found.items():
            mean = scaled(maps[answers == c]).mean(0)
            blank = np.zeros((*mean.shape, 3), "uint8")
            title = f"{METHODS[method].title}, mean over '{name}'"
            shown.append(Thumbnail(caption=title, alt=title, webp=webp(overlay(blank, mean))))
    return Gallery(
        title="Mean attribution",
        note="Over all pictures it calls by this name: a bright corner or frame is suspicious.",
        pictures=tuple(shown),
    )
