"""How each kind of layer changes what is seen."""

from __future__ import annotations

import keras

from tlpipe.inspect.calls import Call
from tlpipe.inspect.field import Axis, View, merge

_WINDOWS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
)
# Layers (Keras' and the classic networks' own) and operations of keras.ops in which a position of
# the output depends on the same position of the inputs and on no other.
_NAMES = """
Abs Absolute Activation ActivityRegularization Add AlphaDropout Average BatchNormalization Cast
ChannelShuffle ChannelSplit Clip Concatenate CustomScaleLayer Dense Divide Dropout ELU Elu Exp
GaussianDropout GaussianNoise Gelu HardSigmoid HardSilu Identity LayerScale LeakyRelu LeakyReLU
LocalResponseNormalization Log Maximum Minimum Multiply Negative Normalization PositionBias Power
PReLU Relu ReLU Relu6 Rescaling Rsqrt Sigmoid Silu Softmax Softplus SpatialDropout2D Sqrt Square
StochasticDepth Subtract TakeChannels Tanh TrueDivide UnitNormalization
"""
_POSITIONWISE = frozenset(_NAMES.split())
# Their positions are mixed when they work along another axis than the last.
_ALONG_AXIS = frozenset({"Concatenate", "Flip", "LayerNormalization", "Softmax", "Split", "Take"})


def see(call: Call, views: list[View]) -> tuple[View, list[str]]:
    """What the output of ``call`` sees, given what its inputs see.

    Returns:
        The view and sentences about what does not fit. A layer this does not know makes the view
        unknown, unless it leaves no positions: what is left then sees the whole picture at most.
    """
    operation, kind = call.operation, type(call.operation).__name__
    before, trouble = merge(views, call.name)
    if trouble:
        return before, [trouble]
    positions = _has_positions(call.outputs[0].shape)
    if before.unknown and not positions:
        return View(None, whole=True), []
    if before.axes is None:
        return before, []
    if getattr(operation, "data_format", None) != "channels_first":
        found = _local(call, kind, before)
        if found is not None:
            return found
    if not positions:
        return View(None, whole=True), []
    return View(None, before.whole, call.name), []


def _local(call: Call, kind: str, before: View) -> tuple[View, list[str]] | None:
    operation, axes = call.operation, before.axes
    notes: list[str] = []
    if isinstance(operation, _WINDOWS):
        axes, notes = _windows(operation, axes)
    elif isinstance(operation, keras.layers.Conv2DTranspose):
        axes = _transposed(operation, axes, call.outputs[0].shape)
    elif isinstance(operation, keras.layers.UpSampling2D) and operation.interpolation == "nearest":
        axes = tuple(
            a.spread(s, s, 0, a.length * s) for a, s in zip(axes, operation.size, strict=True)
        )
    elif isinstance(operation, keras.layers.ZeroPadding2D):
        axes = tuple(a.pad(*p) for a, p in zip(axes, operation.padding, strict=True))
    elif isinstance(operation, keras.layers.Cropping2D):
        axes = tuple(a.pad(-c[0], -c[1]) for a, c in zip(axes, operation.cropping, strict=True))
    elif kind == "GetItem":
        axes = _slices(call, axes)
    elif isinstance(operation, keras.layers.GroupNormalization):
        # Its mean and deviation are taken over all positions.
        return View(axes, whole=True), []
    elif not _keeps_positions(call, kind):
        return None
    return None if axes is None else (View(axes, before.whole), notes)


def _windows(layer, axes: tuple[Axis, Axis]) -> tuple[tuple[Axis, Axis], list[str]]:
    kernel = layer.pool_size if hasattr(layer, "pool_size") else layer.kernel_size
    dilation = getattr(layer, "dilation_rate", (1, 1))
    found = [
        axis.window(k, s, d, layer.padding)
        for axis, k, s, d in zip(axes, kernel, layer.strides, dilation, strict=True)
    ]
    lost = [
        f"{n} {what}{'s' if n > 1 else ''}"
        for (_, n), what in zip(found, ("row", "column"), strict=True)
        if n
    ]
    if not lost:
        return tuple(axis for axis, _ in found), []
    sides, stride = (" x ".join(map(str, n)) for n in (kernel, layer.strides))
    note = (
        f"a window of {sides} at stride {stride} without padding does not fit an input of "
        f"{axes[0].length} x {axes[1].length}; never seen: the last {' and '.join(lost)}"
    )
    return tuple(axis for axis, _ in found), [note]


def _transposed(layer, axes: tuple[Axis, Axis], shape: tuple) -> tuple[Axis, Axis] | None:
    plain = layer.output_padding is None and layer.dilation_rate in (1, (1, 1))
    if not plain or None in shape[:2]:
        return None
    cut = [
        max(k - s, 0) // 2 if layer.padding == "same" else 0
        for k, s in zip(layer.kernel_size, layer.strides, strict=True)
    ]
    sizes = zip(axes, layer.kernel_size, layer.strides, cut, shape[:2], strict=True)
    return tuple(axis.spread(k, s, before, n) for axis, k, s, before, n in sizes)


def _slices(call: Call, axes: tuple[Axis, Axis]) -> tuple[Axis, Axis] | None:
    """Axes of ``x[key]``; None for anything but plain slices of rows and columns."""
    key = call.arguments[0] if call.arguments else ()
    key = list(key) if isinstance(key, tuple | list) else [key]
    rank = 1 + len(call.inputs[0].shape)
    if Ellipsis in key:
        at = key.index(Ellipsis)
        key[at : at + 1] = [slice(None)] * (rank - len(key) + 1)
    key += [slice(None)] * (rank - len(key))
    found = []
    for axis, part, length in zip(axes, key[1:3], call.outputs[0].shape[:2], strict=True):
        if not isinstance(part, slice) or (part.step or 1) < 1 or length is None:
            return None
        start, _, step = part.indices(axis.length)
        found.append(axis.every(start, step, length))
    return tuple(found)


def _keeps_positions(call: Call, kind: str) -> bool:
    operation, before, after = call.operation, call.inputs[0].shape, call.outputs[0].shape
    if not _has_positions(after) and _has_positions(before):
        return False
    if kind == "Reshape":
        return before[:2] == after[:2]
    if kind in ("Permute", "Transpose"):
        order = getattr(operation, "axes", None) or (0, *getattr(operation, "dims", ()))
        return tuple(order[:3]) == (0, 1, 2)
    if kind in _ALONG_AXIS:
        axis = getattr(operation, "axis", -1)
        last = (-1, len(before))
        return all(a in last for a in (axis if isinstance(axis, list | tuple) else [axis]))
    # A layer of one's own can say so itself.
    return kind in _POSITIONWISE or getattr(operation, "positionwise", False)


def _has_positions(shape: tuple) -> bool:
    """Whether a tensor of this shape, without the batch, still has rows or columns."""
    return len(shape) >= 3 and tuple(shape[:2]) != (1, 1)
