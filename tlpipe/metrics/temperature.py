"""Temperature scaling: probabilities as honest as one number can make them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from tlpipe.metrics.scores import log_loss, softmax

# Beyond these the validation part is too small, or all right, and says nothing of confidence.
LOWEST, HIGHEST = 0.25, 10.0


def fit_temperature(labels: ArrayLike, logits: ArrayLike) -> float:
    """The number that logits are divided by for the lowest log loss.

    Guo et al. 2017, "On Calibration of Modern Neural Networks". The predicted class never changes.

    Args:
        labels: int (n,), of pictures that were not trained on.
        logits: float (n, k).

    Returns:
        Between 0.25 and 10; above 1 the model was too sure of itself.
    """
    labels, logits = np.asarray(labels), np.asarray(logits, np.float64)

    def loss(power: float) -> float:
        return log_loss(labels, softmax(logits / np.exp(power)))

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def tempered(probabilities: ArrayLike, temperature: float) -> np.ndarray:
    """Probabilities (n, k) as they would be with the logits divided by ``temperature``.

    The logarithm of a probability is its logit but for a constant, which softmax takes out.
    """
    floor = np.finfo(np.float32).tiny
    p = np.log(np.maximum(np.asarray(probabilities, np.float64), floor))
    return softmax(p / temperature)
