"""LiteRT with int8 weights and activations, but for the layers that rounding ruins."""

from __future__ import annotations

import csv
import io
import tempfile

import keras
import numpy as np
import tensorflow as tf

from tlpipe.export.signature import signature

# Rounding alone errs by 0.29 of a step (1 / sqrt(12)). What errs by twice as much has weights that
# int8 can't hold: in EfficientNet-Lite0 the stem and block1, whose BatchNorms scale the channels
# very differently. Left in float32 (1 % more bytes) they halve the error of all probabilities.
MOST_STEPS = 0.6
# Pictures that the errors of the layers are measured on.
_LOOK = 8


def int8_network(model: keras.Model, calibration: np.ndarray) -> bytes:
    """The network as a LiteRT file; uint8 comes in and float32 goes out all the same.

    Weights have a step a channel, activations a step a tensor, from their ranges over pictures.

    Args:
        model: uint8 pictures to answers.
        calibration: uint8 (n, size, size, channels), training pictures, not augmented.
    """
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False, input_signature=signature(model))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
            tf.lite.OpsSet.TFLITE_BUILTINS,
        ]
        converter.representative_dataset = lambda: ([p[None]] for p in calibration)
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=lambda: ([p[None]] for p in calibration[:_LOOK])
        )
    debugger.run()
    sheet = io.StringIO()
    debugger.layer_statistics_dump(sheet)
    sheet.seek(0)
    debugger.options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_nodes=_ruined(list(csv.DictReader(sheet)))
    )
    return debugger.get_nondebug_quantized_model()


def _ruined(layers: list[dict[str, str]]) -> list[str]:
    """Tensors of the layers to leave alone, and of what is done to the picture before the first."""
    names, before = [], []
    for number, layer in enumerate(layers):
        error = float(layer["mean_squared_error"]) ** 0.5
        if error > MOST_STEPS * float(layer["scale"]):
            if len(before) == number:
                names += before
            names.append(layer["tensor_name"])
        elif layer["op_name"] in ("MUL", "ADD", "SUB"):
            before.append(layer["tensor_name"])
    return names
