"""Proof that the frozen part did not change."""

from __future__ import annotations

import hashlib

import keras
import numpy as np

from tlpipe.errors import TrainingError


def frozen_weights(whole: keras.Model) -> list:
    """Every weight of the layers that don't train, BatchNorm statistics included."""
    return [weight for layer in whole.layers if not layer.trainable for weight in layer.weights]


def fingerprint(weights: list) -> str:
    """SHA-256 over the bytes of the weights, in order."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)).tobytes())
    return digest.hexdigest()


def assert_unchanged(before: str, whole: keras.Model, step: str) -> None:
    """Raises TrainingError when one bit of the frozen part is not what it was."""
    if fingerprint(frozen_weights(whole)) != before:
        raise TrainingError(
            f"A weight that must stay frozen changed during step '{step}'.",
            cause="this is a defect of tlpipe or of a custom layer that updates itself",
            todo="run again with --debug and report it with the output of `tlpipe doctor`",
        )
