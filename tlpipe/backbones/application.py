"""The networks of ``keras.applications`` as one flat graph, preprocessing inside."""

from __future__ import annotations

import warnings

import keras
import numpy as np

from tlpipe.backbones import keras_weights
from tlpipe.backbones.flatten import flatten
from tlpipe.backbones.preprocess import DEVIATION, MEAN, preprocess
from tlpipe.backbones.registry import Spec
from tlpipe.backbones.torchvision_weights import load_torchvision_weights, twin
from tlpipe.backbones.weights import Weights
from tlpipe.errors import BackboneError


def application(spec: Spec, size: int, chosen: Weights) -> keras.Model:
    """Build one with its weights, under the global dtype policy.

    Args:
        spec: of kind ``application``; its preprocessing is the one that is put inside.
        size: input height and width in pixels.
        chosen: from ``choose_weights``; with a torchvision file the graph is torchvision's.

    Returns:
        Input ``image``: uint8 RGB (batch, size, size, 3); output: the last feature map.

    Raises:
        BackboneError: weights can't be fetched, or don't fit.
    """
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    options = {"include_top": False, "input_tensor": preprocess(image, spec.preprocessing)}
    if spec.family in ("EfficientNetV2", "ConvNeXt") or spec.name.startswith("mobilenetv3"):
        options["include_preprocessing"] = False
    if spec.keras_sizes:
        # These choose their weights by the shape, and don't look at the tensor.
        options["input_shape"] = (size, size, 3)
    constructor = getattr(keras.applications, spec.builder)
    with warnings.catch_warnings(), keras_weights.download_errors(spec, size):
        # Which weights were taken stands in Backbone.weights.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
        model = constructor(weights="imagenet" if chosen.imagenet else None, **options)
    legacy = chosen.file is not None and keras_weights.is_legacy(chosen.file)
    # Published files have the layout of the network as Keras nests it.
    if legacy:
        keras_weights.load_keras_file(model, chosen.file, spec.name)
    if spec.family == "EfficientNet":
        model = _without_inner_preprocessing(model, loaded=legacy or chosen.imagenet)
    elif spec.family == "ConvNeXt":
        model = flatten(model)
    elif chosen.torch:
        model = twin(model)
    # Keras makes a list of the one input.
    model = keras.Model(model.inputs[0], model.outputs[0], name=spec.name)
    if chosen.torch:
        load_torchvision_weights(model, chosen.file, spec.name)
    elif chosen.file is not None and not legacy:
        keras_weights.load_keras_file(model, chosen.file, spec.name)
    return model


def _without_inner_preprocessing(model: keras.Model, loaded: bool) -> keras.Model:
    """Take EfficientNet's own preprocessing out: ours in front of it does the same, in float32.

    Keras scales to 0..1, takes the mean off and divides by the root of a "variance" that its
    weights files fill with the deviation, then by that root again (tensorflow#49930). So the
    whole is the plain (x - mean) / deviation; checked here, lest another file differ in silence.
    """
    norm = next(op for op in model.layers if isinstance(op, keras.layers.Normalization))
    if loaded:
        mean, variance = (np.ravel(keras.ops.convert_to_numpy(w)) for w in norm.weights[:2])
        if not np.allclose(mean, MEAN, atol=1e-3) or not np.allclose(
            variance, DEVIATION, atol=1e-3
        ):
            raise BackboneError(
                f"The weights file holds another preprocessing than '{model.name}' has.",
                cause=f"mean {mean.tolist()}, variance {variance.tolist()}",
                todo="use Keras' own file, or weights saved from a model tlpipe built",
            )
    inner = (keras.layers.Normalization, keras.layers.Rescaling)
    return flatten(model, skip=lambda op: isinstance(op, inner) and op.name != "preprocess")
