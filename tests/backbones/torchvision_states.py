"""State dicts in torchvision's layout with random numbers, made without PyTorch."""

from __future__ import annotations

import math

import numpy as np


def random_state(entries: list[list]) -> dict[str, np.ndarray]:
    """Numbers for (name, shape) of each entry; from a fixed seed, so that the maker has the same.

    BatchNorms hold what is far from their first state. Larger convolutions in front of them would
    make the network chaotic: PyTorch's own float32 would differ from its float64 by 1e-4.
    """
    rng = np.random.default_rng(20)
    names = {name for name, _ in entries}
    made = {}
    for name, shape in entries:
        if name.endswith("num_batches_tracked"):
            made[name] = np.array(7, "<i8")
        elif len(shape) > 1:
            normed = name.removesuffix("weight") + "bias" not in names
            deviation = math.sqrt((1 if normed else 2) / math.prod(shape[1:]))
            made[name] = rng.normal(0, deviation, shape).astype("<f4")
        elif name.endswith(("weight", "running_var")):
            made[name] = rng.uniform(0.5, 1.5, shape).astype("<f4")
        else:
            made[name] = rng.normal(0, 0.2, shape).astype("<f4")
    return made
