"""gpu.py's first half: tlpipe's steps on JAX, and the bare computations they are held against."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import common
import jax
import keras
import numpy as np

from tlpipe.backbones.blocks import boundary
from tlpipe.backbones.build import build
from tlpipe.config.settings import Head, Prepare, UnfreezeSettings
from tlpipe.data.augment import load
from tlpipe.data.manifest import Manifest
from tlpipe.data.sample import Sampler
from tlpipe.targets.classes import Classes
from tlpipe.training import cache
from tlpipe.training.activations import Activations, Pictures, Source
from tlpipe.training.cache_folder import stored
from tlpipe.training.device import resolve
from tlpipe.training.fast import fast
from tlpipe.training.loop import Task, train
from tlpipe.training.network import Cut, add_head, cut, head_boundary
from tlpipe.training.optimizer import build_optimizer

BLOCKS, WARM_UP = 3, 3


@dataclass
class Bench:
    """One network in one precision.

    Attributes:
        manifest: whose training and validation parts are whole batches.
        sizes: of gpu.py.
        policy: the dtype policy.
        epochs: pictures a second in each epoch of each step, as far as measured.
    """

    manifest: Manifest
    sizes: Any
    policy: str
    epochs: dict[str, list[float]] = field(default_factory=dict)

    def suffix(self, parts: Cut) -> keras.Model:
        """The part that trains, as tlpipe compiles it."""
        suffix = fast(parts.suffix)
        steps = self.sizes.epochs * self.sizes.train // self.sizes.batch
        suffix.compile(
            build_optimizer(UnfreezeSettings(), steps, scales={}, policy=self.policy),
            keras.losses.CategoricalCrossentropy(from_logits=True),
        )
        return suffix

    def train(self, step: str, suffix: keras.Model, warm: Source, source: Source) -> None:
        """tlpipe's loop: an epoch of two batches from ``warm``, then ``source`` on the clock."""
        rows, val = self.manifest.indices("train"), self.manifest.indices("val")
        batch, target = self.sizes.batch, Classes(self.manifest.class_names)
        truth = target.truth([picture.label for picture in self.manifest.pictures])
        for chosen, some, few, count in (
            (warm, rows[: 2 * batch], val[:batch], 1),
            (source, rows, val, self.sizes.epochs),
        ):
            task = Task(
                step, suffix, suffix.weights, chosen, target, truth, some, few, views=1,
            )  # fmt: skip
            settings = Head(epochs=count, batch_size=batch, patience=count)
            file = Path(tempfile.mkdtemp()) / "checkpoint.npz"
            clock = common.Clock()
            train(task, settings, seed=0, file=file, say=clock.close, advance=clock.step)
        self.epochs[step] = [len(rows) / seconds for seconds in clock.seconds]


def measure(network: str, precision: str, manifest: Manifest, sizes: Any) -> dict:
    """Everything of one network in one precision; rates are pictures a second."""
    bench = Bench(manifest, sizes, resolve(precision).policy)
    rows, val = manifest.indices("train"), manifest.indices("val")
    classes, batch = len(manifest.class_names), sizes.batch
    backbone = build(network, weights="none", size=sizes.side, dtype_policy=bench.policy).model
    whole = add_head(backbone, classes, Head(dropout=0.2), seed=0)
    sampler = Sampler(manifest, sizes.side, augmentation=load("light", sizes.side))
    pixels = Pictures(sampler, batch)
    images = jax.device_put(np.stack([sampler.plain(row) for row in rows[:batch]]))
    labels = jax.device_put(np.eye(classes, dtype="float32")[manifest.labels[rows[:batch]]])
    bare = {}

    def activations(*tensors: keras.KerasTensor) -> Activations:
        prefix = keras.Model(whole.input, list(tensors))
        plan = cache.plan(Prepare(cache=1), prefix, tensors, train=rows, plain=val, facts={})
        return Activations(pixels, fast(prefix), batch, dtype=plan.dtype, stores=plan.stores)

    parts, later = cut(whole, head_boundary(whole)), boundary(backbone, BLOCKS).tensor
    source = activations(parts.prefix.output, later)
    bare["frozen"], (_, features) = bare_forward(source.prefix, images, sizes.steps)
    warm = Activations(pixels, source.prefix, batch)
    bench.train("head", bench.suffix(parts), warm, source)

    parts = cut(whole, later)
    suffix = bench.suffix(parts)
    bare["unfreeze"] = bare_training(suffix, features.astype("float32"), labels, sizes.steps)
    # Another look at the same cache, as the real step has it: entries are checked once more.
    source = activations(later)
    bench.train("unfreeze", suffix, source, source)

    suffix = bench.suffix(cut(whole, whole.input))
    bare["full"] = bare_training(suffix, images, labels, sizes.steps)
    prepared, _ = cache.keep_pictures(Prepare(), manifest, sizes.side)
    kept = Pictures(replace(sampler, prepared=prepared), batch)
    bench.train("full", suffix, pixels, kept)

    found = bench.epochs
    return {
        "device": jax.devices()[0].device_kind,
        "cache_mb": sum(entry["bytes"] for entry in stored()) / 1e6,
        "bare": bare,
        "epochs": found,
        "share": {
            "head, first epoch": found["head"][0] / bare["frozen"],
            "unfreeze, last epoch": found["unfreeze"][-1] / bare["unfreeze"],
            "full, first epoch": found["full"][0] / bare["full"],
            "full, last epoch": found["full"][-1] / bare["full"],
        },
    }


def bare_forward(model: keras.Model, images: jax.Array, steps: int) -> tuple[float, list]:
    """Pictures a second of a forward pass, and its outputs."""

    @jax.jit
    def run(trained, fixed, images):
        return model.stateless_call(trained, fixed, images, training=False)[0]

    state = values(model.trainable_variables), values(model.non_trainable_variables)
    return len(images) / seconds(lambda: run(*state, images), steps), run(*state, images)


def bare_training(model: keras.Model, inputs: jax.Array, labels: jax.Array, steps: int) -> float:
    """Pictures a second of loss, gradient and update, compiled as one; the model is left as is."""
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)

    def loss(trained, fixed, inputs, labels):
        logits, fixed = model.stateless_call(trained, fixed, inputs, training=True)
        return model.loss(labels, logits), fixed

    @partial(jax.jit, donate_argnums=0)
    def run(state, inputs, labels):
        trained, fixed, slots = state
        gradient = jax.value_and_grad(loss, has_aux=True)
        (value, fixed), gradients = gradient(trained, fixed, inputs, labels)
        trained, slots = optimizer.stateless_apply(slots, gradients, trained)
        return value, (trained, fixed, slots)

    # Copies: what is donated is gone.
    state = jax.tree.map(
        jax.numpy.copy,
        (
            values(model.trainable_variables),
            values(model.non_trainable_variables),
            values(optimizer.variables),
        ),
    )

    def step():
        nonlocal state
        value, state = run(state, inputs, labels)
        return value

    return len(inputs) / seconds(step, steps)


def seconds(step: Callable[[], Any], steps: int) -> float:
    """Seconds a step; the device is waited for at the end only."""
    for _ in range(WARM_UP):
        last = step()
    jax.block_until_ready(last)
    begin = time.perf_counter()
    for _ in range(steps):
        last = step()
    jax.block_until_ready(last)
    return (time.perf_counter() - begin) / steps


def values(variables: list) -> list[jax.Array]:
    return [variable.value for variable in variables]
