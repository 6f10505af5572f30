"""The run folder's plots where the answer is not one class: each the text of an SVG file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from tlpipe.audit.svg import MODEL, OTHER, QUIET, Names, svg


def truth_against_answers(truth: np.ndarray, answers: np.ndarray, name: str) -> str:
    """A point a picture: the number that is true, and the one that was predicted.

    Args:
        truth: float (n,).
        answers: float (n,).
        name: of the number.
    """
    truth, answers = np.ravel(truth), np.ravel(answers)
    both = np.concatenate([truth, answers])
    low, high = float(both.min()), float(both.max())
    edge = 0.03 * (high - low or 1)
    title = Names([name])

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        ax.plot([low, high], [low, high], "--", color=QUIET, label="as it should be")
        ax.scatter(truth, answers, s=12, alpha=0.4, color=MODEL, linewidths=0, label="a picture")
        ax.set_xlim(low - edge, high + edge)
        ax.set_ylim(low - edge, high + edge)
        ax.set_aspect("equal")
        ax.set_xlabel(f"{title.drawn[0]}, true")
        ax.set_ylabel("predicted")
        ax.legend(frameon=False)

    return svg(draw, (5, 5), title.restore)


def errors(truth: np.ndarray, answers: np.ndarray) -> str:
    """How often the prediction is off by how much, as SVG.

    Args:
        truth: float (n,).
        answers: float (n,).
    """
    off = np.ravel(answers) - np.ravel(truth)

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        ax.hist(off, bins=min(40, max(8, len(off) // 8)), color=MODEL)
        ax.axvline(0, color="black", linewidth=1)
        ax.set_xlabel("predicted - true")
        ax.set_ylabel("pictures")

    return svg(draw, (5, 3))


def label_scores(per_label: Mapping[str, Mapping[str, float | None]]) -> str:
    """F1 and AUC of each label, the labels from top to bottom, as SVG.

    Args:
        per_label: name to ``f1``, ``auc`` and ``support``; None where undefined.
    """
    names = Names([f"{name} ({row['support']})" for name, row in per_label.items()])
    places = np.arange(len(per_label))

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        for shift, key, title, color in ((-0.2, "f1", "F1", MODEL), (0.2, "auc", "AUC", OTHER)):
            values = [row[key] or 0 for row in per_label.values()]
            ax.barh(places + shift, values, 0.36, color=color, label=title)
        ax.set_yticks(places, names.drawn)
        ax.invert_yaxis()
        ax.set_xlim(0, 1)
        ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)

    return svg(draw, (6, 1.2 + 0.5 * len(per_label)), names.restore)
