"""What every backbone must be able to do. `pytest -m all_backbones` asks all of them."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from tests.backbones.lite_pictures import photographs
from tlpipe.backbones import registry
from tlpipe.backbones.blocks import boundary, find_blocks
from tlpipe.backbones.build import build
from tlpipe.backbones.graph import cut_points, steps
from tlpipe.config.settings import Head
from tlpipe.training.frozen import fingerprint, frozen_weights
from tlpipe.training.network import add_head, cut

# One of each family of keras.applications, at an input that keeps CI short, but for NASNet and
# ConvNeXt, which take as long as five of the others; the classic networks have tests of their own.
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
}
OTHERS = [
    pytest.param(
        (name, max(64, registry.get(name).minimum_size)), marks=pytest.mark.all_backbones, id=name
    )
    for name in registry.names()
    if name not in REPRESENTATIVES
]
CONV1_TO_5 = [f"conv{i}" for i in range(1, 6)]
NAMES = {
    "efficientnet_lite0": ["stem", *(f"block{i}" for i in range(1, 8)), "top"],
    "efficientnetb0": ["stem", *(f"block{i}" for i in range(1, 8)), "top"],
    "vgg16": [f"block{i}" for i in range(1, 6)],
    "resnet50": CONV1_TO_5,
    "densenet121": CONV1_TO_5,
    "mobilenetv2": ["stem", *(f"stage{i}" for i in range(1, 8)), "top"],
    "inceptionv3": ["stem", *(f"mixed{i}" for i in range(11))],
    "xception": [f"block{i}" for i in range(1, 15)],
    "convnext_tiny": ["stem", *(f"stage_{i}" for i in range(4))],
}


@pytest.fixture(
    scope="module",
    params=[*(pytest.param(item, id=item[0]) for item in REPRESENTATIVES.items()), *OTHERS],
)
def network(request) -> tuple[str, keras.Model, np.ndarray]:
    """The name, the network, and two photographs of as many planes as it takes."""
    name, size = request.param
    keras.backend.clear_session()
    model = build(name, weights="none", size=size).model
    pictures = np.stack(list(photographs(size).values())[:2])
    # More planes than RGB has: the same three again.
    return name, model, pictures[..., np.arange(model.input.shape[-1]) % 3]


def run(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x, training=False))


def test_it_is_one_flat_graph_from_bytes_to_a_map(network):
    _, model, _ = network
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    assert not [layer.name for layer in model.layers if layer.name.startswith("_")]
    assert (model.input.name, model.input.dtype) == ("image", "uint8")
    # Grad-CAM's layer: the last feature map, which everything passes.
    assert len(model.output.shape) == 4
    assert model.output is find_blocks(model)[-1].output


def test_blocks_partition_the_layers(network):
    name, model, _ = network
    blocks = find_blocks(model)
    assert len(blocks) >= 2
    found = [block.name for block in blocks]
    assert found == NAMES.get(name, found), "the names are the network's own"
    layers = [layer for block in blocks for layer in block.layers]
    assert sorted(layers) == sorted(layer.name for layer in model.layers)
    assert blocks[0].input is model.input
    assert sum(block.parameters for block in blocks) == model.count_params()
    for before, after in pairwise(blocks):
        assert before.output is after.input
        assert before.output_shape == tuple(after.input.shape[1:])


def test_nothing_reaches_around_a_cut_and_no_cut_is_missed(network):
    """Against the definition: without a cut's tensor the output can't be reached."""
    _, model, _ = network
    walk = steps(model)

    def reached(without) -> bool:
        have = {id(model.input)} - {id(without)}
        for step in walk[1:]:
            # One reachable input is enough: a path, not a computation.
            if any(id(t) in have for t in step.inputs):
                have |= {id(t) for t in step.outputs} - {id(without)}
        return id(model.output) in have

    tensors = [t for step in walk for t in step.outputs]
    separating = [id(t) for t in tensors if not reached(t)]
    assert separating == [id(cut.tensor) for cut in cut_points(model)]


def test_cut_at_any_boundary_it_computes_the_same(network):
    """A block gives what the next one starts from, to the bit: so prefix and suffix are the whole,
    wherever the cut."""
    _, model, pictures = network
    whole = run(model, pictures)
    assert np.isfinite(whole).all()
    blocks = find_blocks(model)
    every = keras.Model(model.input, [block.output for block in blocks])
    ends = [keras.ops.convert_to_numpy(y) for y in every(pictures, training=False)]
    np.testing.assert_array_equal(ends[-1], whole)
    for block, (start, end) in zip(blocks[1:], pairwise(ends), strict=True):
        again = run(keras.Model(block.input, block.output), start)
        np.testing.assert_array_equal(again, end, err_msg=block.name)


# The last to use the fixture: it trains the shared layers.
def test_with_a_head_it_is_saved_and_trains_a_step_half_frozen(network, tmp_path):
    _, model, pictures = network
    whole = add_head(model, 2, Head(), seed=0)
    whole.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(run(loaded, pictures), run(whole, pictures))

    parts = cut(whole, boundary(model, len(find_blocks(model)) // 2).tensor)
    before = fingerprint(frozen_weights(whole))
    old = [keras.ops.convert_to_numpy(w) for w in parts.suffix.trainable_weights]
    assert frozen_weights(whole)
    assert old
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    # Tracing a graph would take longer than the step.
    parts.suffix.compile(keras.optimizers.SGD(0.01), loss, run_eagerly=True, jit_compile=False)
    values = parts.prefix(pictures, training=False)
    # One class for both: of two, a network that knows nothing yet has gradients that cancel.
    labels = np.array([[1, 0], [1, 0]], "float32")
    reported = parts.suffix.train_on_batch(values, labels, return_dict=True)
    assert np.isfinite(reported["loss"])
    assert fingerprint(frozen_weights(whole)) == before
    new = [keras.ops.convert_to_numpy(w) for w in parts.suffix.trainable_weights]
    assert any(not np.array_equal(a, b) for a, b in zip(old, new, strict=True))
