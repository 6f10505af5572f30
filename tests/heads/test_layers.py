"""Each pooling against a plain NumPy account of its paper, and every one built, trained, saved."""

import os
import subprocess
import sys
from typing import get_args

import keras
import numpy as np
import pytest

from tlpipe.backbones.build import build
from tlpipe.config.settings import Head
from tlpipe.errors import ConfigError
from tlpipe.heads.netvlad import NetVLAD
from tlpipe.heads.norms import GeMPooling, L2Pooling
from tlpipe.heads.pooling import KINDS, pooled
from tlpipe.heads.pyramid import SpatialPyramidPooling
from tlpipe.training.network import add_head, head_boundary

LEARNS = {"gem", "netvlad"}


def maps(*shape, seed=0):
    return np.random.default_rng(seed).gamma(1.0, 2.0, shape).astype("float32")


def run(layer, x):
    return keras.ops.convert_to_numpy(layer(x))


def test_gem_goes_from_the_average_to_the_maximum():
    x = maps(3, 5, 7, 4)
    np.testing.assert_allclose(run(GeMPooling(1.0), x), x.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(run(GeMPooling(1000.0), x), x.max((1, 2)), rtol=5e-3)
    exact = (x.astype("float64") ** 3).mean((1, 2)) ** (1 / 3)
    np.testing.assert_allclose(run(GeMPooling(), x), exact, rtol=1e-5)
    np.testing.assert_allclose(run(GeMPooling(3.0), x * 1e12), exact * 1e12, rtol=1e-4)


def test_gem_has_one_exponent_or_one_a_channel():
    x = maps(2, 4, 4, 6)
    one, many = GeMPooling(), GeMPooling(per_channel=True)
    np.testing.assert_allclose(run(one, x), run(many, x), rtol=1e-6)
    assert (one.count_params(), many.count_params()) == (1, 6)
    exponents = np.array([1, 2, 3, 4, 5, 6], "float32")
    many.set_weights([exponents])
    exact = (x.astype("float64") ** exponents).mean((1, 2)) ** (1 / exponents)
    np.testing.assert_allclose(run(many, x), exact, rtol=1e-5)


def test_l2_is_the_root_of_the_mean_square_and_gem_with_exponent_two():
    x = maps(3, 5, 7, 4) - 2
    assert x.min() < -1
    np.testing.assert_allclose(run(L2Pooling(), x), np.sqrt((x**2).mean((1, 2))), rtol=1e-5)
    x = np.abs(x)
    np.testing.assert_allclose(run(L2Pooling(), x), run(GeMPooling(2.0), x), rtol=1e-5)


def pyramid_by_loops(x, levels):
    _, height, width, channels = x.shape
    rows = []
    for picture in x:
        row = []
        for n in levels:
            for i in range(n):
                for j in range(n):
                    top, bottom = int(np.floor(i * height / n)), int(np.ceil((i + 1) * height / n))
                    left, right = int(np.floor(j * width / n)), int(np.ceil((j + 1) * width / n))
                    for c in range(channels):
                        row.append(picture[top:bottom, left:right, c].max())
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (7, 7), (13, 13), (5, 9)])
@pytest.mark.parametrize("levels", [(1, 2, 4), (3, 1), (4,)])
def test_the_pyramid_is_that_of_plain_loops(height, width, levels):
    x = maps(2, height, width, 3) - 1
    layer = SpatialPyramidPooling(levels)
    got = run(layer, x)
    assert got.shape == (2, 3 * sum(n * n for n in levels))
    np.testing.assert_array_equal(got, pyramid_by_loops(x, levels))


def test_a_pyramid_finer_than_the_map_is_refused_with_what_would_fit():
    features = keras.Input((7, 3, 8))
    with pytest.raises(ConfigError, match=r"levels \[1, 2, 4\].*(?s:.)*7 x 3(?s:.)*levels=1,2"):
        pooled(features, "spp", levels=(1, 2, 4))
    assert pooled(features, "spp", levels=(1, 3)).shape == (None, 80)
    with pytest.raises(ConfigError, match="known size"):
        pooled(keras.Input((None, None, 8)), "spp")


def vlad_by_loops(x, centres, kernel, bias):
    """Equations 1 to 4 of the paper, a place at a time."""
    rows = []
    for picture in x.astype("float64"):
        places = picture.reshape(-1, x.shape[-1])
        v = np.zeros(centres.shape)
        for place in places:
            place = place / np.linalg.norm(place)
            scores = np.exp(place @ kernel + bias - (place @ kernel + bias).max())
            for k, share in enumerate(scores / scores.sum()):
                v[k] += share * (place - centres[k])
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        rows.append(v.ravel() / np.linalg.norm(v))
    return np.array(rows)


