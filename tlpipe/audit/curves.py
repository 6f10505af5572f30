"""Plots of one score against another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from tlpipe.audit.svg import MODEL, OTHER, QUIET, Names, svg

# More lines than this can't be told apart.
_MOST = 10


def roc_and_pr(curves: Mapping[str, dict]) -> str:
    """ROC and precision-recall curves side by side, as SVG.

    Args:
        curves: by class: ``roc`` (false, true positive rate), ``pr`` (recall, precision), ``auc``
            and ``average_precision``. Of more than ten, the ten lowest by AUC are drawn.
    """
    drawn = sorted(curves, key=lambda name: curves[name]["auc"])[:_MOST]
    names = Names(drawn)

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for name, shown in zip(drawn, names.drawn, strict=True):
            curve = curves[name]
            left.plot(*curve["roc"], linewidth=1.4, label=shown)
            right.plot(*curve["pr"], linewidth=1.4)
        left.plot([0, 1], [0, 1], "--", color=QUIET, linewidth=1)
        left.set(xlabel="false positive rate", ylabel="true positive rate")
        right.set(xlabel="recall", ylabel="precision")
        for axes in (left, right):
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        left.legend(frameon=False, fontsize=8, loc="lower right")

    return svg(draw, (8, 3.8), names.restore)


def coverage(confidence: np.ndarray, right: np.ndarray) -> str:
    """Accuracy of the pictures it is surest of, against the share of them, as SVG.

    Args:
        confidence: float (n,), of the predicted class.
        right: bool (n,).
    """
    order = np.argsort(-confidence, kind="stable")
    n = np.arange(1, len(order) + 1)
    accuracy = np.cumsum(right[order]) / n

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        # The first few pictures are noise: one error in five is no 80 %.
        start = min(len(n) - 1, 10)
        axes.plot(n[start:] / len(n), accuracy[start:], color=MODEL)
        axes.axhline(float(np.mean(right)), color=OTHER, linestyle="--", linewidth=1)
        axes.set(xlim=(0, 1.02), xlabel="share of pictures that get an answer", ylabel="accuracy")
        axes.set_ylim(top=1.005)

    return svg(draw, (5, 3.2))
