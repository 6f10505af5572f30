"""One class a picture: softmax."""

from __future__ import annotations

import keras
import numpy as np

from tlpipe.config.settings import Training
from tlpipe.errors import DataError
from tlpipe.metrics import scores as sc
from tlpipe.metrics.bootstrap import with_intervals
from tlpipe.metrics.compare import difference
from tlpipe.metrics.temperature import fit_temperature
from tlpipe.targets.target import Target, bracketed


class Classes(Target):
    """One of k classes. Truth is one-hot, answers are probabilities whose sum is 1."""

    kind = "class"
    watched = ("auc", "accuracy")
    judges = ("log_loss", "accuracy", "auc")
    smaller = ("log_loss",)
    can_balance = True

    def truth(self, labels):
        """One-hot, float32 (n, k). Raises DataError for an unknown class."""
        number = {name: i for i, name in enumerate(self.names)}
        unknown = next((label for label in labels if label not in number), None)
        if unknown is not None:
            raise DataError(
                f"The class '{unknown}' is unknown to the model.",
                cause=f"it knows {', '.join(self.names)}",
                todo="rename it, or train on these classes",
            )
        return np.eye(len(self.names), dtype="float32")[[number[label] for label in labels]]

    def weights(self, truth):
        """n / (k * count of the picture's class), so that the classes weigh the same."""
        counts = truth.sum(axis=0)
        each = (len(truth) / (truth.shape[1] * np.maximum(counts, 1))).astype("float32")
        return each[truth.argmax(axis=1)]

    def loss(self, settings: Training):
        """Cross-entropy from logits, with label smoothing."""
        return keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=settings.label_smoothing
        )

    def answer_layer(self):
        """Softmax."""
        return keras.layers.Softmax(name="probabilities", dtype="float32")

    def answers(self, logits):
        """Probabilities."""
        return sc.softmax(logits)

    def watch(self, truth, logits):
        """Log loss, AUC and accuracy."""
        labels, p = truth.argmax(axis=1), sc.softmax(logits)
        return {
            "val_loss": sc.log_loss(labels, p),
            "val_accuracy": sc.accuracy(labels, p),
            "val_auc": sc.auc(labels, p),
        }

    def scores(self, truth, answers, *, seed, **how):
        """See ``metrics.bootstrap.with_intervals``."""
        return with_intervals(truth.argmax(axis=1), answers, self.names, seed=seed, **how)

    def difference(self, truth, a, b, score, **how):
        """See ``metrics.compare.difference``."""
        return difference(truth.argmax(axis=1), sc.softmax(a), sc.softmax(b), score, **how)

    def fitted(self, truth, logits):
        """The temperature."""
        return {"temperature": fit_temperature(truth.argmax(axis=1), logits)}

    def headline(self, scores):
        """Accuracy, AUC, macro-F1, and what always answering the most common class would give."""
        shown = []
        for name, key in (("accuracy", "accuracy"), ("AUC", "auc"), ("macro-F1", "macro_f1")):
            if scores[key] is not None:
                shown.append(f"{name} {bracketed(scores[key], scores['intervals'][key])}")
        common, share = sc.majority(scores)
        return f"{', '.join(shown)} (always '{common}': {share:.3f})"

    def say(self, answer):
        """The most probable class."""
        return self.names[int(np.argmax(answer))]