def test_netvlad_is_the_formula_of_the_paper():
    x, random = maps(3, 4, 5, 6), np.random.default_rng(1)
    layer = NetVLAD(4)
    got = run(layer, x)
    kernel, bias, centres = layer.get_weights()
    np.testing.assert_allclose(got, vlad_by_loops(x, centres, kernel, bias), atol=1e-5)
    centres, alpha = random.normal(size=(4, 6)) / 2, 5.0
    layer.start_from(centres, alpha)
    # Equation 2: the softmax of -alpha |x - c|^2 is that of a 1x1 convolution.
    kernel, bias = 2 * alpha * centres.T, -alpha * (centres**2).sum(1)
    np.testing.assert_allclose(run(layer, x), vlad_by_loops(x, centres, kernel, bias), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(run(layer, x), axis=1), 1, rtol=1e-5)


def test_every_pooling_of_the_settings_is_there_and_another_name_is_refused():
    assert set(get_args(Head.model_fields["pool"].annotation)) == set(KINDS)
    with pytest.raises(ConfigError, match="did you mean 'netvlad'"):
        pooled(keras.Input((4, 4, 3)), "netvald")


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_of_zeros_gives_finite_values_and_finite_slopes(kind):
    features = keras.Input((4, 4, 3))
    model = keras.Model(features, keras.layers.Dense(2)(pooled(features, kind, clusters=3)))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.concatenate([np.zeros((1, 4, 4, 3)), maps(1, 4, 4, 3)]).astype("float32")
    model.train_on_batch(x, np.ones((2, 2), "float32"))
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert np.isfinite(model.predict_on_batch(x)).all()


@pytest.mark.parametrize("kind", ["gem", "l2", "spp", "netvlad"])
def test_half_precision_comes_in_and_float32_is_computed(kind):
    features = keras.Input((4, 4, 3), dtype="bfloat16")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layers = {
            "gem": GeMPooling,
            "l2": L2Pooling,
            "spp": SpatialPyramidPooling,
            "netvlad": NetVLAD,
        }
        layer = layers[kind]()
    finally:
        keras.config.set_dtype_policy(before)
    assert layer(features).dtype == "float32"
    assert layer.compute_dtype == "float32"


def head(kind, **more):
    return Head(pool=kind, levels=(1, 2), clusters=3, **more)


@pytest.fixture(scope="module")
def backbone():
    return build("efficientnet_lite0", size=64).model


@pytest.mark.parametrize("kind", KINDS)
def test_every_pooling_builds_learns_a_step_saves_and_loads(kind, backbone, tmp_path):
    whole = add_head(backbone, 3, head(kind), seed=0)
    pool = whole.get_layer("pool")
    size = {"both": 2 * 1280, "spp": 5 * 1280, "netvlad": 3 * 1280}.get(kind, 1280)
    learned = {"gem": 1, "netvlad": 3 * (2 * 1280 + 1)}.get(kind, 0)
    assert pool.output.shape == (None, size)
    assert pool.output.dtype == "float32"
    assert whole.count_params() == backbone.count_params() + learned + 3 * (size + 1)
    assert head_boundary(whole) is (backbone.output if kind in LEARNS else pool.output)

    suffix = keras.Model(head_boundary(whole), whole.output)
    suffix.compile(
        keras.optimizers.Adam(0.01), keras.losses.CategoricalCrossentropy(from_logits=True)
    )
    values = maps(4, *suffix.input_shape[1:])
    before = suffix.get_weights()
    suffix.train_on_batch(values, np.eye(3, dtype="float32")[[0, 1, 2, 0]])
    for weight, old in zip(suffix.weights, before, strict=True):
        assert not np.array_equal(keras.ops.convert_to_numpy(weight), old), weight.path
    whole.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", compile=False, safe_mode=True)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    assert np.array_equal(again.predict_on_batch(pictures), whole.predict_on_batch(pictures))


def test_the_jax_backend_reads_the_file_computes_the_same_and_trains(tmp_path):
    pytest.importorskip("jax", reason="the test extra installs JAX; this environment lacks it")
    x = maps(2, 5, 6, 4)
    features = keras.Input(x.shape[1:])
    outputs = []
    for kind in KINDS:
        out = pooled(features, kind, clusters=3)
        # Every output needs a layer of its own name in one model.
        outputs.append(keras.Model(features, out, name=kind)(features))
    model = keras.Model(features, outputs)
    model.save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import keras, numpy as np, tlpipe.heads.pooling\n"
        f"m = keras.saving.load_model({str(tmp_path / 'm.keras')!r}, compile=False)\n"
        f"x = np.load({str(tmp_path / 'x.npy')!r})\n"
        "out = m.predict_on_batch(x)\n"
        f"np.savez({str(tmp_path / 'out.npz')!r}, *[np.asarray(o) for o in out])\n"
        "m.compile('sgd', ['mse'] * len(out))\n"
        "before = m.get_weights()\n"
        "m.train_on_batch(x, [np.ones_like(o) for o in out])\n"
        "assert len(before) == 4\n"
        "for a, b in zip(before, m.get_weights()): assert np.isfinite(b).all() and (a != b).any()\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "out.npz") as file:
        there = [file[name] for name in file.files]
    for ours, theirs in zip(model.predict_on_batch(x), there, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
