"""ONNX: one file, read by ONNX Runtime and many others."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from tlpipe.data.machine import usable_cores
from tlpipe.export.original import Original
from tlpipe.export.signature import signature
from tlpipe.training.fast import fast

MODEL = "model.onnx"
_ERRORS_ONLY = 3


def write(
    original: Original,
    folder: Path,
    about: dict,
    quantize: str | None,
    calibration: np.ndarray | None,
) -> None:
    """Writes ``model.onnx``; what ``about.json`` says is its metadata, each value as JSON."""
    path = folder / MODEL
    # Folded: what is not, tf2onnx leaves behind depthwise convolutions.
    network = fast(original.model)
    network.export(path, format="onnx", verbose=False, input_signature=signature(network))
    model = onnx.load(path)
    _name_output(model.graph, "number" if about["target"] == "number" else "probabilities")
    if quantize == "float16":
        model = _half(model)
    onnx.helper.set_model_props(
        model, {key: json.dumps(value, ensure_ascii=False) for key, value in about.items()}
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)


def opened(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The export as a function of uint8 pictures."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = usable_cores()
    session = onnxruntime.InferenceSession(
        folder / MODEL, options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda pictures: session.run(None, {name: pictures})[0]


def _name_output(graph: onnx.GraphProto, name: str) -> None:
    (output,) = graph.output
    for node in graph.node:
        for names in (node.input, node.output):
            for i, each in enumerate(names):
                if each == output.name:
                    names[i] = name
    output.name = name


def _half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights and arithmetic in float16; input and output stay as they are."""
    path = list(sys.path)
    # The runtime's own; that of onnxconverter-common, from which it comes, is looked after less.
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    # Importing them adds a folder with modules of common names.
    sys.path[:] = path
    model = convert_float_to_float16(model, keep_io_types=True)
    # Its casts stand at the end, whoever needs them.
    OnnxModel.graph_topological_sort(model.graph, is_deterministic=True)
    return model
