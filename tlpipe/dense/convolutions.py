"""A classifier turned into a network that gives a map of scores for a larger picture.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation" (2015),
https://arxiv.org/abs/1411.4038; Sermanet et al., "OverFeat" (2014),
https://arxiv.org/abs/1312.6229.
"""

from __future__ import annotations

from itertools import pairwise

import keras

from tlpipe.backbones.graph import Cut, Step, cut_points, steps
from tlpipe.dense.head import Head
from tlpipe.dense.network import DenseNetwork
from tlpipe.dense.retrace import again, retrace, shapes_at
from tlpipe.dense.strides import CONVOLUTIONS, POOLINGS, jumps
from tlpipe.errors import BackboneError

_ONE_SIZE = ("Reshape", "Resizing", "CenterCrop", "RandomCrop")


def to_convolutions(model: keras.Model) -> DenseNetwork:
    """The classifier as a fully convolutional network for pictures of any size.

    Global pooling becomes pooling over windows as large as the training map, Dense behind Flatten
    a convolution as large as that map, other Dense layers 1x1 convolutions; dropout is left out.
    Every weight is the classifier's own: layers that need not change are shared, those of the head
    are copied, bit by bit. A network of 224 px whose last map is 7x7 gives a map of 6x6 for a
    picture of 384 px.

    Without padding each place of the map is, but for rounding, what the classifier says of that
    window. With zero padding it is not, and with squeeze-excitation, which pools the whole larger
    picture, the windows depend on one another: the result's ``notes`` say so.

    Args:
        model: one flat functional graph of layers, pictures (b, h, w, 3) with fixed h and w to
            scores (b, classes), channels last.

    Raises:
        BackboneError: a layer has no such form (SPP, NetVLAD, GeM, a Reshape of the map, ...).
    """
    size = _size(model)
    features, behind = _split(model)
    head = Head(features.tensor)
    in_head = {id(step.outputs[0]) for step in behind}

    def call(step: Step, args: tuple, kwargs: dict):
        if id(step.outputs[0]) in in_head:
            return head(step, args, kwargs)
        _check(step)
        return again(step, args, kwargs)

    entry = model.inputs[0]
    image = keras.Input((None, None, entry.shape[-1]), dtype=entry.dtype, name=entry.name)
    scores = retrace(model, image, call)[id(model.outputs[0])]
    dense = keras.Model(image, scores, name=f"{model.name}_dense")
    stride = jumps(dense)[id(scores)]
    check_map(dense, size, stride)
    before = steps(model)[: features.position]
    squeezes = [step.operation.name for step in before if _pools_all(step)]
    return DenseNetwork(
        dense,
        size,
        stride,
        grid=stride,
        padded=any(map(_pads, before)),
        squeezed=next(iter(squeezes), ""),
    )


def check_map(dense: keras.Model, size: tuple[int, int], stride: int) -> None:
    """Raises BackboneError unless each ``stride`` pixels beyond ``size`` give one more score."""
    for count in (1, 2):
        picture = tuple(side + (count - 1) * stride for side in size)
        rows, columns = shapes_at(dense, picture)[id(dense.outputs[0])][1:3]
        if (rows, columns) != (count, count):
            raise BackboneError(
                f"The network can't be made to give a map with the stride {stride}.",
                cause=f"a picture of {picture[0]}x{picture[1]} px gives a map of {rows}x{columns}",
            )


def _size(model: keras.Model) -> tuple[int, int]:
    shape = model.inputs[0].shape
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(shape) != 4 or None in shape[1:]:
        raise BackboneError(
            "Only a network from one picture of fixed size to one row of scores has a dense form.",
            cause=f"inputs {[tuple(t.shape) for t in model.inputs]}, "
            f"outputs {[tuple(t.shape) for t in model.outputs]}",
        )
    return shape[1], shape[2]


def _split(model: keras.Model) -> tuple[Cut, list[Step]]:
    """The cut at the last feature map, and the steps behind it."""
    cuts = cut_points(model)
    features = next((a for a, b in pairwise(cuts) if _is_pooled(b.tensor)), None)
    if features is None or len(features.tensor.shape) != 4 or len(model.outputs[0].shape) != 2:
        raise BackboneError(
            f"'{model.name}' is no classifier on a feature map.",
            cause="a map (h, w, channels) that everything passes, and behind it a head, are needed",
        )
    return features, steps(model)[features.position :]


def _is_pooled(tensor: keras.KerasTensor) -> bool:
    maker = tensor._keras_history.operation
    return len(tensor.shape) == 2 or isinstance(
        maker, keras.layers.GlobalAveragePooling2D | keras.layers.GlobalMaxPooling2D
    )


def _is_map(tensor: keras.KerasTensor) -> bool:
    return len(tensor.shape) == 4 and tuple(tensor.shape[1:3]) != (1, 1)


def _pools_all(step: Step) -> bool:
    """Squeeze: from a map to one vector, other than by a window of its own size."""
    return (
        bool(step.inputs)
        and _is_map(step.inputs[0])
        and not isinstance(step.operation, CONVOLUTIONS + POOLINGS)
        and (len(step.outputs[0].shape) == 2 or tuple(step.outputs[0].shape[1:3]) == (1, 1))
    )


def _check(step: Step) -> None:
    layer = step.operation
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        cause = "its channels come first"
    elif isinstance(layer, keras.Model):
        cause = "it is a network inside the network; one flat graph is needed"
    elif not step.inputs or not _is_map(step.inputs[0]) or _pools_all(step):
        return
    elif len(step.outputs[0].shape) != 4 or type(layer).__name__ in _ONE_SIZE:
        cause = "it works for one size of picture only"
    else:
        return
    raise BackboneError(
        f"'{layer.name}' ({type(layer).__name__}) has no form for a larger picture.",
        cause=cause,
        todo="predict without --dense",
    )


def _pads(step: Step) -> bool:
    layer = step.operation
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return True
    kernel = getattr(layer, "kernel_size", getattr(layer, "pool_size", (1, 1)))
    return getattr(layer, "padding", "valid") == "same" and tuple(kernel) != (1, 1)
