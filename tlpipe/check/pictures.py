"""Pictures: those that are too small, oddly shaped, empty, dark, bright, blurred or colourless."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tlpipe.audit.finding import Finding, Level, Section, Table
from tlpipe.check.look import COLOURLESS, NEAR
from tlpipe.check.robust import OUTLIER, robust_z
from tlpipe.check.subject import Subject
from tlpipe.data.scan import Picture
from tlpipe.words import counted

_LONG = 3.0
_EMPTY = 0.99
_DARK, _BRIGHT = 40, 215
_BLURRED = 0.6
# A robust deviation, of the logarithm, that is counted at least.
_BLUR_LEAST = 0.05
# Share of the pictures above which a fault matters, and above which it is these data's nature.
_AMBER, _NATURE = 0.01, 0.25
_NAMED = 3


@dataclass(frozen=True)
class Rule:
    """One fault.

    Attributes:
        name: of the finding.
        what: the end of "3 of 40 pictures are ...".
        todo: what to do about it.
        found: bool (n,).
        order: float (n,); the lowest is the worst.
        caption: what is said under a picture.
        natural: whether many such pictures may simply be what these data are.
    """

    name: str
    what: str
    todo: str
    found: np.ndarray
    order: np.ndarray
    caption: Callable[[int], str]
    natural: bool = True


def examine(subject: Subject) -> Section:
    """Each rule on all pictures, and the spread of what was measured."""
    rules = _rules(subject)
    fired = [rule for rule in rules if rule.found.any()]
    total = len(subject.pictures)
    findings = tuple(_finding(subject, rule) for rule in fired) or (
        Finding(
            name="pictures.fine",
            level="green",
            sentence=f"None of {counted(total, 'picture')} is far too small, very long, empty, "
            "very dark or bright, blurred, or without colour among coloured ones.",
        ),
    )
    galleries = ()
    for rule in fired:
        worst = _worst(rule)
        captions = {subject.pictures[i].path: rule.caption(i) for i in worst}
        galleries += subject.gallery(
            f"{rule.name.capitalize()} pictures",
            [subject.pictures[i] for i in worst],
            lambda picture, captions=captions: f"{picture.path}: {captions[picture.path]}",
        )
    return Section(
        name="pictures",
        title="Pictures",
        findings=findings,
        definition=_definition(subject.size),
        reference="Crete et al. 2007 (blur); Iglewicz and Hoaglin 1993 (robust z)",
        facts={
            "faults": {
                rule.name: [subject.pictures[i].path for i in _worst(rule)] for rule in rules
            },
            "spread": {name: values for name, *values in _spread(subject)},
        },
        tables=(
            Table(
                title="What was measured",
                columns=("property", "least", "5 %", "median", "95 %", "most"),
                rows=tuple(_spread(subject)),
            ),
        ),
        galleries=galleries,
    )


def _rules(subject: Subject) -> list[Rule]:
    looks, files, size = subject.looks, subject.pictures, subject.size
    short = np.array([min(p.width, p.height) for p in files])
    long = np.array([max(p.width, p.height) for p in files])
    blur, colour = looks["blur"], looks.get("gray", np.zeros(len(files)))
    # What a further blur takes away differs by factors.
    z = robust_z(-np.log(np.maximum(1 - blur, 1e-3)), _BLUR_LEAST)
    # A picture without anything in it would also be dark, bright or blurred.
    empty = looks["one colour"] >= _EMPTY
    mixed = 0 < colour.sum() < len(files)

    def pixels(i: int) -> str:
        return f"{files[i].width} x {files[i].height}"

    return [
        Rule(
            "small",
            f"far smaller than the network's input of {size} pixels: their short side is below "
            f"{size / 2:g}",
            "get larger ones; if there are none, train at a resolution nearer to theirs with "
            "`--resolution`",
            short < size / 2,
            short,
            pixels,
            natural=False,
        ),
        Rule(
            "long",
            f"more than {_LONG:g} times as long as wide: by default only their middle square is "
            "seen",
            "crop them to what matters, or train with `--set prepare.resize=pad`",
            long > _LONG * short,
            -long / short,
            pixels,
        ),
        Rule(
            "empty",
            f"of a single colour, {_EMPTY:.0%} of their pixels",
            "remove them, unless nothing is something to be recognised",
            empty,
            -looks["one colour"],
            lambda i: f"{looks['one colour'][i]:.1%}",
            natural=False,
        ),
        Rule(
            "dark",
            f"very dark: 95 % of the pixels are below {_DARK} of 255",
            "look at them: remove what shows nothing, or brighten what was exposed too little",
            ~empty & (looks["brightest"] < _DARK),
            looks["brightest"],
            lambda i: f"95 % below {looks['brightest'][i]:.0f}",
        ),
        Rule(
            "bright",
            f"very bright: 95 % of the pixels are above {_BRIGHT} of 255",
            "look at them: remove what shows nothing",
            ~empty & (looks["darkest"] > _BRIGHT),
            -looks["darkest"],
            lambda i: f"95 % above {looks['darkest'][i]:.0f}",
        ),
        Rule(
            "blurred",
            "blurred, or without fine detail, unlike the others (blur above "
            f"{_BLURRED:g}, robust z above {OUTLIER:g})",
            "look at them, and remove what a person could not recognise either",
            ~empty & (blur > _BLURRED) & (z > OUTLIER),
            -blur,
            lambda i: f"blur {blur[i]:.2f}",
        ),
        Rule(
            *_odd_colour(colour),
            mixed & (colour == (colour.mean() <= 0.5)) & ~empty,
            np.arange(len(files), dtype=float),
            pixels,
            natural=False,
        ),
    ]


def _odd_colour(colour: np.ndarray) -> tuple[str, str, str]:
    """Name, words and advice for the rarer of gray and coloured pictures."""
    if colour.mean() <= 0.5:
        few, many = "gray", "coloured"
    else:
        few, many = "coloured", "gray"
    return (
        few,
        f"{few}, and the others {many}: the network may take colour itself for a sign",
        "see whether one class has more of them; `--set scan.channels=1` makes all gray",
    )


def _worst(rule: Rule) -> list[int]:
    where = np.flatnonzero(rule.found)
    return [int(i) for i in where[np.argsort(rule.order[where], kind="stable")]]


def _finding(subject: Subject, rule: Rule) -> Finding:
    where = _worst(rule)
    total, share = len(subject.pictures), len(where) / len(subject.pictures)
    level: Level = "amber" if share > _AMBER else "info"
    todo, more = rule.todo, f" ({_names(subject, where)})"
    if share > _NATURE and rule.natural:
        level, todo, more = "info", "", ". So many are what these data look like, it seems"
    verb = "is" if len(where) == 1 else "are"
    return Finding(
        name=f"pictures.{rule.name}",
        level=level,
        sentence=f"{len(where)} of {counted(total, 'picture')} ({share:.1%}) {verb} {rule.what}"
        f"{more}.",
        todo=todo,
        weight=min(0.7, 0.3 + share),
    )


def _names(subject: Subject, where: list[int]) -> str:
    shown: list[Picture] = [subject.pictures[i] for i in where[:_NAMED]]
    most, of = Counter(subject.pictures[i].label for i in where).most_common(1)[0]
    label = f"; {of} in '{most}'" if subject.target == "class" and len(where) > 1 else ""
    more = ", ..." if len(where) > _NAMED else ""
    return ", ".join(picture.path for picture in shown) + more + label


def _spread(subject: Subject) -> list[tuple]:
    files = subject.pictures
    measured = {
        "width": np.array([p.width for p in files]),
        "height": np.array([p.height for p in files]),
        **{
            name: subject.looks[name]
            for name in ("aspect", "bytes a pixel", "brightness", "contrast", "saturation", "blur")
            if name in subject.looks
        },
    }
    return [
        (
            name,
            *(
                int(q) if name in ("width", "height") else float(q)
                for q in np.percentile(values, (0, 5, 50, 95, 100))
            ),
        )
        for name, values in measured.items()
    ]


def _definition(size: int) -> str:
    return (
        "Everything but the size is measured on the picture reduced to as many pixels as a square "
        f"of 224 has. Small: the short side is below half of {size} pixels. Long: the long side is "
        f"more than {_LONG:g} times the short one. Empty: {_EMPTY:.0%} of the pixels are within "
        f"{NEAR} levels of the median colour. Dark: 95 % of the pixels are below the gray level "
        f"{_DARK}; bright: 95 % are above {_BRIGHT}. Blurred: the blur effect b of Crete et al., 0 "
        f"to 1, is above {_BLURRED:g}, and log(1 - b) more than {OUTLIER:g} robust standard "
        "deviations below its median. Gray: the channels of 99 % of the pixels are within "
        f"{COLOURLESS} levels. A fault is amber from {_AMBER:.0%} of the pictures on; where more "
        f"than {_NATURE:.0%} are very long, "
        "dark, bright or blurred, that is taken for the nature of these data."
    )
