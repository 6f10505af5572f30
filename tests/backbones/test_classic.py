import subprocess
import sys
from math import prod

import keras
import numpy as np
import pytest
from keras import ops

from tests.backbones.lite_pictures import photographs
from tlpipe.artifact.model_file import own_layers
from tlpipe.backbones.blocks import find_blocks
from tlpipe.backbones.classic.convolution import GroupedConv2D
from tlpipe.backbones.classic.layers import ChannelShuffle, LocalResponseNormalization
from tlpipe.backbones.classic.lenet5 import CodeDistance
from tlpipe.backbones.classic.table import CLASSICS, load
from tlpipe.errors import BackboneError

# Small, and not the papers' own sizes.
SIZES = {"lenet5": 40, "alexnet": 96, "alphago": 9}
CONV1_TO_5 = [f"conv{i}" for i in range(1, 6)]
BLOCKS = {
    "lenet5": ["conv1", "conv3", "conv5"],
    "alexnet": CONV1_TO_5,
    "zfnet": CONV1_TO_5,
    "googlenet": [
        "conv1",
        "conv2",
        *(f"inception_{m}" for m in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")),
    ],
    "resnext50": CONV1_TO_5,
    "wide_resnet50": CONV1_TO_5,
    "se_resnet50": CONV1_TO_5,
    "shufflenet": ["conv1", "stage2", "stage3", "stage4"],
    "shufflenet_v2": ["conv1", "stage2", "stage3", "stage4", "conv5"],
    "alphago": [f"conv{i}" for i in range(1, 13)],
}
# At the papers' own size: the last feature map, the classes, and the trainable parameters that the
# paper or the literature counts (each network's file says which).
PAPERS = {
    "lenet5": ((1, 1, 120), 10, 60_000),
    "alexnet": ((6, 6, 256), 1000, 60_965_224),
    "zfnet": ((6, 6, 256), 1000, 62_357_608),
    "googlenet": ((7, 7, 1024), 1000, 6_998_552),
    "resnext50": ((7, 7, 2048), 1000, 25_028_904),
    "wide_resnet50": ((7, 7, 2048), 1000, 68_883_240),
    "se_resnet50": ((7, 7, 2048), 1000, 28_088_024),
    "shufflenet": ((7, 7, 960), 1000, 1_865_728),
    "shufflenet_v2": ((7, 7, 1024), 1000, 2_278_604),
    "alphago": ((19, 19, 192), 361, 3_882_793),
}
# The same blocks as SE-ResNet's, and three times the work.
LARGE = ("resnext50", "wide_resnet50")
# Where the last feature map has no position left below the minimum size.
WITHOUT_PADDING = ("lenet5", "alexnet", "zfnet")


def pictures(name: str) -> np.ndarray:
    """Two photographs, float32 (2, size, size, channels), -1..1."""
    size, channels = SIZES.get(name, 64), CLASSICS[name].channels
    side = {1: 1, 3: 1, 48: 4}[channels]
    found = photographs(size * side)
    x = np.stack([found["coffee.png"], found["chelsea.png"]]).astype("float32") / 127.5 - 1
    if channels == 1:
        return x.mean(axis=-1, keepdims=True)
    # 48 planes are the 16 pixels of 4x4 squares.
    x = x.reshape(2, size, side, size, side, 3).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(2, size, size, channels)


def backbone(name: str, size: int) -> keras.Model:
    image = keras.Input((size, size, CLASSICS[name].channels), name="image")
    return keras.Model(image, load(name).features(image), name=name)


def trainable(model: keras.Model) -> int:
    return sum(prod(weight.shape) for weight in model.trainable_weights)


def run(model, x):
    return keras.tree.map_structure(ops.convert_to_numpy, model(x, training=False))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.all_backbones) if name in LARGE else name
        for name in CLASSICS
    ],
)
def network(request) -> tuple[str, keras.Model, np.ndarray]:
    keras.utils.set_random_seed(0)
    x = pictures(request.param)
    return request.param, backbone(request.param, x.shape[1]), x


def test_features_tell_photographs_apart(network):
    _, model, x = network
    y = run(model, x)
    assert y.shape == (2, *model.output.shape[1:])
    assert np.isfinite(y).all()
    assert not np.array_equal(y[0], y[1])


def test_blocks_have_the_papers_names(network):
    name, model, _ = network
    blocks = find_blocks(model)
    assert [block.name for block in blocks] == BLOCKS[name]
    assert sum(block.parameters for block in blocks) == model.count_params()
    # `model.export` refuses such names.
    assert not [layer.name for layer in model.layers if layer.name.startswith("_")]


