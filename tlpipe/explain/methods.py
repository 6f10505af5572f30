"""Attribution methods by the name ``--methods`` takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tlpipe.errors import ConfigError, nearest
from tlpipe.explain import cam, perturbation
from tlpipe.explain.network import BATCH, Explained, Results
from tlpipe.explain.saliency import integrated_gradients, saliency, smooth_gradient


@dataclass(frozen=True)
class Method:
    """One way of saying which pixels mattered.

    Attributes:
        title: as a person reads it.
        paper: authors and year.
        of_pass: from one forward and backward pass, which several methods share; or None.
        alone: from network, pictures and classes, where one pass is not enough; or None.
        pixels: whether the pass must go back to the picture.
        modifier: the backward pass it needs: None, ``guided`` or ``relu``.
    """

    title: str
    paper: str
    of_pass: Callable[[Results], np.ndarray] | None = None
    alone: Callable[[Explained, np.ndarray, np.ndarray], np.ndarray] | None = None
    pixels: bool = False
    modifier: str | None = None


METHODS: dict[str, Method] = {
    "gradcam": Method("Grad-CAM", "Selvaraju et al. 2017", cam.grad_cam),
    "saliency": Method("gradient", "Simonyan et al. 2013", saliency, pixels=True),
    "gradcam++": Method("Grad-CAM++", "Chattopadhay et al. 2018", cam.grad_cam_plus_plus),
    "layercam": Method("LayerCAM", "Jiang et al. 2021", cam.layer_cam),
    "guided": Method(
        "guided backprop", "Springenberg et al. 2015", saliency, pixels=True, modifier="guided"
    ),
    "deconvnet": Method(
        "deconvnet", "Zeiler and Fergus 2014", saliency, pixels=True, modifier="relu"
    ),
    "smoothgrad": Method("SmoothGrad", "Smilkov et al. 2017", alone=smooth_gradient),
    "integrated": Method(
        "integrated gradients", "Sundararajan et al. 2017", alone=integrated_gradients
    ),
    "scorecam": Method("Score-CAM", "Wang et al. 2020", alone=perturbation.score_cam),
    "occlusion": Method("occlusion", "Zeiler and Fergus 2014", alone=perturbation.occlusion),
}
DEFAULT = ("gradcam", "saliency")


def check_methods(names: Sequence[str]) -> None:
    """Raises ConfigError when there is no such method."""
    for name in names:
        if name not in METHODS:
            raise ConfigError(
                f"There is no attribution method '{name}'.", todo=nearest(name, METHODS)
            )


def attributions(
    network: Explained,
    pictures: np.ndarray,
    classes: np.ndarray,
    methods: Sequence[str] = DEFAULT,
    *,
    against: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """What mattered, by several methods; those that can, share one pass.

    Args:
        network: what is explained.
        pictures: uint8 (n, s, s, channels), any number.
        classes: int (n,), whose score is explained.
        methods: keys of ``METHODS``.
        against: int (n,): explain ``classes`` rather than these. Methods that need more than a pass
            explain the plain score.
        progress: takes (done, total).

    Returns:
        For each method float32 (n, s, s), 0 or more, at the picture's size.

    Raises:
        ConfigError: no such method.
        BackboneError: a modifier that is not defined for this network.
    """
    check_methods(methods)
    networks = {
        kind: network if kind is None else network.modified(kind)
        for kind in {METHODS[name].modifier for name in methods}
    }
    found: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    for start in range(0, len(pictures), BATCH):
        rows = slice(start, start + BATCH)
        chunk, wanted = np.asarray(pictures[rows]), np.asarray(classes[rows])
        minus = None if against is None else np.asarray(against[rows])
        for kind, each in networks.items():
            shared = [
                name for name in methods if METHODS[name].of_pass and METHODS[name].modifier == kind
            ]
            if shared:
                pixels = any(METHODS[name].pixels for name in shared)
                passes = each.passes(chunk, wanted, against=minus, pixels=pixels)
                for name in shared:
                    maps = METHODS[name].of_pass(passes)
                    found[name].append(cam.enlarged(maps, network.size))
        for name in methods:
            if METHODS[name].alone:
                found[name].append(METHODS[name].alone(network, chunk, wanted))
        if progress:
            progress(min(start + BATCH, len(pictures)), len(pictures))
    return {name: np.concatenate(parts) for name, parts in found.items()}
