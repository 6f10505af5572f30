"""An export against its model, on real pictures, in the export's own runtime."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlpipe.config.settings import Export
from tlpipe.errors import ExportError
from tlpipe.export.variants import Variant
from tlpipe.metrics.multilabel import label_accuracy
from tlpipe.targets.target import Target

Run = Callable[[np.ndarray], np.ndarray]
# Pictures that are given a second time, and then all at once.
_AGAIN = 32
_WARM = 3


@dataclass(frozen=True)
class Trial:
    """What an export is measured against.

    Attributes:
        pictures: uint8 (n, size, size, channels).
        expected: what the model says of them, float32 (n, outputs).
        truth: what they are, float32 (n, outputs).
        target: what outputs mean.
    """

    pictures: np.ndarray
    expected: np.ndarray
    truth: np.ndarray
    target: Target

    @property
    def scale(self) -> float:
        """What differences are relative to: 1 for probabilities, the spread of a number."""
        if self.target.kind != "number":
            return 1.0
        return float(self.truth.std()) or 1.0

    @property
    def measure(self) -> str:
        """What :meth:`score` is called."""
        return "skill" if self.target.kind == "number" else "accuracy"

    def score(self, answers: np.ndarray) -> float:
        """Share of right answers; of a number, of the median's absolute error that is saved."""
        if self.target.kind == "class":
            return float((answers.argmax(axis=1) == self.truth.argmax(axis=1)).mean())
        if self.target.kind == "labels":
            return label_accuracy(self.truth, answers, self.target.thresholds)
        guess = np.abs(self.truth - np.median(self.truth)).mean()
        return float(1 - np.abs(answers - self.truth).mean() / max(guess, 1e-12))

    def agreement(self, answers: np.ndarray) -> float | None:
        """Share of pictures of which the same is said; None of a number."""
        if self.target.kind == "number":
            return None
        say = self.target.say
        return float(
            np.mean([say(a) == say(b) for a, b in zip(answers, self.expected, strict=True)])
        )


@dataclass(frozen=True)
class Measured:
    """What the check found: the content of ``check.json``.

    Attributes:
        format: which export.
        pictures: how many were compared.
        difference: the largest between export and model, in probability (of a number, in its
            standard deviations).
        mean_difference: the mean of the same.
        agreement: share of pictures with the same answer; None of a number.
        measure: ``accuracy``, or ``skill`` of a number.
        score: of the export.
        score_of_model: of the model, on the same pictures.
        bytes: size on disk of the model file or folder.
        milliseconds: a picture, one at a time, median.
    """

    format: str
    pictures: int
    difference: float
    mean_difference: float
    agreement: float | None
    measure: str
    score: float
    score_of_model: float
    bytes: int
    milliseconds: float


def measure(variant: Variant, run: Run, trial: Trial, path: Path) -> Measured:
    """Runs an export on the trial's pictures, some of them twice, some at once.

    Raises:
        ExportError: it answers with another shape or type, differently the second time, or
            differently when pictures come together.
    """
    answers, milliseconds = timed(run, trial.pictures)
    if answers.shape != trial.expected.shape or answers.dtype != np.float32:
        raise ExportError(
            f"The export '{variant.name}' gives {answers.dtype} {answers.shape}, and the model "
            f"float32 {trial.expected.shape}.",
            todo="please report it: no model should lead here",
        )
    some = trial.pictures[:_AGAIN]
    again = np.concatenate([run(picture[None]) for picture in some])
    if not np.array_equal(again, answers[: len(some)]):
        moved = np.abs(again - answers[: len(some)]).max()
        raise ExportError(
            f"The export '{variant.name}' answers differently when it is asked twice (by up to "
            f"{moved:.3g}).",
            cause="a layer of the model augments or drops out also when nothing is trained",
            todo="take it out of the model: augmentation is what `--augment` is for",
        )
    away = np.abs(answers.astype(np.float64) - trial.expected) / trial.scale
    together = np.abs(run(some).astype(np.float64) - trial.expected[: len(some)]) / trial.scale
    return Measured(
        variant.name,
        len(answers),
        float(np.max([away.max(), together.max()])),
        float(away.mean()),
        trial.agreement(answers),
        trial.measure,
        trial.score(answers),
        trial.score(trial.expected),
        _size(path),
        milliseconds,
    )


def judge(variant: Variant, found: Measured, settings: Export) -> None:
    """Raises ExportError when an export is further from the model than ``settings`` allow."""
    limit = {None: settings.difference, "float16": settings.difference_float16}.get(
        variant.quantize, np.inf
    )
    # Written so that a difference that is no number is refused too.
    if not found.difference <= limit:
        raise ExportError(
            f"The export '{variant.name}' disagrees with the model: it differs by up to "
            f"{found.difference:.3g} on {found.pictures} pictures.",
            cause=f"at most {limit:g} is allowed",
            todo="choose another format; --set export.difference"
            f"{'_float16' if variant.quantize else ''}=... allows more",
        )
    lost = found.score_of_model - found.score
    most = max(settings.loss, 1 / found.pictures)
    if variant.quantize and not lost <= most + 1e-9:
        raise ExportError(
            f"The export '{variant.name}' is worse than the model: {found.measure} "
            f"{found.score:.3f} against {found.score_of_model:.3f} on {found.pictures} pictures.",
            cause=f"at most {most:.3f} less is allowed",
            todo="choose another --quantize, or for int8 more pictures to take its ranges from, "
            "--set export.calibration=500; --set export.loss=... allows more",
        )


def timed(run: Run, pictures: np.ndarray) -> tuple[np.ndarray, float]:
    """Answers, one picture at a time, and the median of the milliseconds that each took."""
    for picture in pictures[:_WARM]:
        run(picture[None])
    answers, seconds = [], []
    for picture in pictures:
        start = time.perf_counter()
        answers.append(np.array(run(picture[None])))
        seconds.append(time.perf_counter() - start)
    return np.concatenate(answers), float(np.median(seconds)) * 1000


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
