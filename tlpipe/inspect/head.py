"""Where the backbone of a whole model ends and its head begins."""

from __future__ import annotations

import keras

from tlpipe.backbones.graph import cut_points, steps

_GLOBAL = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)


def backbone_end(model: keras.Model) -> keras.KerasTensor:
    """The last feature map: the last cut before positions are pooled or flattened away.

    Args:
        model: a functional model with one input and one output.

    Returns:
        The tensor (batch, h, w, c); the model's output where there is no head, and its input
        where no feature map comes before the head.
    """
    maker = {id(t): step.operation for step in steps(model) for t in step.outputs}
    end = model.inputs[0]
    for cut in cut_points(model):
        if len(cut.tensor.shape) != 4 or isinstance(maker[id(cut.tensor)], _GLOBAL):
            break
        end = cut.tensor
    return end
