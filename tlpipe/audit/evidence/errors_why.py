"""Why a prediction is wrong: one likely cause for each error, from what the audit found."""

from __future__ import annotations

import numpy as np

# In this order: a doubtful label says nothing of the model, a shortcut is proven by experiment, the
# next two are about the picture itself, and a weak slice holds many pictures that are in order.
SHORTCUT = "bias: a shortcut"
CAUSES = {
    "wrong label": "the label is likely to be wrong, not the prediction",
    SHORTCUT: "the picture holds an artefact that the model takes for the class it named",
    "out of distribution": "the picture is unlike those the model was trained on",
    "ambiguous": "the model is unsure, and rightly: the two likeliest classes are nearly tied",
    "bias: a weak slice": "the picture is of a kind that the model is weak on",
    "unexplained": "confident and none of these: too little regularisation, or an unknown cause",
}


def ambiguous(
    probabilities: np.ndarray, *, margin: float = 0.2, entropy: float = 0.8
) -> np.ndarray:
    """Bool (n,): the two likeliest classes nearly tied, or nearly all classes.

    Args:
        probabilities: float (n, k), calibrated, k at least 2.
        margin: between the two likeliest classes, below which they are tied.
        entropy: as a share of the largest possible one, above which all are.
    """
    p = np.asarray(probabilities, np.float64)
    top = np.sort(p, axis=1)[:, ::-1]
    spread = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1) / np.log(p.shape[1])
    return (top[:, 0] - top[:, 1] < margin) | (spread > entropy)


def likely_causes(
    wrong: np.ndarray,
    *,
    label: np.ndarray,
    shortcut: np.ndarray,
    outlier: np.ndarray,
    unsure: np.ndarray,
    slice_: np.ndarray,
) -> dict[int, str]:
    """One cause of ``CAUSES`` for each wrong prediction: the first that applies, in their order.

    Args:
        wrong: bool (n,): the prediction is not the label.
        label: bool (n,): the label is likely to be wrong.
        shortcut: bool (n,): it holds an artefact, confirmed by a counterfactual, of the class that
            it is taken for.
        outlier: bool (n,): it is unlike the training pictures.
        unsure: bool (n,): see ``ambiguous``.
        slice_: bool (n,): it lies in a slice that is weak.

    Returns:
        Row to cause, rows in ascending order.
    """
    signs = (label, shortcut, outlier, unsure, slice_, np.ones(len(wrong), bool))
    first = np.stack([np.asarray(sign, bool) for sign in signs]).argmax(axis=0)
    names = tuple(CAUSES)
    return {int(row): names[first[row]] for row in np.flatnonzero(wrong)}


def counts(causes: dict[int, str]) -> dict[str, int]:
    """How many errors each cause of ``CAUSES`` has, zeros included."""
    found = list(causes.values())
    return {name: found.count(name) for name in CAUSES}
