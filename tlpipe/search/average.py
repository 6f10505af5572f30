"""The leaders of a search as one model: their weights averaged, and what that gained.

Wortsman et al. 2022, "Model soups": networks fine-tuned from the same weights with different
settings often average to a better one, at the cost of one. Averaging their probabilities costs as
many as there are; its score is told for comparison.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from tlpipe.artifact.classifier import Classifier
from tlpipe.artifact.model_file import save
from tlpipe.config.runs import check_alone
from tlpipe.config.search import LEADERS
from tlpipe.errors import RunError
from tlpipe.metrics.compare import difference, told, verdict
from tlpipe.metrics.scores import SCALARS
from tlpipe.metrics.temperature import fit_temperature
from tlpipe.pipeline.atomic import read_json, write_json
from tlpipe.stages.evaluate import predict_rows
from tlpipe.stages.evaluation import open_finished
from tlpipe.stages.inputs import open_manifest
from tlpipe.terminal import print_plain

MODEL, GAINED = "model.keras", "gained.json"
JUDGED = "log_loss"


@dataclass(frozen=True)
class Gained:
    """What averaging brought, on the validation part.

    Attributes:
        trials: those averaged, the winner first.
        left_out: leaders with another network or head, which can't be averaged with the winner.
        scores: of ``winner``, ``weights`` and ``probabilities``: accuracy, AUC and log loss.
        change: the bootstrap interval of the averaged weights' log loss less the winner's.
        verdict: ``better``, ``worse`` or ``tie``.
    """

    trials: list[str]
    left_out: list[str]
    scores: dict[str, dict[str, float | None]]
    change: dict[str, float | None]
    verdict: str

    def sentence(self) -> str:
        """In words, with figures."""
        before, after = (self.scores[who][JUDGED] for who in ("winner", "weights"))
        means = {
            "better": "averaging helped",
            "worse": "averaging hurt: use the winner",
            "tie": "no difference that can be told from chance: the winner is as good",
        }[self.verdict]
        text = (
            f"The averaged weights of trials {', '.join(self.trials)}: {means} (validation log "
            f"loss {before:.4f} to {after:.4f}: {told(self.change)}). The average of their "
            f"probabilities, at {len(self.trials)} times the cost, has "
            f"{self.scores['probabilities'][JUDGED]:.4f}."
        )
        if self.left_out:
            text += f" Left out, being of another shape: {', '.join(self.left_out)}."
        return text


def average(folder: Path, top: int, out: Path, console: Console) -> Gained:
    """Averages the weights of a finished search's best ``top`` trials.

    Writes ``model.keras`` and ``gained.json`` to ``out``; the test part is not looked at.

    Raises:
        RunError: the search is not finished, or has no second leader of the winner's shape, or
            ``out`` holds other things.
    """
    check_alone(out, {MODEL, GAINED})
    if not (folder / LEADERS).exists():
        raise RunError(
            f"'{folder}' holds no finished search.",
            cause=f"it has no {LEADERS}",
            todo="run `tlpipe search` to its end first",
        )
    names = read_json(folder / LEADERS)["trials"][:top]
    for number, name in enumerate(names):
        if not (folder / "trials" / name / MODEL).exists():
            raise RunError(
                f"The weights of trial {name} are gone: it was no leader when the search ended.",
                where=folder / "trials" / name,
                todo=f"ask for --top {number}" if number > 1 else "search with more --leaders",
            )
    leaders = {name: Classifier(folder / "trials" / name / MODEL) for name in names}
    winner = leaders[names[0]]
    winner.check_has_classes("An average")
    shapes = _shapes(winner)
    same = [name for name in names if _shapes(leaders[name]) == shapes]
    if len(same) < 2:
        raise RunError(
            f"Of the {len(names)} best trials none has the same network and head as the winner.",
            where=folder / LEADERS,
            todo="search with more --leaders, or without head.hidden and head.pool in the space",
        )
    run = open_finished(folder / "best", console)
    manifest = open_manifest(run)
    rows = manifest.indices("val")
    labels = manifest.labels[rows]

    def predict(model: Classifier, label: str) -> np.ndarray:
        with run.progress(label) as advance:
            return predict_rows(model, manifest, rows, advance).astype("float64")

    found = [predict(leaders[name], name) for name in same]
    mean = [
        np.mean([leaders[name].model.weights[i].numpy() for name in same], axis=0)
        for i in range(len(winner.model.weights))
    ]
    for weight, value in zip(winner.model.weights, mean, strict=True):
        weight.assign(value)
    temperature = fit_temperature(labels, np.log(np.maximum(predict(winner, "average"), 1e-12)))
    about = {"kept": f"average of {', '.join(same)}", "temperature": temperature}
    save(winner.model, out / MODEL, winner.metadata.model_copy(update=about))
    # From the file: what is scored is what is kept.
    averaged = predict(Classifier(out / MODEL), "average")
    how = {"seed": run.seed, "groups": manifest.groups(rows)}
    change = difference(labels, found[0], averaged, JUDGED, **how)
    gained = Gained(
        trials=same,
        left_out=[name for name in names if name not in same],
        scores={
            who: {score: SCALARS[score](labels, p) for score in ("accuracy", "auc", JUDGED)}
            for who, p in (
                ("winner", found[0]),
                ("weights", averaged),
                ("probabilities", np.mean(found, axis=0)),
            )
        },
        change=change,
        verdict=verdict(change, higher_is_better=False),
    )
    write_json(out / GAINED, asdict(gained))
    print_plain(console, gained.sentence())
    print_plain(console, f"{out / MODEL} is the averaged model: tlpipe predict {out / MODEL} ...")
    return gained


def _shapes(classifier: Classifier) -> tuple:
    about = classifier.metadata
    weights = [tuple(weight.shape) for weight in classifier.model.weights]
    return about.backbone, about.size, about.resize, tuple(weights)
