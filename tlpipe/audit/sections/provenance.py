"""Section 10: everything needed to run it again."""

from __future__ import annotations

from collections.abc import Mapping

from tlpipe.audit.finding import Finding, Section, Table
from tlpipe.audit.subject import Subject


def examine(subject: Subject) -> Section:
    """Where the model comes from: data, split, recipe, versions."""
    about = subject.about
    facts = {
        "data": about["data"]["root"],
        "backbone": about["recipe"]["backbone"],
        "backbone weights": about["recipe"]["weights"],
        **about["provenance"],
    }
    return Section(
        name="provenance",
        title="Provenance",
        findings=(
            Finding(
                name="provenance.complete",
                level="info",
                sentence=f"Trained with seed {facts['seed']} on the split "
                f"{str(facts['split'])[:12]}; the same command on the same machine gives the same "
                "weights.",
                weight=0.1,
            ),
        ),
        definition="To run it again: tlpipe run RUN/config.yaml --out ANOTHER_FOLDER",
        reference="Mitchell et al. 2019, Model Cards for Model Reporting",
        facts={key: _plain(value) for key, value in facts.items()},
        tables=(
            Table(
                title="What made it",
                columns=("what", "value"),
                rows=tuple((key, _one_line(value)) for key, value in facts.items()),
            ),
        ),
    )


def _plain(value):
    return dict(value) if isinstance(value, Mapping) else value


def _one_line(value) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return str(value)
