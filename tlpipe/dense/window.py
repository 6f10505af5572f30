"""A convolution as large as a whole feature map."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tlpipe")
class WindowConv2D(keras.layers.Conv2D):
    """Keras' ``Conv2D`` for a kernel as large as the map it was trained on.

    The backends' convolutions are made for small kernels: for the 7x7x512 of VGG16's first dense
    layer a CPU takes twice the time, on one core, that one product of matrices takes for the
    windows laid side by side. Arguments and weights are those of ``Conv2D``; strides are 1, padding
    is "valid", channels come last.
    """

    def convolution_op(self, inputs, kernel):
        """(b, h, w, c) and (rows, columns, c, filters) to (b, h', w', filters)."""
        rows, columns, channels, filters = kernel.shape
        down, across = self.dilation_rate
        shifted = [
            inputs[:, _part(i, rows, down), _part(j, columns, across)]
            for i in range(rows)
            for j in range(columns)
        ]
        matrix = ops.reshape(kernel, (rows * columns * channels, filters))
        return ops.matmul(ops.concatenate(shifted, axis=-1), matrix)


def _part(place: int, places: int, dilation: int) -> slice:
    """What the kernel's ``place`` of ``places`` meets as the window moves over the map."""
    return slice(place * dilation, -(places - 1 - place) * dilation or None)
