"""The parts of a training step: what is frozen, at which rate the rest moves, what runs out."""

import json
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tlpipe.backbones.blocks import find_blocks
from tlpipe.backbones.build import build
from tlpipe.config.settings import Head, UnfreezeSettings
from tlpipe.errors import ConfigError, TrainingError
from tlpipe.stages.training import retry_with_less_memory
from tlpipe.targets.classes import Classes
from tlpipe.training import capability, device
from tlpipe.training.frozen import assert_unchanged, fingerprint, frozen_weights
from tlpipe.training.network import add_head, cut, head_boundary, with_answers
from tlpipe.training.optimizer import block_scales, build_optimizer


@pytest.fixture
def whole():
    return add_head(build("efficientnet_lite0", size=64).model, 3, Head(dropout=0.2), seed=0)


def pictures(n=4):
    return np.random.default_rng(0).integers(0, 256, (n, 64, 64, 3)).astype("uint8")


def one_step(whole, tensor, settings, scales, batch_norm=False):
    parts = cut(whole, tensor, batch_norm=batch_norm)
    parts.suffix.compile(
        build_optimizer(settings, 10, scales=scales, policy="float32"),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    values = parts.prefix.predict_on_batch(pictures())
    parts.suffix.train_on_batch(values, np.eye(3, dtype="float32")[[0, 1, 2, 0]])
    return parts


def test_head_and_backbone_are_one_flat_graph_with_float32_logits(whole):
    assert not [la for la in whole.layers if isinstance(la, keras.Model)]
    assert whole.input.dtype == "uint8"
    assert whole.output.dtype == "float32"
    half = build("efficientnet_lite0", weights="none", size=64, dtype_policy="mixed_bfloat16")
    mixed = add_head(half.model, 3, Head(dropout=0), seed=0)
    assert mixed.output.dtype == "float32"
    assert mixed.get_layer("block7a_expand_conv").compute_dtype == "bfloat16"


def test_probabilities_are_the_softmax_of_the_logits(whole):
    logits = whole.predict_on_batch(pictures())
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    got = with_answers(whole, Classes("ab").answer_layer()).predict_on_batch(pictures())
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_step_leaves_every_frozen_bit_and_batchnorm_alone(whole):
    blocks = find_blocks(keras.Model(whole.input, whole.get_layer("pool").input))
    cut(whole, blocks[-2].input)
    before = fingerprint(frozen_weights(whole))
    start = whole.get_layer("logits").get_weights()
    one_step(whole, blocks[-2].input, UnfreezeSettings(warmup=0), {})
    assert_unchanged(before, whole, "unfreeze")
    assert not np.array_equal(start[0], whole.get_layer("logits").get_weights()[0])


def test_a_frozen_weight_that_moves_fails_the_run(whole):
    cut(whole, head_boundary(whole))
    before = fingerprint(frozen_weights(whole))
    norm = next(la for la in whole.layers if isinstance(la, keras.layers.BatchNormalization))
    norm.moving_mean.assign(norm.moving_mean + 1e-7)
    with pytest.raises(TrainingError, match="must stay frozen changed during step 'head'"):
        assert_unchanged(before, whole, "head")


def test_batchnorm_learns_when_asked(whole):
    blocks = find_blocks(keras.Model(whole.input, whole.get_layer("pool").input))
    norm = [la for la in whole.layers if isinstance(la, keras.layers.BatchNormalization)][-1]
    before = norm.get_weights()
    one_step(whole, blocks[-1].input, UnfreezeSettings(warmup=0), {}, batch_norm=True)
    assert all(not np.array_equal(a, b) for a, b in zip(before, norm.get_weights(), strict=True))


def test_blocks_further_from_the_head_move_less(whole):
    blocks = find_blocks(keras.Model(whole.input, whole.get_layer("pool").input))[-2:]
    cut(whole, blocks[0].input)
    scales = block_scales(whole, blocks, 0.25)
    names = ("block7a_expand_conv", "top_conv", "logits")
    before = {name: whole.get_layer(name).get_weights()[0] for name in names}
    settings = UnfreezeSettings(warmup=0, learning_rate=1e-3, weight_decay=0, clip_norm=None)
    one_step(whole, blocks[0].input, settings, scales)
    moved = {
        name: np.max(np.abs(whole.get_layer(name).get_weights()[0] - before[name]))
        for name in names
    }
    # The first step of Adam moves every weight by about the learning rate.
    assert moved["logits"] == pytest.approx(1e-3, rel=0.05)
    assert moved["top_conv"] == pytest.approx(1e-3, rel=0.05)
    assert moved["block7a_expand_conv"] == pytest.approx(2.5e-4, rel=0.05)


def test_weight_decay_shrinks_kernels_and_spares_biases():
    kernel, bias = keras.Variable(np.ones((2, 2))), keras.Variable(np.ones(2))
    settings = UnfreezeSettings(warmup=0, learning_rate=0.1, weight_decay=0.5)
    optimizer = build_optimizer(settings, 10, scales={}, policy="float32")
    optimizer.build([kernel, bias])
    optimizer.apply([np.zeros((2, 2), "float32"), np.zeros(2, "float32")])
    np.testing.assert_allclose(np.asarray(kernel), 0.95, rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(bias), 1.0)


def test_the_rate_warms_up_and_then_falls_to_zero():
    settings = UnfreezeSettings(learning_rate=1.0, warmup=0.2)
    rate = build_optimizer(settings, 10, scales={}, policy="float32")._learning_rate
    rates = [float(rate(step)) for step in range(11)]
    assert rates[:3] == pytest.approx([0, 0.5, 1.0])
    assert rates == sorted(rates[:3]) + sorted(rates[3:], reverse=True)
    assert rates[10] == pytest.approx(0, abs=1e-6)


def test_half_precision_gets_loss_scaling():
    optimizer = build_optimizer(UnfreezeSettings(), 10, scales={}, policy="mixed_float16")
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def test_class_weights_average_to_one_over_the_pictures():
    two = Classes("ab")
    weights = two.weights(two.truth("aaaaaaaaabbb"))
    assert weights.tolist() == pytest.approx([12 / 18] * 9 + [2.0] * 3)
    assert weights.mean() == pytest.approx(1)


class Told:
    """A run that remembers what was said."""

    def __init__(self, folder):
        self.folder, self.lines = folder, []

    def path(self, name):
        return self.folder / name

    def say(self, text, style=None):
        self.lines.append(text)


def test_batch_size_halves_until_memory_suffices_and_says_so(tmp_path):
    (tmp_path / "stages/head").mkdir(parents=True)
    stale = tmp_path / "stages/head/checkpoint.npz"
    np.savez(stale, facts=np.array(json.dumps({"batch_size": 32})))
    run = Told(tmp_path)

    def work(settings):
        if settings.batch_size > 8:
            raise MemoryError
        return str(settings.batch_size)

    settings = UnfreezeSettings(batch_size=32)
    assert retry_with_less_memory(run, "head", settings, work) == "8"
    assert [line.split()[-1] for line in run.lines] == ["16", "8"]
    assert not stale.exists()


def test_what_was_begun_with_smaller_batches_goes_on_with_them(tmp_path):
    file = tmp_path / "stages/head/checkpoint.npz"
    file.parent.mkdir(parents=True)
    np.savez(file, facts=np.array(json.dumps({"batch_size": 8})))
    run = Told(tmp_path)
    settings = UnfreezeSettings(batch_size=32)
    assert retry_with_less_memory(run, "head", settings, lambda s: str(s.batch_size)) == "8"
    assert "batch size 8" in run.lines[0]
    assert file.exists()


def test_what_was_begun_with_larger_batches_begins_anew(tmp_path):
    """As hyperband's trials do whose batch was halved, while the one before kept its own."""
    file = tmp_path / "stages/unfreeze/checkpoint.npz"
    file.parent.mkdir(parents=True)
    np.savez(file, facts=np.array(json.dumps({"batch_size": 32})))
    settings = UnfreezeSettings(batch_size=16)
    found = retry_with_less_memory(Told(tmp_path), "unfreeze", settings, lambda _: file.exists())
    assert found is False


def test_memory_that_never_suffices_says_what_to_do_and_other_errors_pass(tmp_path):
    def starve(settings):
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory allocating 3 bytes")

    with pytest.raises(TrainingError, match="batch of one picture"):
        retry_with_less_memory(Told(tmp_path), "head", UnfreezeSettings(batch_size=2), starve)

    def break_(settings):
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        retry_with_less_memory(Told(tmp_path), "head", UnfreezeSettings(), break_)


@pytest.mark.parametrize(
    ("known", "policy"),
    [(9.0, "mixed_bfloat16"), (8.0, "mixed_bfloat16"), (7.5, "mixed_float16"), (6.1, "float32")],
)
def test_precision_follows_the_gpu(monkeypatch, known, policy):
    monkeypatch.setattr(device, "gpus", lambda: ["gpu:0"])
    monkeypatch.setattr(device, "compute_capability", lambda: known)
    assert device.resolve("auto").policy == policy


@pytest.mark.parametrize(
    ("unit", "backend", "one_dnn", "policy"),
    [
        ("AMX", "tensorflow", "1", "mixed_bfloat16"),
        ("AVX512_BF16", "tensorflow", "1", "mixed_bfloat16"),
        ("AMX", "tensorflow", "0", "float32"),
        ("AMX", "tensorflow", "False", "float32"),
        (None, "tensorflow", "1", "float32"),
        # It has not been measured there.
        ("AMX", "jax", "1", "float32"),
    ],
)
def test_precision_follows_the_processor(monkeypatch, unit, backend, one_dnn, policy):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", one_dnn)
    monkeypatch.setattr(device, "gpus", list)
    monkeypatch.setattr(device, "bfloat16_unit", lambda: unit)
    monkeypatch.setattr(device.keras.backend, "backend", lambda: backend)
    assert device.resolve("auto").policy == policy


def test_precision_as_asked(monkeypatch):
    monkeypatch.setattr(device, "gpus", list)
    assert device.resolve("float32").policy == "float32"
    assert device.resolve("bfloat16").policy == "mixed_bfloat16"
    with pytest.raises(ConfigError, match="float16 needs a GPU"):
        device.resolve("float16")
    with pytest.raises(ConfigError, match="float64"):
        device.resolve("float64")


@pytest.mark.parametrize(
    ("backend", "module", "expected"),
    [
        (
            "jax",
            SimpleNamespace(
                local_devices=lambda backend: [SimpleNamespace(compute_capability="8.6")]
            ),
            8.6,
        ),
        (
            "jax",
            SimpleNamespace(
                local_devices=lambda backend: [SimpleNamespace(compute_capability="gfx90a")]
            ),
            None,
        ),
        (
            "torch",
            SimpleNamespace(cuda=SimpleNamespace(get_device_capability=lambda i: (7, 5))),
            7.5,
        ),
    ],
)
def test_the_capability_is_that_of_the_gpu_that_the_backend_uses(
    monkeypatch, backend, module, expected
):
    monkeypatch.setitem(sys.modules, backend, module)
    monkeypatch.setattr(capability.keras.backend, "backend", lambda: backend)
    assert capability.compute_capability() == expected


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about TensorFlow's answer")
def test_tensorflow_tells_the_capability_of_its_first_gpu(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["first", "second"])
    known = {"first": {"compute_capability": (9, 0)}, "second": {}}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", known.get)
    assert capability.compute_capability() == 9.0
    known["first"] = {}
    assert capability.compute_capability() is None
