"""What every backbone must be able to do. `pytest -m all_backbones` asks all of them."""

import keras
import numpy as np
import pytest

from tests.backbones.lite_pictures import photographs
from tlpipe.backbones import registry
from tlpipe.backbones.blocks import boundary, find_blocks
from tlpipe.backbones.build import build
from tlpipe.config.settings import Head
from tlpipe.training.frozen import fingerprint, frozen_weights
from tlpipe.training.network import add_head, cut

# One of each family of keras.applications, at an input that keeps CI short; the classic networks
# have tests of their own.
REPRESENTATIVES = {
    "efficientnet_lite0": 64,
    "efficientnetb0": 64,
    "mobilenet": 64,
    "mobilenetv2": 64,
    "mobilenetv3_small": 64,
    "resnet50": 64,
    "densenet121": 64,
    "vgg16": 64,
    "inceptionv3": 75,
    "xception": 71,
    "convnext_tiny": 64,
    "nasnet_mobile": 64,
}
OTHERS = [
    pytest.param(name, max(64, registry.get(name).minimum_size), marks=pytest.mark.all_backbones)
    for name in registry.names()
    if name not in REPRESENTATIVES
]


def run(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.mark.parametrize(("name", "size"), [*REPRESENTATIVES.items(), *OTHERS])
def test_backbone(name, size, tmp_path):
    keras.backend.clear_session()
    model = build(name, weights="none", size=size).model
    pictures = np.stack(list(photographs(size).values())[:2])
    # More planes than RGB has: the same three again.
    pictures = pictures[..., np.arange(model.input.shape[-1]) % 3]
    whole = run(model, pictures)
    assert np.isfinite(whole).all()

    blocks = find_blocks(model)
    assert len(blocks) >= 2
    layers = [layer for block in blocks for layer in block.layers]
    assert sorted(layers) == sorted(layer.name for layer in model.layers)

    # Cut at every boundary: prefix and suffix are the whole, to the bit.
    every = keras.Model(model.input, [block.input for block in blocks])
    middles = every(pictures, training=False)[1:]
    for block, middle in zip(blocks[1:], middles, strict=True):
        again = run(keras.Model(block.input, model.output), middle)
        np.testing.assert_array_equal(again, whole, err_msg=block.name)

    # Grad-CAM's layer: the last feature map, which everything passes.
    assert len(model.output.shape) == 4
    assert model.output is blocks[-1].output

    network = add_head(model, 2, Head(), seed=0)
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(run(loaded, pictures), run(network, pictures))

    _one_step_with_half_frozen(network, model, pictures, len(blocks) // 2)


def _one_step_with_half_frozen(network, model, pictures, trained: int) -> None:
    parts = cut(network, boundary(model, trained).tensor)
    before = fingerprint(frozen_weights(network))
    old = [keras.ops.convert_to_numpy(w) for w in parts.suffix.trainable_weights]
    assert frozen_weights(network)
    assert old
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    parts.suffix.compile(keras.optimizers.SGD(0.01), loss)
    values = parts.prefix(pictures, training=False)
    # One class for both: of two, a network that knows nothing yet has gradients that cancel.
    labels = np.array([[1, 0], [1, 0]], "float32")
    reported = parts.suffix.train_on_batch(values, labels, return_dict=True)
    assert np.isfinite(reported["loss"])
    assert fingerprint(frozen_weights(network)) == before
    new = [keras.ops.convert_to_numpy(w) for w in parts.suffix.trainable_weights]
    assert any(not np.array_equal(a, b) for a, b in zip(old, new, strict=True))
