"""The forward pass of what does not train: on a CPU with a small cache few pictures at a time."""

from __future__ import annotations

import keras
import numpy as np

from tlpipe.data.machine import last_cache
from tlpipe.training.device import gpus
from tlpipe.training.devices import ONE, OneDevice, padded

# Lite0 at 224 px, 8 pictures at a time against 32: .71 to .86 of the time where the last cache has
# 32 MB (Zen 3), 1.29 times where it has 480 MB (Sapphire Rapids). The first maps of 32 take 51 MB.
_AT_ONCE = 8
_SMALL_CACHE = 64 << 20


def forward(model: keras.Model, pictures: np.ndarray, devices: OneDevice = ONE) -> list[np.ndarray]:
    """Every output of ``model``, each (b, ...).

    Args:
        model: with one input.
        pictures: (b, ...); where b changes from call to call the model may be compiled again.
        devices: where it computes; several get the whole batch, and so does a GPU.
    """
    count = len(pictures)
    cache = last_cache()
    roomy = cache is None or cache >= _SMALL_CACHE
    size = count if devices.names or gpus() or roomy else min(count, _AT_ONCE)
    whole = padded(pictures, -count % size)
    found = []
    for start in range(0, count, size):
        outputs = devices.predict(model, whole[start : start + size])
        found.append(outputs if isinstance(outputs, list | tuple) else [outputs])
    return [np.concatenate(parts)[:count] for parts in zip(*found, strict=True)]