def test_prefix_and_suffix_make_the_whole_at_every_block(network):
    _, model, x = network
    whole = run(model, x[:1])
    blocks = find_blocks(model)[1:]
    middles = run(keras.Model(model.input, [block.input for block in blocks]), x[:1])
    for block, middle in zip(blocks, middles, strict=True):
        suffix = keras.Model(block.input, model.output)
        np.testing.assert_array_equal(run(suffix, middle), whole, err_msg=block.name)


def test_saved_and_loaded_it_is_the_same(network, tmp_path):
    name, model, x = network
    model.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(run(loaded, x), run(model, x))
    kinds = {type(layer) for layer in model.layers}
    own = {kind.__name__ for kind in kinds if kind.__module__.startswith("tlpipe.")}
    functions = {"scaled_tanh"} if name == "lenet5" else set()
    assert set(own_layers(tmp_path / "network.keras")) == own | functions


# The last to use the fixture: it trains the shared layers.
def test_one_step_trains_every_layer(network):
    name, model, x = network
    classes = prod(model.output.shape[1:3]) if name == "alphago" else 3
    whole = keras.Model(model.input, load(name).top(model.output, classes))
    before = [ops.convert_to_numpy(w) for w in whole.trainable_weights]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Tracing a graph would take longer than the step.
    whole.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True, jit_compile=False)
    assert np.isfinite(whole.train_on_batch(x, np.array([0, 2])))
    still = [
        w.path
        for w, old in zip(whole.trainable_weights, before, strict=True)
        if np.array_equal(ops.convert_to_numpy(w), old)
    ]
    assert not still


@pytest.mark.parametrize("name", CLASSICS)
def test_parameters_and_maps_are_those_of_the_paper(name):
    shape, classes, parameters = PAPERS[name]
    model = backbone(name, CLASSICS[name].default_size)
    assert model.output.shape == (None, *shape)
    logits = load(name).top(model.output, classes)
    assert logits.shape == (None, classes)
    assert trainable(keras.Model(model.input, logits)) == parameters


@pytest.mark.parametrize("name", ["lenet5", "shufflenet_v2", "alphago"])
def test_logits_are_float32_in_mixed_precision(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        x = pictures(name)
        model = backbone(name, x.shape[1])
        logits = load(name).top(model.output, 81 if name == "alphago" else 3)
    finally:
        keras.config.set_dtype_policy(before)
    assert logits.dtype == "float32"
    assert np.isfinite(run(keras.Model(model.input, logits), x)).all()


@pytest.mark.parametrize("name", CLASSICS)
def test_the_minimum_size_fills_one_position(name):
    def positions(size: int) -> int:
        try:
            return prod(backbone(name, size).output.shape[1:3])
        except ValueError:
            return 0

    least = CLASSICS[name].minimum_size
    assert positions(least) >= 1
    if name in WITHOUT_PADDING:
        assert positions(least - 1) == 0


def test_the_table_imports_nothing_heavy():
    code = "import sys, tlpipe.backbones.classic.table; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_local_response_normalization_is_krizhevskys():
    a = np.random.default_rng(0).normal(0, 60, (2, 3, 4, 9)).astype("float32")
    expected = np.empty_like(a)
    for i in range(9):
        near = a[..., max(0, i - 2) : min(8, i + 2) + 1]
        expected[..., i] = a[..., i] / (2 + 1e-4 * (near**2).sum(axis=-1)) ** 0.75
    found = ops.convert_to_numpy(LocalResponseNormalization()(a))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compares with TensorFlow")
def test_local_response_normalization_is_tensorflows():
    import tensorflow as tf

    a = np.random.default_rng(0).normal(0, 60, (2, 3, 4, 9)).astype("float32")
    layer = LocalResponseNormalization(n=3, k=1.0, alpha=0.01, beta=0.5)
    expected = tf.nn.local_response_normalization(a, 1, bias=1.0, alpha=0.01, beta=0.5)
    np.testing.assert_allclose(layer(a), expected, rtol=1e-5)


def test_local_response_normalization_keeps_its_precision_in_float16():
    a = np.full((1, 1, 1, 5), 1000, "float32")
    found = ops.convert_to_numpy(LocalResponseNormalization(dtype="float16")(a))
    assert found.dtype == np.float16
    np.testing.assert_allclose(found[..., 2], 1000 / (2 + 1e-4 * 5e6) ** 0.75, rtol=1e-3)


@pytest.mark.parametrize(("stride", "padding"), [(1, "same"), (2, "valid")])
def test_a_grouped_convolution_is_that_of_keras(stride, padding):
    x = pictures("alphago")
    ours, keras_own = (
        kind(24, 3, stride, padding=padding, groups=6)
        for kind in (GroupedConv2D, keras.layers.Conv2D)
    )
    ours.build(x.shape)
    keras_own.build(x.shape)
    keras_own.set_weights(ours.get_weights())
    expected = ops.convert_to_numpy(keras_own(x))
    np.testing.assert_allclose(ops.convert_to_numpy(ours(x)), expected, atol=1e-5)


def test_the_shuffle_deals_out_one_channel_of_each_group():
    x = np.arange(12.0).reshape(1, 1, 1, 12)
    shuffled = ops.convert_to_numpy(ChannelShuffle(3)(x))
    assert shuffled.ravel().tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]


