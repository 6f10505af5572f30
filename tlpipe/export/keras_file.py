"""Keras' own format: the model file of the run, or one with the temperature baked in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tlpipe.artifact.model_file import load, save
from tlpipe.export.original import Original

MODEL = "model.keras"


def write(
    original: Original, folder: Path, about: dict, quantize: None, calibration: np.ndarray | None
) -> None:
    """Writes ``model.keras``; the metadata is one more member of the zip file."""
    save(original.model, folder / MODEL, original.metadata)


def opened(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The export as a function of uint8 pictures."""
    model, _ = load(folder / MODEL)
    return lambda pictures: np.asarray(model.predict_on_batch(pictures))
