"""Grad-CAM and the gradient of every network there is: as tf-keras-vis has them, and as JAX has.

`pytest -m all_backbones` asks all of them.
"""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.backbones.lite_pictures import photographs
from tests.backbones.test_every_backbone import REPRESENTATIVES
from tlpipe.backbones import registry
from tlpipe.backbones.build import build
from tlpipe.backbones.flatten import flatten
from tlpipe.config.settings import Head
from tlpipe.explain.cam import grad_cam
from tlpipe.explain.network import Explained, last_map
from tlpipe.explain.saliency import saliency
from tlpipe.training.network import add_head

pytest.importorskip("tensorflow", reason="tf-keras-vis needs TensorFlow")
pytestmark = pytest.mark.filterwarnings("ignore")

CLASSES = np.array([0, 1, 2])
IN_JAX = """
import json, sys
import keras
import numpy as np
from tlpipe.explain.cam import grad_cam
from tlpipe.explain.network import Explained
from tlpipe.explain.saliency import saliency
assert keras.backend.backend() == "jax"
model, known = keras.saving.load_model(sys.argv[1], compile=False), np.load(sys.argv[2])
found = Explained(model).passes(known["pictures"], np.array([0, 1, 2]))
cam, gradient = grad_cam(found), saliency(found)
pairs = zip(gradient, known["gradient"], strict=True)
print(json.dumps({
    "cam": float(np.abs(cam - known["cam"]).max() / np.abs(known["cam"]).max()),
    "gradient": float(min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs)),
}))
"""


def named(names, in_ci):
    later = pytest.mark.all_backbones
    return [pytest.param(name, marks=() if name in in_ci else later) for name in names]


def network(name: str) -> tuple[keras.Model, np.ndarray]:
    """With a head of three classes, and three photographs of as many planes as it takes."""
    keras.backend.clear_session()
    size = max(64, registry.get(name).minimum_size)
    backbone = build(name, weights="none", size=size).model
    pictures = np.stack(list(photographs(backbone.input.shape[1]).values())[:3])
    pictures = pictures[..., np.arange(backbone.input.shape[-1]) % 3]
    # The signal of a random network may grow from block to block, that of EfficientNetV2-L to 1e6
    # and its gradient to 1e17: then rounding is all there is to compare.
    norms = [x for x in backbone.layers if isinstance(x, keras.layers.BatchNormalization)]
    while np.abs(backbone.predict_on_batch(pictures)).max() > 1e3:
        for norm in norms:
            norm.gamma.assign(norm.gamma * 0.7)
    return add_head(backbone, 3, Head(), seed=0), pictures


@pytest.mark.parametrize("name", named(registry.names(), {"mobilenetv2"}))
def test_as_tf_keras_vis_has_them(name):
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.saliency import Saliency

    model, pictures = network(name)
    # They want float pictures.
    flat = flatten(model, start=keras.Input(model.input.shape[1:], dtype="float32", name="picture"))
    found = Explained(model).passes(pictures)
    best = found.logits.argmax(axis=1)

    def score(logits):
        return [row[c] for row, c in zip(logits, best, strict=True)]

    pictures = pictures.astype("float32")
    theirs = np.asarray(Saliency(flat, clone=False)(score, pictures, normalize_map=False))
    for a, b in zip(saliency(found), theirs, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.999
    # Their own choice of a layer lies before the last BatchNorm.
    layer = last_map(flat)._keras_history.operation.name
    theirs = np.asarray(
        Gradcam(flat, clone=False)(
            score,
            pictures,
            penultimate_layer=layer,
            seek_penultimate_conv_layer=False,
            expand_cam=False,
            normalize_cam=False,
        )
    )
    assert theirs.max() > 0
    assert np.abs(grad_cam(found) - theirs).max() <= 1e-4 * theirs.max()


@pytest.mark.parametrize("name", named(REPRESENTATIVES, {"vgg16"}))
def test_on_jax_they_are_the_same(name, tmp_path):
    pytest.importorskip("jax", reason="the test extra installs JAX; this environment lacks it")
    model, pictures = network(name)
    model.save(tmp_path / "model.keras")
    found = Explained(model).passes(pictures, CLASSES)
    cam, gradient = grad_cam(found), saliency(found)
    assert (cam.max(axis=(1, 2)) > 0).any()
    np.savez(tmp_path / "known.npz", pictures=pictures, cam=cam, gradient=gradient)
    done = subprocess.run(
        [sys.executable, "-c", IN_JAX, tmp_path / "model.keras", tmp_path / "known.npz"],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    differs = json.loads(done.stdout)
    assert differs["cam"] <= 1e-4
    assert differs["gradient"] > 0.999
