"""Section 5: whether the attributions can be believed."""

from __future__ import annotations

import numpy as np

from tlpipe.audit.finding import Figure, Finding, Section, Table
from tlpipe.audit.subject import Subject
from tlpipe.audit.trust import trust, trust_plot
from tlpipe.explain.methods import METHODS


def examine(subject: Subject) -> Section:
    """Each method through three tests; one that fails any is not to be believed."""
    tested = trust(subject)
    limits = subject.settings.belief
    return Section(
        name="belief",
        title="Can the attributions be believed?",
        findings=tuple(_finding(name, result) for name, result in tested["methods"].items()),
        definition=(
            f"On {tested['pictures']} pictures. Sanity: the map must change when the network's "
            f"weights are shuffled (rank correlation at most {limits.similarity:g}). Faithfulness: "
            "hiding the hottest cells must lower the class's probability sooner than hiding cells "
            "at random (deletion), and showing them raise it sooner (insertion); areas under the "
            f"curves, the gain of both together with a paired z of at least {limits.gain_z:g}. "
            "Stability: faint noise must leave "
            f"the map where it is (rank correlation at least {limits.stability:g})."
        ),
        reference="Adebayo et al. 2018; Petsiuk et al. 2018; Yeh et al. 2019",
        facts={key: value for key, value in tested.items() if key != "curves"},
        tables=(
            Table(
                title="Three tests",
                columns=(
                    "method",
                    "with shuffled weights",
                    "deletion",
                    "insertion",
                    "gain, z",
                    "under noise",
                    "verdict",
                ),
                rows=_rows(tested),
            ),
        ),
        figures=(
            Figure(
                title="Deletion and insertion",
                alt="Mean class probability as cells are hidden or shown, against random order.",
                svg=trust_plot({k: np.array(v) for k, v in tested["curves"].items()}),
            ),
        ),
    )


def _rows(tested: dict) -> tuple:
    rows = [
        (
            METHODS[name].title,
            *(
                result[key]
                for key in ("randomised", "deletion", "insertion", "gain_z", "stability")
            ),
            "passed" if result["believed"] else "failed",
        )
        for name, result in tested["methods"].items()
    ]
    chance = tested["random"]
    baseline = (
        "random cells",
        None,
        chance["deletion"],
        chance["insertion"],
        None,
        None,
        "baseline",
    )
    return (*rows, baseline)


def _finding(name: str, result: dict) -> Finding:
    title = METHODS[name].title
    title = title[:1].upper() + title[1:]
    if result["believed"]:
        return Finding(
            name=f"belief.{name}",
            level="green",
            sentence=f"{title} passed: it depends on what was learned, points at what the "
            "score hangs on, and holds still under faint noise.",
            weight=0.2,
        )
    return Finding(
        name=f"belief.{name}",
        level="amber",
        sentence=f"{title} failed: {'; '.join(result['failed'])}. Its pictures are marked.",
        todo="do not conclude anything from this method here; choose another with --methods",
        weight=0.4,
    )
