"""Whether the model looks at the object, where the user has said where it lies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tlpipe.audit.attributed import Inside
from tlpipe.audit.chapter import Chapter
from tlpipe.audit.evidence.inside import ratio_interval, share_interval
from tlpipe.audit.finding import Finding, Level, Table
from tlpipe.audit.given.objects import Objects
from tlpipe.config.audit import Looks
from tlpipe.explain.methods import METHODS
from tlpipe.words import counted

# Pictures below which nothing is judged: intervals of fewer are wide, and not to be relied on.
FEW = 10
REFERENCE = (
    "Zhang et al. 2016 (pointing game); Wang et al. 2020 (energy-based pointing game, Score-CAM)"
)


def definition(limits: Looks) -> str:
    """What the figures mean."""
    return (
        "The object is what the given masks or boxes say, cut or squashed as its picture is for "
        "the network. Pointing game: the hottest point lies in the object or at most "
        f"{limits.tolerance:.1%} of the side beside it (the 15 pixels of Zhang et al., in pictures "
        "of 500); by chance it does in as many cases as that is of the picture. Inside: the share "
        "of the attribution in the object; by chance the object's share of the picture. Intervals "
        "of 95 % over pictures: Wilson's, and the bootstrap's. Judged are their upper ends: amber, "
        f"when the hottest point is in the object in fewer than {limits.pointing_amber:.0%} of the "
        f"pictures, or inside is less than {limits.inside_amber:g} times the object's share of the "
        f"picture; red, when it is in fewer than {limits.pointing_red:.0%}, and the latter too. A "
        "coarse map can't point at a small object: see what lies inside, then."
    )


def examine(
    limits: Looks, objects: Objects, found: Inside, trusted: Mapping[str, bool], seed: int
) -> Chapter:
    """Pointing game and attribution inside, for each method.

    Args:
        limits: thresholds.
        objects: what was given.
        found: what the maps were reduced to.
        trusted: whether each method passed its tests.
        seed: of the bootstrap.
    """
    left_out = {"unmarked": objects.unmarked, "cut_off": objects.cut_off}
    facts: dict = {"marked": len(objects.places), **left_out}
    if not len(objects.places):
        return Chapter(findings=(_none(objects),), facts={"objects": facts})
    measured = {name: _measured(found, name, seed) for name in found.hits}
    return Chapter(
        findings=tuple(
            _finding(limits, objects, name, one, trusted[name]) for name, one in measured.items()
        ),
        facts={"objects": {**facts, "methods": measured}},
        tables=(
            Table(
                title="Attribution and object",
                columns=(
                    "method",
                    "pictures",
                    "hottest point in it",
                    "from",
                    "to",
                    "by chance",
                    "attribution inside",
                    "from ",
                    "to ",
                    "its share of the picture",
                ),
                rows=tuple(
                    (
                        METHODS[name].title + ("" if trusted[name] else " (failed its tests)"),
                        len(objects.places),
                        *(one["pointing"][key] for key in ("value", "low", "high", "chance")),
                        *(one["inside"][key] for key in ("value", "low", "high", "chance")),
                    )
                    for name, one in measured.items()
                ),
            ),
        ),
    )


def _measured(found: Inside, name: str, seed: int) -> dict[str, dict[str, float]]:
    hits, energy, area = found.hits[name], found.energy[name], found.area
    ones = np.ones(len(area))
    figures = {
        "pointing": (hits.mean(), share_interval(hits), found.reach.mean()),
        "inside": (energy.mean(), ratio_interval(energy, ones, seed), area.mean()),
        "inside_over_area": (energy.sum() / area.sum(), ratio_interval(energy, area, seed), 1.0),
    }
    return {
        key: {"value": float(value), "low": low, "high": high, "chance": float(chance)}
        for key, (value, (low, high), chance) in figures.items()
    }


def _level(limits: Looks, one: dict[str, dict[str, float]]) -> Level:
    pointing, inside = one["pointing"]["high"], one["inside_over_area"]["high"]
    little = inside < limits.inside_amber
    if little and pointing < limits.pointing_red:
        return "red"
    return "amber" if little or pointing < limits.pointing_amber else "green"


def _finding(
    limits: Looks, objects: Objects, name: str, one: dict[str, dict[str, float]], trusted: bool
) -> Finding:
    title, marked = METHODS[name].title, len(objects.places)
    pointing, inside = one["pointing"], one["inside"]
    sentence = (
        f"The hottest point of {title} lies in the object in {_share(pointing)} of "
        f"{counted(marked, 'picture')}, where a random point would in {pointing['chance']:.0%}; "
        f"{_share(inside)} of its attribution lies inside, the object being "
        f"{inside['chance']:.0%} of the picture."
    )
    unjudged = ""
    if not trusted:
        unjudged = " It failed its tests, so this means little."
    elif marked < FEW:
        unjudged = f" These are too few pictures to judge by (at least {FEW})."
    if unjudged:
        return Finding(
            name=f"looks.object.{name}", level="info", sentence=sentence + unjudged, weight=0.1
        )
    level = _level(limits, one)
    return Finding(
        name=f"looks.object.{name}",
        level=level,
        sentence=sentence,
        todo=""
        if level == "green"
        else "look at the galleries for what it goes by instead, and gather pictures of each class "
        "on other backgrounds, or train on pictures cut to the object",
        weight=0.8,
    )


def _share(figure: dict[str, float]) -> str:
    return f"{figure['value']:.0%} ({figure['low']:.0%} to {figure['high']:.0%})"


def _none(objects: Objects) -> Finding:
    return Finding(
        name="looks.object",
        level="info",
        sentence="No object is marked in what the network sees of the pictures: "
        f"{counted(objects.unmarked, 'picture')} without one, {objects.cut_off} with one in the "
        "part that is cut off.",
        todo="check what `--objects` names",
        weight=0.2,
    )
