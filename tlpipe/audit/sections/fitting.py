"""Section 9: whether it learned too much by heart, or too little."""

from __future__ import annotations

from tlpipe.audit.evidence.inside import share_interval
from tlpipe.audit.finding import Figure, Finding, Section, Table
from tlpipe.audit.plots import learning_curves
from tlpipe.audit.subject import Subject
from tlpipe.metrics.scores import accuracy, log_loss, predicted
from tlpipe.words import counted


def examine(subject: Subject) -> Section:
    """Training against validation, both without augmentation, and the remedies in force."""
    measured = {
        part: {
            "pictures": len(subject.labels(part)),
            "accuracy": accuracy(subject.labels(part), subject.probabilities(part)),
            "log_loss": log_loss(subject.labels(part), subject.probabilities(part)),
        }
        for part in ("train", "val")
    }
    gap = measured["train"]["accuracy"] - measured["val"]["accuracy"]
    right = predicted(subject.probabilities("val")) == subject.labels("val")
    chance = share_interval(right)[1] >= measured["train"]["accuracy"]
    remedies = _remedies(subject.about["settings"])
    return Section(
        name="fit",
        title="Over- or underfit",
        findings=(_finding(subject, measured, gap, chance, remedies),),
        definition=(
            "The kept model on its training and validation pictures, neither augmented. A wide gap "
            "means that it knows its training pictures by heart; low scores on both that it "
            "learned too little. A gap within the 95 % interval of the validation accuracy is put "
            "down to chance."
        ),
        reference="Srivastava et al. 2014 (dropout); Loshchilov and Hutter 2019 (weight decay); "
        "Wilson 1927 (interval)",
        facts={"parts": measured, "gap": gap, "by_chance": chance, "remedies": remedies},
        tables=(
            Table(
                title="Training against validation",
                columns=("part", "pictures", "accuracy", "log loss"),
                rows=tuple(
                    (part, m["pictures"], m["accuracy"], m["log_loss"])
                    for part, m in measured.items()
                ),
            ),
            Table(
                title="Regularisation in force",
                columns=("remedy", "setting", "in force"),
                rows=tuple(
                    (r["remedy"], r["setting"], "yes" if r["in_force"] else "no") for r in remedies
                ),
            ),
        ),
        figures=(
            Figure(
                title="Learning curves",
                alt="Loss and accuracy of training and validation over the epochs of both steps.",
                svg=learning_curves(subject.about["history"], kept=subject.about["kept"]),
            ),
        ),
    )


def _finding(
    subject: Subject, measured: dict, gap: float, chance: bool, remedies: list[dict]
) -> Finding:
    limits, train, val = subject.settings.fit, *(m["accuracy"] for m in measured.values())
    both = f"{train:.1%} right in training, {val:.1%} in validation"
    if gap > limits.gap_amber and not chance:
        unused = [r["advice"] for r in remedies if not r["in_force"] and r["advice"]]
        return Finding(
            name="fit.gap",
            level="red" if gap > limits.gap_red else "amber",
            sentence=f"It overfits: {both}, a gap of {gap:.1%}.",
            todo="; ".join(["gather more pictures", *unused]),
            weight=min(1.0, 0.3 + gap),
        )
    if train < limits.low:
        return Finding(
            name="fit.low",
            level="amber",
            sentence=f"It underfits: {both}.",
            todo="unfreeze more blocks (--unfreeze), train longer (--head-epochs, "
            "--unfreeze-epochs), or use a larger backbone; check the labels",
            weight=0.6,
        )
    if gap > limits.gap_amber:
        pictures = measured["val"]["pictures"]
        return Finding(
            name="fit.gap",
            level="info",
            sentence=f"{both}: of {counted(pictures, 'validation picture')} such a gap may be "
            "chance, or overfitting.",
            todo="put more pictures aside for validation",
            weight=0.3,
        )
    return Finding(
        name="fit.gap",
        level="green",
        sentence=f"It neither over- nor underfits noticeably: {both}.",
        weight=0.2,
    )


def _remedies(settings: dict) -> list[dict]:
    head, unfreeze, prepare = settings["head"], settings["unfreeze"], settings["prepare"]
    rows = (
        ("augmentation", prepare["augment"], prepare["augment"] != "none", "augment: --augment"),
        ("dropout", head["dropout"], head["dropout"] > 0, "dropout: --set head.dropout=0.3"),
        ("weight decay", head["weight_decay"], head["weight_decay"] > 0, "--set "
         "head.weight_decay=1e-4"),
        ("label smoothing", head["label_smoothing"], head["label_smoothing"] > 0, ""),
        ("early stopping", f"{head['patience']} epochs", True, ""),
        ("class balance", head["balance"], bool(head["balance"]), ""),
        ("frozen blocks", f"all but {unfreeze['blocks']}", unfreeze["blocks"] != "all",
         "freeze more: --unfreeze 3"),
    )  # fmt: skip
    return [
        {"remedy": remedy, "setting": str(setting), "in_force": force, "advice": advice}
        for remedy, setting, force, advice in rows
    ]
