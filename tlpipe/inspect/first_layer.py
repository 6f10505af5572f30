"""What the first convolution looks for, and what it finds in a picture, as a picture."""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure

from tlpipe.backbones.graph import steps
from tlpipe.data.decode import DecodeError, decode
from tlpipe.data.resize import fit
from tlpipe.errors import BackboneError, ConfigError, DataError
from tlpipe.inspect.calls import flat_calls
from tlpipe.pipeline.atomic import writing

FORMATS = (".png", ".svg", ".pdf")


def filters(model: keras.Model) -> np.ndarray:
    """The first convolution's kernels as pictures: float32 0..1, (filters, rows, columns, 3 or 1).

    Each is scaled to its own range. Kernels on three channels are shown as colours, in the order
    red, green, blue; on any other number as the mean over the channels.

    Raises:
        BackboneError: the network has no convolution.
    """
    kernel = keras.ops.convert_to_numpy(_first(model).kernel).transpose(3, 0, 1, 2)
    if kernel.shape[-1] != 3:
        kernel = kernel.mean(axis=-1, keepdims=True)
    elif _flips_colours(model):
        kernel = kernel[..., ::-1]
    low = kernel.min(axis=(1, 2, 3), keepdims=True)
    reach = kernel.max(axis=(1, 2, 3), keepdims=True) - low
    return ((kernel - low) / np.where(reach > 0, reach, 1)).astype("float32")


def activations(model: keras.Model, picture: str | Path) -> np.ndarray:
    """What the first convolution gives for a picture: float32 (filters, rows, columns).

    Args:
        model: a network on RGB 0..255.
        picture: a file; squashed to the square that the network wants.

    Raises:
        DataError: the picture can't be read.
        BackboneError: the convolution lies inside a nested model.
    """
    layer = _first(model)
    if layer not in model.layers:
        raise BackboneError(
            f"The first convolution '{layer.name}' lies inside a nested model.",
            todo="leave --picture away",
        )
    shape = model.inputs[0].shape
    if shape[-1] != 3 or shape[1] != shape[2]:
        raise BackboneError(
            f"The network takes {shape[1:]}, not a square RGB picture.", todo="leave --picture away"
        )
    try:
        pixels = fit(decode(Path(picture).read_bytes()), shape[1], "squash")
    except (DecodeError, OSError) as error:
        raise DataError(f"'{picture}' can't be read.", cause=str(error)) from None
    output = next(s.outputs[0] for s in steps(model) if s.operation is layer)
    maps = keras.Model(model.inputs[0], output)(pixels[None], training=False)
    return keras.ops.convert_to_numpy(maps)[0].transpose(2, 0, 1).astype("float32")


def draw(model: keras.Model, target: Path, picture: str | Path | None = None) -> Path:
    """Writes both grids, or the filters alone, as PNG, SVG or PDF. Raises TlpipeError."""
    if target.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"'{target}' is no picture file.", todo=f"end it in one of: {', '.join(FORMATS)}"
        )
    grids = [(f"{_first(model).name}: filters", filters(model), "gray")]
    if picture is not None:
        grids.append((f"activations on {Path(picture).name}", activations(model, picture), None))
    figure = Figure(figsize=(6.4 * len(grids), 6.8), layout="constrained")
    for part, (title, tiles, colours) in zip(
        figure.subfigures(1, len(grids), squeeze=False)[0], grids, strict=True
    ):
        part.suptitle(title)
        side = math.ceil(math.sqrt(len(tiles)))
        axes = part.subplots(math.ceil(len(tiles) / side), side, squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        for axis, tile in zip(axes, tiles, strict=False):
            axis.imshow(tile, cmap=colours, interpolation="nearest")
    with writing(target) as temporary:
        figure.savefig(temporary, dpi=120)
    return target


def _first(model: keras.Model) -> keras.layers.Conv2D:
    for call in flat_calls(model):
        if isinstance(call.operation, keras.layers.Conv2D):
            return call.operation
    raise BackboneError(f"'{model.name}' has no convolution to draw.")


def _flips_colours(model: keras.Model) -> bool:
    """Whether red and blue are swapped in front of the first convolution."""
    flips = 0
    for call in flat_calls(model):
        if isinstance(call.operation, keras.layers.Conv2D):
            break
        flips += type(call.operation).__name__ == "Flip"
    return flips % 2 == 1
