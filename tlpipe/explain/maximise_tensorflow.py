"""The picture that excites a unit most, by tf-keras-vis, which knows TensorFlow alone."""

from __future__ import annotations

import keras
import numpy as np
from scipy.ndimage import gaussian_filter
from tf_keras_vis.activation_maximization import ActivationMaximization

_JITTER, _STEP, _BLUR = 8, 6.0, 1.0


def maximise(part: keras.Model, channel: int, *, seed: int = 0, steps: int = 100) -> np.ndarray:
    """Activation maximisation: the mean of a unit's map, climbed from gray noise.

    Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network". In every step the
    picture is shifted at random and its gradient blurred, without which it would end as a pattern
    finer than any picture has. Steps are of one size, whatever the size of the activations.

    Args:
        part: float32 pictures, values 0..255, to a feature map, flat and in float32, which is
            where tf-keras-vis is sound.
        channel: of the feature map.
        seed: of the noise and the shifts.
        steps: of the climb.

    Returns:
        float32 (s, s, channels), 0..255.
    """
    stream = np.random.default_rng(seed)
    shape = (1, *part.inputs[0].shape[1:])

    def shifted(picture):
        # The library's own jitter draws from NumPy's global state, and nothing there keeps the
        # picture in its range on the way.
        shift = stream.integers(-_JITTER, _JITTER + 1, 2)
        return np.roll(np.clip(picture, 0, 255), shift, (1, 2))

    def blurred(gradient):
        smooth = gaussian_filter(np.asarray(gradient), (0, _BLUR, _BLUR, 0), mode="wrap")
        return smooth / max(float(smooth.std()), 1e-12)

    found = ActivationMaximization(part)(
        lambda maps: maps[..., channel],
        seed_input=stream.uniform(108, 148, shape).astype("float32"),
        input_range=(0.0, 255.0),
        input_modifiers=[shifted],
        # Its own word for none at all; an empty list it takes for an old way of calling it.
        regularizers=[[]],
        steps=steps,
        optimizer=keras.optimizers.SGD(_STEP),
        gradient_modifier=blurred,
    )
    return np.asarray(found, "float32")[0]
