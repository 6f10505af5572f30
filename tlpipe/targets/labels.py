"""Any number of labels a picture: a sigmoid each."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from tlpipe.config.settings import Training
from tlpipe.errors import DataError
from tlpipe.metrics import multilabel as ml
from tlpipe.metrics.compare import difference_of, paired
from tlpipe.targets.target import Target, bracketed
from tlpipe.targets.text import BETWEEN, names_in


class Labels(Target):
    """Each of k labels holds or does not. Truth is 0 or 1, answers are k probabilities.

    Args:
        names: of the labels.
        thresholds: k probabilities from which on a label is given; 0.5 until they are fitted.
    """

    kind = "labels"
    watched = ("accuracy", "auc")
    judges = ("log_loss", "accuracy", "auc")
    smaller = ("log_loss",)

    def __init__(self, names: Sequence[str], thresholds: Sequence[float] = ()):
        super().__init__(names)
        self.thresholds = tuple(thresholds) or (0.5,) * len(self.names)

    def truth(self, labels):
        """0 or 1, float32 (n, k). Raises DataError for an unknown label."""
        number = {name: i for i, name in enumerate(self.names)}
        found = np.zeros((len(labels), len(self.names)), "float32")
        for row, label in enumerate(labels):
            for name in names_in(label):
                if name not in number:
                    raise DataError(
                        f"The label '{name}' is unknown to the model.",
                        cause=f"it knows {', '.join(self.names)}",
                        todo="rename it, or train on these labels",
                    )
                found[row, number[name]] = 1
        return found

    def loss(self, settings: Training):
        """Binary cross-entropy from logits, the mean over the labels, with label smoothing."""
        return keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=settings.label_smoothing
        )

    def answer_layer(self):
        """A sigmoid each."""
        return keras.layers.Activation("sigmoid", name="probabilities", dtype="float32")

    def answers(self, logits):
        """Probabilities."""
        logits = np.asarray(logits, np.float64)
        return np.exp(-np.logaddexp(0, -logits))

    def watch(self, truth, logits):
        """Log loss, share of right answers at 0.5, and mean AUC."""
        p = self.answers(logits)
        return {
            "val_loss": float(ml.log_losses(truth, p).mean()),
            "val_accuracy": ml.label_accuracy(truth, p),
            "val_auc": ml.auc(truth, p),
        }

    def scores(self, truth, answers, *, seed, **how):
        """See ``metrics.multilabel.summary``."""
        return ml.summary(truth, answers, self.names, thresholds=self.thresholds, seed=seed, **how)

    def difference(self, truth, a, b, score, **how):
        """Paired bootstrap; ``accuracy`` is the share of right answers at 0.5."""
        p_a, p_b = self.answers(a), self.answers(b)
        if score == "auc":
            return difference_of(
                ml.auc(truth, p_a),
                ml.auc(truth, p_b),
                *(ml.macro_auc(*ml.checked(truth, p)) for p in (p_a, p_b)),
                n=len(truth),
                **how,
            )
        if score == "log_loss":
            return paired(ml.log_losses(truth, p_a), ml.log_losses(truth, p_b), **how)
        right = (((p >= 0.5) == (truth > 0.5)).mean(axis=1) for p in (p_a, p_b))
        return paired(*right, **how)

    def fitted(self, truth, logits):
        """The thresholds of the largest F1."""
        return {"thresholds": ml.best_thresholds(truth, self.answers(logits))}

    def headline(self, scores):
        """All labels right, answers right, AUC, macro-F1."""
        names = {
            "exact_match": "all labels right",
            "label_accuracy": "answers right",
            "auc": "AUC",
            "macro_f1": "macro-F1",
        }
        shown = [
            f"{name} {bracketed(scores[key], scores['intervals'][key])}"
            for key, name in names.items()
            if scores[key] is not None
        ]
        return f"{', '.join(shown)} (never any label: answers right {scores['none_right']:.3f})"

    def say(self, answer):
        """The labels at or above their thresholds."""
        given = zip(self.names, answer, self.thresholds, strict=True)
        return BETWEEN.join(name for name, p, threshold in given if p >= threshold)
