"""Clues to a shortcut: found in the training pictures, tried on the model with held-out ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tlpipe.audit.clue_shown import described, outlined, strong, where
from tlpipe.audit.evidence import counterfactual, patches
from tlpipe.audit.evidence.artefacts import Artefact, Frame, Overlay, Shift, drawings, see
from tlpipe.audit.evidence.confirmation import Bar
from tlpipe.audit.evidence.counterfactual import Effect
from tlpipe.audit.evidence.patches import Patch
from tlpipe.audit.evidence.statistics import auc, measure, worst_auc
from tlpipe.audit.subject import Subject
from tlpipe.config.audit import Shortcuts

Change = Callable[[np.ndarray], np.ndarray]

# Held-out pictures of a class, and of the others, in which an artefact is counted, at most.
_MATCHED = 200
_SHIFTS = ("brighter", "darker")


@dataclass(frozen=True)
class Pictures:
    """Some pictures with their classes; of held-out ones also what the model says of them.

    ``audited``, bool (n,), says which are of the part that is audited.
    """

    pictures: np.ndarray
    labels: np.ndarray
    logits: np.ndarray | None = None
    audited: np.ndarray | None = None


@dataclass(frozen=True)
class Clue:
    """Something that gives a class away, and what the model makes of it.

    Attributes:
        kind: ``mark``, ``frame``, ``overlay``, ``brighter`` or ``darker``.
        label: the class.
        what: in words, what it is and where.
        recurrence, elsewhere: share of the held-out pictures of the class, and of the others,
            that show it; of an overlay or brightness, that lie above what 95 % of the others stay
            below.
        removal: of taking it out of held-out pictures of the class.
        pasting: of putting it into held-out pictures of other classes.
        confirmed: whether the model uses it.
        shown: captions and uint8 pictures.
        separation: of a mark: correlation in the class above that elsewhere; of others the lowest
            area under the ROC curve against one other class, on held-out pictures.
        place: of a mark: mean and standard deviation of its centre, shares of the side.
        seen_in: of what is confirmed, the pictures of the audited part that show it: positions in
            it, ascending.
    """

    kind: str
    label: int
    what: str
    recurrence: float
    elsewhere: float
    removal: Effect
    pasting: Effect
    confirmed: bool
    shown: tuple[tuple[str, np.ndarray], ...]
    separation: float
    place: dict[str, tuple[float, float]] | None = None
    seen_in: tuple[int, ...] = ()


@dataclass(frozen=True)
class Telling:
    """A property of the whole picture that tells a class from the rest.

    Attributes:
        label: the class.
        property: its name.
        training, held_out: areas under the ROC curve; below 0.5 where the class has less of it.
    """

    label: int
    property: str
    training: float
    held_out: float


def search(subject: Subject) -> tuple[list[Clue], list[Telling], Bar]:
    """Everything found, the confirmed and strongest first, and what confirmed it."""
    limits = subject.settings.shortcuts
    train, held = training(subject), held_out(subject)
    bar = Bar.of(held.logits, limits)
    clues = [*_marks(subject, limits, bar, held), *_wholes(subject, limits, bar, train, held)]
    clues.sort(key=lambda clue: (not clue.confirmed, -strength(clue), clue.label))
    if len(subject.names) == 2:
        # Of two classes the one is brighter because the other is darker: said once.
        shifts = [clue for clue in clues if clue.kind in _SHIFTS]
        clues = [clue for clue in clues if clue.kind not in _SHIFTS or clue is shifts[0]]
    return clues, _telling(limits, train, held, len(subject.names)), bar


def strength(clue: Clue) -> float:
    """The larger of what taking it out and putting it in does to the margin, logits."""
    return max(clue.removal.drop, -clue.pasting.drop)


def training(subject: Subject) -> Pictures:
    """As many of each class, so that the mean of a class is as exact as that of another."""
    labels = subject.labels("train")
    # Two at least, for what is estimated by halves.
    each = max(subject.settings.shortcuts.training // len(subject.names), 2)
    random = np.random.default_rng([subject.seed, 6])
    order = random.permutation(len(labels))
    rows = np.sort(
        np.concatenate([order[labels[order] == c][:each] for c in range(len(subject.names))])
    )
    return Pictures(subject.pictures("train")[rows], labels[rows])


def held_out(subject: Subject) -> Pictures:
    """The validation part and the audited part."""
    parts = sorted({"val", subject.part})
    return Pictures(
        np.concatenate([subject.pictures(part) for part in parts]),
        np.concatenate([subject.labels(part) for part in parts]),
        np.concatenate([subject.logits(part) for part in parts]),
        np.concatenate([np.full(len(subject.labels(p)), p == subject.part) for p in parts]),
    )


def _marks(subject: Subject, limits: Shortcuts, bar: Bar, held: Pictures) -> list[Clue]:
    with subject.progress("looking for recurrent marks") as advance:
        found = patches.mine(
            subject.pictures("train"),
            subject.labels("train"),
            len(subject.names),
            seed=subject.seed,
            recurrence=limits.recurrence,
            elsewhere=limits.elsewhere,
            separation=limits.separation,
            advance=advance,
        )
    clues = []
    with subject.progress("taking marks out and putting them in") as advance:
        for done, patch in enumerate(found, 1):
            clues.append(_mark(subject, limits, bar, held, patch))
            advance(done, len(found))
    return clues


def _mark(subject: Subject, limits: Shortcuts, bar: Bar, held: Pictures, patch: Patch) -> Clue:
    random = np.random.default_rng([subject.seed, patch.label, 7])
    own, others = _sides(held.labels, patch.label, random)
    scores, boxes = patches.match(patch, held.pictures[own])
    far, _ = patches.match(patch, held.pictures[others])
    shown = scores >= patch.threshold
    rows, boxes = own[shown][: limits.pictures], boxes[shown][: limits.pictures]
    targets = others[: limits.pictures]
    removal, pasting = counterfactual.NONE, counterfactual.NONE
    if len(rows):
        removal = counterfactual.removal(
            subject.logits_of,
            held.pictures[rows],
            held.logits[rows],
            boxes,
            patch.label,
            subject.seed,
        )
        pasting = counterfactual.pasting(
            subject.logits_of,
            held.pictures[targets],
            held.logits[targets],
            patch.picture,
            boxes[np.arange(len(targets)) % len(boxes), :2],
            held.pictures[others],
            patch.label,
            subject.seed,
        )
    examples: list[tuple[str, np.ndarray]] = [("the mark", patch.picture)]
    for row, box in list(zip(rows, boxes, strict=True))[:2]:
        examples.append(("where it is", outlined(held.pictures[row], box)))
        examples.append(("painted out", counterfactual.inpainted(held.pictures[row], box)))
    confirmed = bar.either(removal, pasting)
    seen_in: tuple[int, ...] = ()
    if confirmed:
        audited, _ = patches.match(patch, subject.pictures(subject.part))
        seen_in = _places(audited >= patch.threshold)
    return Clue(
        kind="mark",
        label=patch.label,
        what=f"a small mark {where(patch)}",
        recurrence=float(shown.mean()) if len(own) else 0.0,
        elsewhere=float((far >= patch.threshold).mean()) if len(others) else 0.0,
        removal=removal,
        pasting=pasting,
        confirmed=confirmed,
        shown=tuple(examples),
        separation=patch.separation,
        place={"mean": patch.place, "spread": patch.spread},
        seen_in=seen_in,
    )


def _wholes(
    subject: Subject, limits: Shortcuts, bar: Bar, train: Pictures, held: Pictures
) -> list[Clue]:
    seen, unseen = see(train.pictures), see(held.pictures)
    drawn = drawings(train.pictures, train.labels)
    share = {"recurrence": limits.recurrence, "elsewhere": limits.elsewhere}
    clues = []
    with subject.progress("looking at whole pictures") as advance:
        for label in drawn:
            found = {
                "brighter": Shift.find(seen, train.labels, label, brighter=True),
                "darker": Shift.find(seen, train.labels, label, brighter=False),
                "frame": Frame.find(seen, train.pictures, train.labels, label, **share),
                "overlay": Overlay.find(seen, drawn, train.labels, label),
            }
            for kind, artefact in found.items():
                if artefact is None:
                    continue
                scores = artefact.scores(unseen)
                if worst_auc(scores, held.labels, label) >= limits.whole_auc:
                    clue = _whole(subject, limits, bar, held, label, kind, artefact, scores)
                    clues.append(clue)
            advance(label + 1, len(subject.names))
    return clues


def _whole(
    subject: Subject,
    limits: Shortcuts,
    bar: Bar,
    held: Pictures,
    label: int,
    kind: str,
    artefact: Artefact,
    scores: np.ndarray,
) -> Clue:
    random = np.random.default_rng([subject.seed, label, 8])
    own, others = _sides(held.labels, label, random)
    # What nearly all other pictures stay below; tried on all that look more like it than most.
    threshold = np.quantile(scores[others], 0.95)
    rows = own[scores[own] > np.median(scores[others])][: limits.pictures]
    targets = others[: limits.pictures]

    def compared(rows: np.ndarray, change: Change, control: Change) -> Effect:
        return counterfactual.effect(
            subject.logits_of,
            held.logits[rows],
            [change(held.pictures[row]) for row in rows],
            [control(held.pictures[row]) for row in rows],
            label,
        )

    removal = compared(rows, artefact.removed, artefact.unremoved)
    pasting = compared(targets, artefact.added, artefact.unadded)
    examples: list[tuple[str, np.ndarray]] = []
    if isinstance(artefact, Overlay):
        examples.append(("the drawing, made strong", strong(artefact.drawing)))
    for row in rows[:2]:
        examples.append(("as it is", held.pictures[row]))
        examples.append(("undone", artefact.removed(held.pictures[row])))
    confirmed = bar.both(removal, pasting)
    return Clue(
        kind=kind,
        label=label,
        what=described(artefact),
        recurrence=float((scores[own] > threshold).mean()),
        elsewhere=float((scores[others] > threshold).mean()),
        removal=removal,
        pasting=pasting,
        confirmed=confirmed,
        shown=tuple(examples),
        separation=worst_auc(scores, held.labels, label),
        seen_in=_places(scores[held.audited] > threshold) if confirmed else (),
    )


def _telling(limits: Shortcuts, train: Pictures, held: Pictures, classes: int) -> list[Telling]:
    """Properties that tell a class on training pictures, and on held-out ones in the same way."""
    before, after = measure(train.pictures), measure(held.pictures)
    found = []
    for label in range(classes):
        for name, values in before.items():
            areas = (
                auc(values, train.labels == label),
                auc(after[name], held.labels == label),
            )
            if min(areas) >= limits.property_auc or max(areas) <= 1 - limits.property_auc:
                found.append(Telling(label, name, *areas))
    return sorted(found, key=lambda t: (-abs(t.held_out - 0.5), t.label, t.property))


def _places(chosen: np.ndarray) -> tuple[int, ...]:
    return tuple(np.flatnonzero(chosen).tolist())


def _sides(
    labels: np.ndarray, label: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a class and of the others, each in a random order, not more than are needed."""
    return (
        random.permutation(np.flatnonzero(labels == label))[:_MATCHED],
        random.permutation(np.flatnonzero(labels != label))[:_MATCHED],
    )
