"""Class activation maps: the last feature map, weighed by its gradients."""

from __future__ import annotations

import cv2
import numpy as np

from tlpipe.explain.network import Results


def grad_cam(found: Results) -> np.ndarray:
    """Grad-CAM: channels weighed by their mean gradient, rectified.

    Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks". With a pooled linear
    head the mean gradient is the dense kernel's column over the number of cells, and this is CAM
    (Zhou et al. 2016); the pass back from the logits to the map costs next to nothing either way.

    Args:
        found: of :meth:`Explained.passes`.

    Returns:
        float32 (b, h, w), 0 or more.
    """
    weights = found.map_gradients.mean((1, 2))
    return np.maximum(np.einsum("bhwc,bc->bhw", found.maps, weights), 0)


def grad_cam_plus_plus(found: Results) -> np.ndarray:
    """Grad-CAM++: positive gradients weighed by their share among all places of a channel.

    Chattopadhay et al. 2018, "Grad-CAM++", for the score exp(logit), whose higher derivatives are
    powers of the first.

    Returns:
        float32 (b, h, w), 0 or more.
    """
    maps, gradients = found.maps, found.map_gradients
    square = gradients**2
    below = 2 * square + maps.sum((1, 2), keepdims=True) * gradients**3
    share = np.divide(square, below, out=np.zeros_like(square), where=below != 0)
    weights = (share * np.maximum(gradients, 0)).sum((1, 2))
    return np.maximum(np.einsum("bhwc,bc->bhw", maps, weights), 0)


def layer_cam(found: Results) -> np.ndarray:
    """LayerCAM: every place of every channel weighed by its own positive gradient.

    Jiang et al. 2021, "LayerCAM: Exploring Hierarchical Class Activation Maps".

    Returns:
        float32 (b, h, w), 0 or more.
    """
    return np.maximum((np.maximum(found.map_gradients, 0) * found.maps).sum(-1), 0)


def enlarged(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Maps, float32 (b, h, w), at the picture's height and width, bilinear."""
    height, width = size
    if maps.shape[1:] == (height, width):
        return maps
    # OpenCV turns one row or column of zero size away, and wants (width, height).
    return np.stack([cv2.resize(m, (width, height), interpolation=cv2.INTER_LINEAR) for m in maps])
