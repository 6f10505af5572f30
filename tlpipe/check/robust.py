"""What is unusual among numbers, by measures that the unusual ones can't move."""

from __future__ import annotations

import numpy as np

# "Outlier", in Iglewicz and Hoaglin's words.
OUTLIER = 3.5


def robust_z(values: np.ndarray, least: float = 0.0) -> np.ndarray:
    """How many robust standard deviations each number lies above the median, float64 (n,).

    (x - median) / (1.4826 MAD); where most are equal, and the MAD therefore 0, the mean absolute
    deviation times 1.2533 takes its place (Iglewicz and Hoaglin, "How to Detect and Handle
    Outliers", 1993).

    Args:
        values: float (n,).
        least: the smallest deviation that counts as one; keeps what hardly varies from being
            divided by next to nothing.
    """
    x = np.asarray(values, np.float64)
    if not len(x):
        return x
    away = x - np.median(x)
    spread = 1.4826 * float(np.median(np.abs(away))) or 1.2533 * float(np.abs(away).mean())
    spread = max(spread, least)
    return away / spread if spread else np.zeros(len(x))
