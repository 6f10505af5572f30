"""TensorFlow's SavedModel: a folder, read by TensorFlow, TF Serving and their like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tlpipe.export.original import Original
from tlpipe.export.signature import signature
from tlpipe.export.written import write_words

MODEL = "model"
# Where SavedModel keeps what is not for the graph.
_EXTRA = "assets.extra"


def write(
    original: Original, folder: Path, about: dict, quantize: None, calibration: np.ndarray | None
) -> None:
    """Writes ``model/``; its endpoint is called ``serve``."""
    path = folder / MODEL
    original.model.export(path, verbose=False, input_signature=signature(original.model))
    extra = path / _EXTRA
    extra.mkdir()
    write_words(extra, about)


def opened(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The export as a function of uint8 pictures."""
    loaded = tf.saved_model.load(str(folder / MODEL))
    return lambda pictures: keras.ops.convert_to_numpy(loaded.serve(tf.constant(pictures)))
