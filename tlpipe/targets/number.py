"""A number a picture: regression."""

from __future__ import annotations

import math

import keras
import numpy as np

from tlpipe.config.settings import Training
from tlpipe.errors import DataError
from tlpipe.metrics import regression as rg
from tlpipe.metrics.compare import paired
from tlpipe.targets.target import Target, bracketed
from tlpipe.targets.text import number_in


def parse(label: str, where: str | None = None) -> float:
    """The number in a text. Raises DataError, naming ``where``, for what is none or not finite."""
    value = number_in(label)
    if math.isnan(value):
        raise DataError(
            f"The label {label!r} is not a number.",
            where=where,
            cause="--target number needs one for every picture, with a point, as 0.25",
            todo="mend it, give a table (.csv) and name its column of numbers with --label, or "
            "train on classes with --target class",
        )
    return value


class Number(Target):
    """One number. Truth and answers are in the unit of the data; the network's own output has
    mean 0 and deviation 1 over the training part.

    Args:
        name: of the number, such as the column it came from.
        mean: of the training part.
        deviation: of the training part; above 0.
    """

    kind = "number"
    watched = ("mae",)
    judges = ("mae",)
    smaller = ("mae",)
    # Random weights on a thousand features are further off than the mean, and few steps don't mend
    # it.
    starts_at_zero = True

    def __init__(self, name: str, mean: float = 0.0, deviation: float = 1.0):
        super().__init__((name,))
        self.mean, self.deviation = mean, deviation

    def truth(self, labels):
        """float32 (n, 1). Raises DataError for what is no number."""
        return np.array([[parse(label)] for label in labels], "float32").reshape(-1, 1)

    def aims(self, truth):
        """Standardised."""
        return ((truth - self.mean) / self.deviation).astype("float32")

    def loss(self, settings: Training):
        """Huber (1964), which outliers move less than the squared error, or the latter."""
        return keras.losses.Huber() if settings.loss == "huber" else keras.losses.MeanSquaredError()

    def answer_layer(self):
        """Back to the unit of the data."""
        return keras.layers.Rescaling(
            self.deviation, offset=self.mean, name="number", dtype="float32"
        )

    def answers(self, logits):
        """In the unit of the data."""
        return np.asarray(logits, np.float64) * self.deviation + self.mean

    def watch(self, truth, logits):
        """Huber loss of the standardised numbers; mean absolute error in the data's unit."""
        away = np.abs(np.asarray(logits, np.float64) - self.aims(truth))
        huber = np.where(away <= 1, away**2 / 2, away - 0.5)
        return {"val_loss": float(huber.mean()), "val_mae": rg.mae(truth, self.answers(logits))}

    def scores(self, truth, answers, *, seed, **how):
        """See ``metrics.regression.summary``."""
        return rg.summary(truth, answers, seed=seed, **how)

    def difference(self, truth, a, b, score, **how):
        """Paired bootstrap of the absolute errors."""
        errors = (np.abs(self.answers(x) - truth).reshape(-1) for x in (a, b))
        return paired(*errors, **how)

    def headline(self, scores):
        """Mean absolute error, R2, and what the best single answer would give."""
        told = f"mean absolute error {bracketed(scores['mae'], scores['intervals']['mae'])}"
        if scores["r2"] is not None:
            told += f", R2 {bracketed(scores['r2'], scores['intervals']['r2'])}"
        constant = scores["constant"]
        told += f" (always {constant['value']:.4g}: {constant['mae']:.3f})"
        above = scores.get("above")
        if above and above["auc"] is not None:
            auc = bracketed(above["auc"], above["intervals"]["auc"])
            accuracy = bracketed(above["accuracy"], above["intervals"]["accuracy"])
            told += f"; above {above['threshold']:g} or not: AUC {auc}, accuracy {accuracy}"
        return told

    def say(self, answer):
        """Six digits."""
        return f"{float(np.ravel(answer)[0]):.6g}"
