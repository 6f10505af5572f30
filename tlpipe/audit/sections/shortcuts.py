"""Section 6: artefacts that give a class away, found in the data and confirmed on the model."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from tlpipe.audit.clues import Clue, Telling, search, strength
from tlpipe.audit.evidence import counterfactual, patches
from tlpipe.audit.evidence.confirmation import Bar
from tlpipe.audit.evidence.counterfactual import Effect
from tlpipe.audit.finding import Finding, Gallery, Section, Table, Thumbnail
from tlpipe.audit.subject import Subject
from tlpipe.audit.thumbnails import webp
from tlpipe.config.audit import Shortcuts
from tlpipe.metrics.scores import predicted
from tlpipe.words import listed


def examine(subject: Subject) -> Section:
    """Searches training pictures for artefacts, and tries on held-out ones what they do."""
    clues, telling, bar = search(subject)
    names = subject.names
    return Section(
        name="shortcuts",
        title="Shortcuts",
        findings=_findings(names, clues, telling, bar, _unjudged(subject)),
        definition=_definition(subject.settings.shortcuts),
        reference=(
            "Lapuschkin et al., Unmasking Clever Hans predictors and assessing what machines "
            "really learn, 2019; Geirhos et al., Shortcut learning in deep neural networks, 2020; "
            "Chang et al., Explaining image classifiers by counterfactual generation, 2019"
        ),
        facts={
            "training_pictures": len(subject.labels("train")),
            "held_out_pictures": sum(len(subject.labels(p)) for p in {"val", subject.part}),
            "usual_lead": bar.lead,
            "clues": [_facts(subject, clue) for clue in clues],
            "properties": [{**asdict(t), "label": names[t.label]} for t in telling],
        },
        tables=_tables(names, clues, telling),
        galleries=tuple(_gallery(names, clue) for clue in clues),
    )


def misled(subject: Subject, section: Section) -> list[int]:
    """Rows of the manifest that show an artefact, and that the model takes for its class.

    Args:
        subject: what is audited.
        section: what ``examine`` made of it, now or before the report was stopped.
    """
    answers = predicted(subject.logits(subject.part))
    called = {
        path: (int(row), subject.names[answer])
        for path, row, answer in zip(
            subject.paths(subject.part), subject.rows(subject.part), answers, strict=True
        )
    }
    rows = {
        called[path][0]
        for clue in section.facts["clues"]
        if clue["confirmed"]
        for path in clue["seen_in"]
        if called[path][1] == clue["class"]
    }
    return sorted(rows)


def _definition(limits: Shortcuts) -> str:
    return (
        "Searched for in the training pictures: small marks that recur in one class and hardly in "
        "the others, a frame, a drawing laid over all pictures, and a shift of the "
        "brightness. Tried on held-out pictures: the mark is painted out, and the drop of the "
        "class's lead (its score minus the best other, in logits) is compared with that after "
        "painting out a random place of the same size in the same picture; then it is pasted into "
        "pictures of other classes, and compared with a random piece pasted there. What covers "
        "the whole picture is undone, and added, and compared with an equal change that leaves it "
        "alone. Confirmed means: z of the paired difference at least "
        f"{limits.removal_z:g} and its mean at least {limits.lead_share:.0%} of what the model's "
        "best class usually leads the second by, in one of the two trials; of what covers the "
        "whole picture the other trial must point the same way (z at least "
        f"{limits.lean_z:g}), unless adding it turns {limits.turned:.0%} of the decisions "
        "more than the control does. What is not confirmed goes with the class in the data, and "
        "that the model hangs on it is not shown. Not looked for: marks that change their size "
        "from picture to picture, and what is natural and yet misleads, such as a background."
    )


def _unjudged(subject: Subject) -> list[str]:
    """Classes with too few pictures to search, or to try what was found."""
    train = np.bincount(subject.labels("train"), minlength=len(subject.names))
    held = sum(
        np.bincount(subject.labels(part), minlength=len(subject.names))
        for part in {"val", subject.part}
    )
    few = (train < patches.FEW) | (held < counterfactual.FEW)
    return [name for name, too_few in zip(subject.names, few, strict=True) if too_few]


def _findings(
    names: tuple[str, ...],
    clues: list[Clue],
    telling: list[Telling],
    bar: Bar,
    unjudged: list[str],
) -> tuple[Finding, ...]:
    found = []
    if not any(clue.confirmed for clue in clues):
        named = [f"'{name}'" for name in unjudged]
        left = f" Not judged, for want of pictures: {listed(named)}." if named else ""
        found.append(
            Finding(
                name="shortcuts.none",
                level="info" if len(unjudged) == len(names) else "green",
                sentence="No mark, frame, overlay or shift of brightness was found that the model "
                f"uses to tell a class.{left}",
                weight=0.4,
            )
        )
    alike: dict[tuple, list[Clue]] = {}
    for clue in clues:
        alike.setdefault((clue.label, clue.kind, clue.confirmed), []).append(clue)
    for number, group in enumerate(alike.values(), 1):
        found.append(_finding(f"shortcuts.{number}", names[group[0].label], group, bar))
    for name in dict.fromkeys(names[t.label] for t in telling):
        properties = [t.property for t in telling if names[t.label] == name]
        found.append(
            Finding(
                name=f"shortcuts.properties.{name}",
                level="info",
                sentence=f"'{name}' can be told from the other classes by the whole picture's "
                f"{listed(properties)} alone. That may be its nature, or the way it was "
                "photographed.",
                weight=0.2,
            )
        )
    return tuple(found)


def _finding(name: str, label: str, clues: list[Clue], bar: Bar) -> Finding:
    """One of the strongest of some clues of one kind to one class."""
    clue, more = clues[0], len(clues) - 1
    rest = f" The table below has {more} more of the kind." if more else ""
    if clue.kind in ("mark", "frame"):
        seen = (
            f"{clue.recurrence:.0%} of the held-out pictures of '{label}' have {clue.what}; of the "
            f"others {clue.elsewhere:.1%}. "
        )
    else:
        seen = (
            f"held-out pictures of '{label}' are told from those of each other class (area under "
            f"the ROC curve {clue.separation:.2f} or more) by {clue.what}. "
        )
    if clue.confirmed:
        return Finding(
            name=name,
            level="red",
            sentence=f"The model uses an artefact to tell '{label}': "
            + seen
            + _capital(_effects(clue, bar))
            + rest,
            todo=f"remove it from the pictures of '{label}' (crop, mask, or take them again), "
            "train again, and test on pictures without it",
            weight=0.9,
        )
    if not clue.removal.pictures:
        checked = "No held-out picture was fit to try whether the model uses it."
    elif strength(clue) >= bar.drop:
        checked = "Whether the model uses it can't be told: the two trials disagree, or are too "
        checked += "uneven to count. "
        checked += _capital(_effects(clue, bar))
    elif bar.either(clue.removal, clue.pasting, share=1 / 4):
        checked = "It moves the model a little: " + _effects(clue, bar)
    else:
        checked = "The model does not hang on it: " + _effects(clue, bar)
    return Finding(
        name=name,
        level="info",
        sentence=f"Something goes with '{label}' in the data: " + seen + checked + rest,
        todo=f"if it does not belong to '{label}', remove it before a model learns it",
        weight=0.4,
    )


def _effects(clue: Clue, bar: Bar) -> str:
    out, into = ("painted out", "pasted into") if clue.kind == "mark" else ("undone", "added to")
    return (
        f"where it is {out}, the class's lead changes by {_signed(-clue.removal.drop)} logits (z "
        f"{_signed(-clue.removal.z)}) and {clue.removal.flips:.0%} of the decisions turn; {into} "
        f"other classes, it changes this class's lead by {_signed(-clue.pasting.drop)} logits (z "
        f"{_signed(-clue.pasting.z)}) and turns {clue.pasting.flips:.0%}. The model's best class "
        f"usually leads by {bar.lead:.1f}."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _signed(value: float) -> str:
    # Adding zero takes the sign from a rounded -0.0.
    return f"{round(value, 1) + 0.0:+.1f}"


def _facts(subject: Subject, clue: Clue) -> dict:
    paths = subject.paths(subject.part)
    return {
        "class": subject.names[clue.label],
        "kind": clue.kind,
        "what": clue.what,
        "confirmed": clue.confirmed,
        "recurrence": clue.recurrence,
        "elsewhere": clue.elsewhere,
        "separation": clue.separation,
        "place": clue.place,
        "removal": clue.removal.facts(),
        "pasting": clue.pasting.facts(),
        "seen_in": [paths[place] for place in clue.seen_in],
    }


def _tables(names: tuple[str, ...], clues: list[Clue], telling: list[Telling]) -> tuple[Table, ...]:
    tables = []
    if clues:
        tables.append(
            Table(
                title="What gives a class away, on held-out pictures",
                columns=(
                    "class",
                    "what",
                    "in the class",
                    "elsewhere",
                    "taken out: lead falls by",
                    "z",
                    "decisions turned",
                    "put in: lead rises by",
                    "z ",
                    "decisions turned ",
                    "the model uses it",
                ),
                rows=tuple(
                    (
                        names[clue.label],
                        clue.what,
                        clue.recurrence,
                        clue.elsewhere,
                        *_cells(clue.removal, 1),
                        *_cells(clue.pasting, -1),
                        "yes" if clue.confirmed else "no",
                    )
                    for clue in clues
                ),
            )
        )
    if telling:
        tables.append(
            Table(
                title="Properties of the whole picture that tell a class (area under the ROC "
                "curve; below 0.5 the class has less of it)",
                columns=("class", "property", "training", "held out"),
                rows=tuple((names[t.label], t.property, t.training, t.held_out) for t in telling),
            )
        )
    return tuple(tables)


def _cells(effect: Effect, sign: int) -> tuple[float | None, ...]:
    if not effect.pictures:
        return (None, None, None)
    return (sign * effect.drop, sign * effect.z, effect.flips)


def _gallery(names: tuple[str, ...], clue: Clue) -> Gallery:
    name = names[clue.label]
    return Gallery(
        title=f"{name}: {clue.what}",
        note=("Confirmed" if clue.confirmed else "Not confirmed")
        + f": the larger effect on the class's lead is {strength(clue):.1f} logits.",
        pictures=tuple(
            Thumbnail(caption=caption, alt=f"{name}: {caption}", webp=webp(picture))
            for caption, picture in clue.shown
        ),
    )
