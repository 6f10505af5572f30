"""Trials that go wrong: a score that looks at which trial it is asked for.

The search calls it in the trial's own process, whose argument is the trial's file.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

from tlpipe.metrics.scores import log_loss

NAN, EXITS, EATS = "0001", "0002", "0003"


def score(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Minus the log loss, but for the planted ones."""
    trial = Path(sys.argv[1]).stem
    if trial == NAN:
        return float("nan")
    if trial == EXITS:
        print("the last words of a process", flush=True)
        os._exit(7)
    if trial == EATS:
        eaten = []
        while True:
            eaten.append(np.ones(12_500_000))
            time.sleep(0.05)
    return -log_loss(labels, probabilities)
