"""Section 8: which harmless changes of a picture change the answer."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from tlpipe.audit.evidence.alterations import ALTERATIONS, SEVERITIES, Alteration
from tlpipe.audit.evidence.remedies import remedy, taught_by
from tlpipe.audit.finding import Figure, Finding, Section, Table
from tlpipe.audit.severities import severities
from tlpipe.audit.subject import Subject
from tlpipe.data.presets import A

_MIDDLE = 3


def examine(subject: Subject) -> Section:
    """Accuracy and changed answers under each alteration and severity."""
    pictures, labels, before = _chosen(subject)
    kinds = [a for a in ALTERATIONS.values() if a.defined_for(pictures.shape[-1])]
    measured: dict[str, list[dict]] = {kind.name: [] for kind in kinds}
    with subject.progress("altering pictures") as advance:
        for done, (kind, severity) in enumerate((k, s) for k in kinds for s in SEVERITIES):
            altered = kind.apply(pictures, severity, seed=subject.seed)
            after = subject.logits_of(altered).argmax(axis=1)
            amount = kind.unit.format(kind.amounts[severity - 1])
            measured[kind.name].append(
                {"severity": severity, "amount": amount, **_effect(labels, before, after)}
            )
            advance(done + 1, len(kinds) * len(SEVERITIES))
    accuracy = float((before == labels).mean())
    findings, advice = _findings(subject, measured, accuracy, len(labels))
    return Section(
        name="robustness",
        title="Robustness",
        findings=findings,
        definition=(
            f"{len(labels)} pictures of the {subject.part} part are altered in each way at five "
            "severities, as the network sees them. The accuracy afterwards is compared with the "
            "accuracy before, picture by picture, at the middle severity; a loss counts when an "
            "exact McNemar test says that it is no chance. Flips are answers that changed."
        ),
        reference="Hendrycks and Dietterich 2019; Engstrom et al. 2019; McNemar 1947",
        facts={
            "pictures": len(labels),
            "accuracy": accuracy,
            "alterations": measured,
            "advice": advice,
        },
        tables=(_table(kinds, measured),),
        figures=(
            Figure(
                title="Accuracy under alterations",
                alt="A small plot for each alteration: accuracy and flips against severity.",
                svg=severities(measured, accuracy),
            ),
        ),
    )


def _chosen(subject: Subject) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures, labels and answers of some of the audited part, each class with its share."""
    labels = subject.labels(subject.part)
    count = min(subject.settings.robustness.pictures, len(labels))
    # Above the key of the manifest's choice: another stream.
    stream = np.random.default_rng(np.random.SeedSequence(subject.seed, spawn_key=(72,)))
    shuffled = stream.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    places = np.sort(by_class[np.arange(count) * len(labels) // count])
    answers = subject.logits(subject.part)[places].argmax(axis=1)
    return np.asarray(subject.pictures(subject.part)[places]), labels[places], answers


def _effect(labels: np.ndarray, before: np.ndarray, after: np.ndarray) -> dict:
    lost = int(((before == labels) & (after != labels)).sum())
    won = int(((before != labels) & (after == labels)).sum())
    test = binomtest(lost, lost + won, 0.5, alternative="greater") if lost + won else None
    return {
        "accuracy": float((after == labels).mean()),
        "flips": float((after != before).mean()),
        "drop": (lost - won) / len(labels),
        "p": float(test.pvalue) if test else 1.0,
    }


def _findings(
    subject: Subject, measured: dict, accuracy: float, n: int
) -> tuple[tuple[Finding, ...], str]:
    limits = subject.settings.robustness
    middle = {name: rows[_MIDDLE - 1] for name, rows in measured.items()}
    weak = {
        name: row
        for name, row in sorted(middle.items(), key=lambda item: -item[1]["drop"])
        if row["drop"] > limits.drop_amber and row["p"] <= limits.significance
    }
    if not weak:
        worst = max(middle, key=lambda name: middle[name]["drop"])
        return (
            Finding(
                name="robustness.all",
                level="green",
                sentence=f"None of {len(measured)} harmless changes costs it much: the worst, "
                f"{worst} ({middle[worst]['amount']}), moves its accuracy on {n} pictures from "
                f"{accuracy:.0%} to {middle[worst]['accuracy']:.0%}.",
                weight=0.2,
            ),
        ), ""
    settings = subject.about["settings"]["prepare"]
    advice = {name: _advice(subject, settings, [name]) for name in weak}
    findings = tuple(
        Finding(
            name=f"robustness.{name}",
            level="red" if row["drop"] > limits.drop_red else "amber",
            sentence=f"{name[:1].upper() + name[1:]} ({row['amount']}) lowers its accuracy from "
            f"{accuracy:.0%} to {row['accuracy']:.0%} and changes {row['flips']:.0%} of its "
            f"answers ({n} pictures).",
            todo=advice[name],
            weight=min(1.0, 0.3 + row["drop"]),
        )
        for name, row in weak.items()
    )
    return findings, _advice(subject, settings, list(weak))


def _advice(subject: Subject, settings: dict, weak: list[str]) -> str:
    # As the run used it: a file of the user's own may have moved, or changed, since.
    known = taught_by(A.from_dict(subject.about["augmentation"]).transforms)
    return remedy(weak, known, settings["strength"], subject.classifier.metadata.channels)


def _table(kinds: list[Alteration], measured: dict) -> Table:
    return Table(
        title="Accuracy and flips, mild to strong",
        columns=(
            "alteration",
            "middle severity",
            *(f"accuracy {s}" for s in SEVERITIES),
            *(f"flips {s}" for s in SEVERITIES),
        ),
        rows=tuple(
            (
                kind.name,
                measured[kind.name][_MIDDLE - 1]["amount"],
                *(row["accuracy"] for row in measured[kind.name]),
                *(row["flips"] for row in measured[kind.name]),
            )
            for kind in kinds
        ),
    )