def test_c3_is_wired_by_the_papers_table():
    # Table I: a row for each map of S2, a column for each map of C3.
    table = """
        X . . . X X X . . X X X X . X X
        X X . . . X X X . . X X X X . X
        X X X . . . X X X . . X . X X X
        . X X X . . X X X X . . X . X X
        . . X X X . . X X X X . X X . X
        . . . X X X . . X X X X . X X X"""
    expected = np.array([row.split() for row in table.strip().splitlines()]) == "X"
    model = backbone("lenet5", 32)
    c3 = keras.Model(model.get_layer("pool2_tanh").output, model.get_layer("conv3_concat").output)
    zeros = run(c3, np.zeros((1, 14, 14, 6), "float32"))
    # One picture for each map of S2, in which no other map is on.
    ones = np.broadcast_to(np.eye(6, dtype="float32")[:, None, None], (6, 14, 14, 6))
    reached = (run(c3, ones) != zeros).any(axis=(1, 2))
    np.testing.assert_array_equal(reached, expected)
    assert c3.count_params() == 1516


def test_a_code_is_nearest_to_itself():
    layer = CodeDistance(5, seed=1)
    layer.build((None, 84))
    assert trainable(layer) == 0
    assert layer.count_params() == 5 * 84
    codes = ops.convert_to_numpy(layer.codes)
    assert set(codes.ravel()) == {-1, 1}
    logits = ops.convert_to_numpy(layer(codes))
    expected = -((codes[:, None] - codes[None]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(logits, expected)
    other = CodeDistance(5, seed=2)
    other.build((None, 84))
    assert not np.array_equal(codes, ops.convert_to_numpy(other.codes))


def test_alphago_has_a_bias_and_a_class_for_each_point():
    model = backbone("alphago", 9)
    whole = keras.Model(model.input, load("alphago").top(model.output, 81))
    x = pictures("alphago")
    before = run(whole, x)
    bias = np.arange(81, dtype="float32").reshape(9, 9, 1)
    whole.get_layer("conv13_bias").set_weights([bias])
    np.testing.assert_allclose(run(whole, x), before + np.arange(81), rtol=1e-5, atol=1e-5)
    with pytest.raises(BackboneError, match="81 moves, not 10"):
        load("alphago").top(model.output, 10)


def test_the_strides_are_where_the_papers_have_them():
    for name, first, second in (("resnext50", 1, 2), ("se_resnet50", 2, 1)):
        model = backbone(name, 64)
        for stage in (3, 4, 5):
            found = [model.get_layer(f"conv{stage}_block1_{i}_conv").strides[0] for i in (1, 2, 3)]
            assert found == [first, second, 1]


def test_excitation_weighs_whole_channels():
    model = backbone("se_resnet50", 64)
    excite = model.get_layer("conv2_block1_se_excite")
    before, weights, after = run(
        keras.Model(model.input, [*excite.input, excite.output]), pictures("se_resnet50")
    )
    assert weights.shape == (2, 1, 1, 256)
    assert 0 < weights.min() < weights.max() < 1
    np.testing.assert_allclose(after, before * weights, rtol=1e-6)


def test_shufflenet_v2_leaves_half_of_the_channels_alone():
    model = backbone("shufflenet_v2", 64)
    before, after = run(
        keras.Model(
            model.input,
            [model.get_layer(f"stage2_unit{unit}_shuffle").output for unit in (1, 2)],
        ),
        pictures("shufflenet_v2"),
    )
    np.testing.assert_array_equal(after[..., ::2], before[..., :58])
    assert not np.array_equal(after[..., 1::2], before[..., 58:])
