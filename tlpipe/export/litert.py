"""LiteRT (once TensorFlow Lite): one file, for phones and small devices."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tlpipe.data.machine import usable_cores
from tlpipe.export.int8 import int8_network
from tlpipe.export.original import Original
from tlpipe.export.signature import signature
from tlpipe.export.written import ABOUT, LABELS

MODEL = "model.tflite"


def write(
    original: Original,
    folder: Path,
    about: dict,
    quantize: str | None,
    calibration: np.ndarray | None,
) -> None:
    """Writes ``model.tflite``.

    Labels and ``about.json`` are associated files, as the format's metadata has them: a zip file
    that follows the network, so that ``unzip`` shows them.
    """
    path = folder / MODEL
    if quantize == "int8":
        path.write_bytes(int8_network(original.model, calibration))
    else:
        small = [tf.lite.Optimize.DEFAULT] if quantize == "dynamic" else []
        original.model.export(
            path,
            format="litert",
            verbose=False,
            input_signature=signature(original.model),
            # Variables would keep the weights from being folded and quantized.
            experimental_enable_resource_variables=False,
            # Without TensorFlow's own operators, which the runtime lacks.
            target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
            optimizations=small,
        )
    with zipfile.ZipFile(path, "a") as archive:
        for name in (LABELS, ABOUT):
            archive.write(folder / name, name)


def opened(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The export as a function of uint8 pictures."""
    interpreter = Interpreter(str(folder / MODEL), num_threads=usable_cores())
    taken = interpreter.get_input_details()[0]["index"]
    given = interpreter.get_output_details()[0]["index"]
    ready: tuple[int, ...] = ()

    def run(pictures: np.ndarray) -> np.ndarray:
        nonlocal ready
        if pictures.shape != ready:
            interpreter.resize_tensor_input(taken, pictures.shape, strict=True)
            interpreter.allocate_tensors()
            ready = pictures.shape
        interpreter.set_tensor(taken, pictures)
        interpreter.invoke()
        return interpreter.get_tensor(given)

    return run
