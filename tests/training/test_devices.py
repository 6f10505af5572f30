"""Several devices of one machine, as virtual ones of this CPU, each backend in its own process."""

import json
import os
import subprocess
import sys

import pytest

from tlpipe.config.load import FINETUNE, override, validate
from tlpipe.config.settings import Backbone
from tlpipe.errors import ConfigError
from tlpipe.pipeline.run import Run
from tlpipe.stages.training import check_devices
from tlpipe.training import device, devices
from tlpipe.training.devices import ONE, device_names, open_devices

SCRIPT = """
import json, sys
from pathlib import Path
import keras, numpy as np
from skimage import data
from tlpipe.config.settings import Head, UnfreezeSettings
from tlpipe.targets.classes import Classes
from tlpipe.training.activations import Activations
from tlpipe.training.bottleneck import Meter
from tlpipe.training.devices import ONE, device_names, open_devices
from tlpipe.training.fast import fast
from tlpipe.training.loop import Task, predict_logits, train
from tlpipe.training.network import add_head, cut
from tlpipe.training.optimizer import build_optimizer

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)

seen = []

@keras.saving.register_keras_serializable()
class Witness(keras.layers.Layer):
    def call(self, x):
        seen.append(x.shape[0])
        return x

cat = data.chelsea()
pictures = np.stack([cat[9 * i : 9 * i + 16, 12 * i : 12 * i + 16] for i in range(29)])
labels = (pictures.mean((1, 2, 3)) > np.median(pictures.mean((1, 2, 3)))).astype("int32")

class Files:
    meter = Meter()
    def stream(self, rows, view):
        for start in range(0, len(rows), 8):
            chosen = rows[start : start + 8]
            yield pictures[chosen], chosen

def learn(where, name, hidden=8):
    keras.utils.set_random_seed(0)
    with where.scope():
        image = keras.Input((16, 16, 3), dtype="uint8")
        x = keras.layers.Rescaling(1 / 64, -2.0, dtype="float32")(image)
        x = keras.layers.Conv2D(6, 3, strides=2, use_bias=False, name="first")(x)
        x = keras.layers.BatchNormalization()(x)
        x = boundary = keras.layers.ReLU()(x)
        x = Witness()(x)
        x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation("tanh")(x)
        head = Head(dropout=float(sys.argv[2]), hidden=[hidden], l2=1e-2)
        whole = add_head(keras.Model(image, x), 2, head, seed=0)
        parts = cut(whole, boundary)
        source = Activations(Files(), fast(parts.prefix), 8, devices=where)
        settings = UnfreezeSettings(
            epochs=2, batch_size=8, learning_rate=0.2, clip_norm=0.05, balance=True,
            optimizer="sgd",
        )
        suffix = fast(parts.suffix)
        suffix.compile(
            build_optimizer(settings, 6, scales={}, policy="float32", devices=where),
            loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05),
        )
        task = Task(
            name="unfreeze", suffix=suffix, weights=parts.suffix.weights, source=source,
            target=Classes("ab"), truth=np.eye(2, dtype="float32")[labels],
            train=np.arange(21), val=np.arange(21, 28), devices=where,
        )
        seen.clear()
        quiet = lambda *_: None
        file = Path(sys.argv[1]) / f"{name}.npz"
        before = [np.array(w) for w in parts.suffix.weights]
        done = train(task, settings, seed=3, file=file, say=quiet, advance=quiet)
        again = train(task, settings, seed=3, file=file, say=quiet, advance=quiet)
        assert again.history == done.history, "goes on from its checkpoint"
        logits = predict_logits(suffix, source, task.val, where)
        moved = max(np.abs(a - b).max() for a, b in zip(before, done.best, strict=True))
        return done, logits, float(moved), sorted({n for n in seen if n})

one, one_logits, moved, _ = learn(ONE, "one")
names = device_names("all")
two, two_logits, _, sizes = learn(open_devices("all"), "two")
if keras.backend.backend() == "tensorflow":
    # Step three comes after step two, in the same process.
    learn(open_devices("all"), "three", hidden=5)
gap = lambda a, b: max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))
both = (one, two)
print(json.dumps({
    "names": names,
    "sizes": sizes,
    "moved": moved,
    "losses": [[row["loss"], row["val_loss"]] for row in one.history],
    "loss_gap": gap(*[[np.array([r["loss"], r["val_loss"]]) for r in h.history] for h in both]),
    "weight_gap": gap(one.best, two.best),
    "logit_gap": gap([one_logits], [two_logits]),
    "shapes": [list(one_logits.shape), list(two_logits.shape)],
}))
"""


def learn_on_two(tmp_path, backend, dropout):
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    environment.pop("TF_CONFIG", None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), str(dropout)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def assert_equal_to_one_device(told):
    assert told["names"] == ["cpu:0", "cpu:1"]
    assert told["moved"] > 0.005, "else equal weights would prove nothing"
    assert told["loss_gap"] < 1e-5
    assert told["weight_gap"] < 1e-5
    assert told["logit_gap"] < 1e-5
    assert told["shapes"] == [[7, 2], [7, 2]]


@pytest.mark.slow
def test_two_jax_devices_learn_what_one_does_dropout_included(tmp_path):
    pytest.importorskip("jax", reason="the test extra installs JAX; this environment lacks it")
    assert_equal_to_one_device(learn_on_two(tmp_path, "jax", 0.3))


@pytest.mark.slow
def test_two_tensorflow_devices_learn_what_one_does_each_on_half_the_batch(tmp_path):
    pytest.importorskip("tensorflow", reason="not a part of an installation with JAX alone")
    told = learn_on_two(tmp_path, "tensorflow", 0.0)
    assert_equal_to_one_device(told)
    assert max(told["sizes"]) == 4


def test_one_device_is_left_as_keras_has_it():
    assert Backbone().devices == 1
    assert open_devices(1) is ONE
    assert device_names(1) == ()


def test_more_devices_than_there_are_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: ["gpu:0", "gpu:1"])
    assert device_names("all") == ("gpu:0", "gpu:1")
    assert device_names(2) == ("gpu:0", "gpu:1")
    with pytest.raises(ConfigError, match="3 devices were asked for, and Keras sees 2"):
        device_names(3)


def test_tensorflow_on_several_machines_is_refused_whatever_the_devices(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    monkeypatch.setattr(devices.keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ConfigError, match="TF_CONFIG names 2"):
        device_names(1)
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1"]}}))
    assert device_names(1) == ()
    monkeypatch.setattr(devices.keras.backend, "backend", lambda: "jax")
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    assert device_names(1) == ()


def test_what_several_devices_can_not_do_is_refused_beforehand(monkeypatch, tmp_path):
    for module in (device, devices):
        monkeypatch.setattr(module, "gpus", lambda: ["gpu:0", "gpu:1"])
    monkeypatch.setattr(devices.keras.backend, "backend", lambda: "tensorflow")

    def check(*settings):
        return check_devices(Run(tmp_path, validate(override(FINETUNE, settings))))

    with pytest.raises(ConfigError, match="BatchNorm can't learn on several devices"):
        check("backbone.devices=all", "unfreeze.batch_norm=true")
    with pytest.raises(ConfigError, match="float16 can't train on several devices"):
        check("backbone.devices=2", "backbone.precision=float16")
    check("backbone.devices=2", "backbone.precision=bfloat16")
    check("unfreeze.batch_norm=true", "backbone.precision=float16")
