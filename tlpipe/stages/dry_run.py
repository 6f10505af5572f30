"""``--dry-run``: what would run and why, tried on the real pictures, with its cost."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tlpipe.backbones.blocks import boundary
from tlpipe.data.manifest import Manifest
from tlpipe.errors import ConfigError, RunError
from tlpipe.pipeline.atomic import read_json
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.runner import execute, plan, preflight
from tlpipe.stages.inputs import (
    BACKBONE,
    open_manifest,
    open_network,
    open_sampler,
    open_target,
)
from tlpipe.stages.registry import make_stages
from tlpipe.targets.target import Target
from tlpipe.training.activations import Activations, Pictures
from tlpipe.training.cache import AUTO_VIEWS
from tlpipe.training.cache_folder import free_bytes
from tlpipe.training.determinism import make_deterministic
from tlpipe.training.fast import fast
from tlpipe.training.loop import steps_per_epoch
from tlpipe.training.network import Cut, cut, head_boundary, with_answers
from tlpipe.training.optimizer import build_optimizer
from tlpipe.training.store import Store

BEFORE_TRAINING = ("scan", "split", "backbone", "prepare")


def dry_run(run: Run) -> dict[str, float]:
    """Prints the plan, rehearses it in a temporary folder, and estimates time, memory and disk.

    Returns:
        ``seconds``, ``memory_mb`` and ``disk_mb`` as estimated.

    Raises:
        ConfigError: the pipeline does not train, or a setting can't be used.
        RunError: a saved and reloaded model does not predict the same.
    """
    if missing := [name for name in (*BEFORE_TRAINING, "head") if name not in run.pipeline.stages]:
        raise ConfigError(
            f"This pipeline does not train: it has no stage '{missing[0]}'.",
            todo="name one with the stages of pipelines/finetune.yaml",
        )
    stages = make_stages(run.pipeline)
    preflight(run, stages)
    say = run.console.print
    say(f"Plan for {run.folder} (nothing is written there):", highlight=False)
    for item in plan(run, stages):
        say(f"  {item.stage.name:9} {item.action:6} {item.why}", highlight=False)
    with tempfile.TemporaryDirectory(prefix="tlpipe-dry-run-") as folder:
        rehearsal = Run(Path(folder), run.pipeline, run.console)
        started = time.perf_counter()
        execute(rehearsal, [s for s in stages if s.name in BEFORE_TRAINING], stays=False)
        spent = time.perf_counter() - started
        estimate = _rehearse_training(rehearsal)
    estimate["seconds"] += spent
    free = free_bytes(run.folder.resolve()) / 1e6
    say(
        f"Estimate: {estimate['seconds'] / 60:.1f} minutes, {estimate['memory_mb']:.0f} MB of "
        f"memory, {estimate['disk_mb']:.0f} MB of disk ({free:.0f} MB free)",
        highlight=False,
    )
    return estimate


def _rehearse_training(run: Run) -> dict[str, float]:
    make_deterministic(run.seed)
    manifest = open_manifest(run)
    sampler = open_sampler(run, manifest)
    target = open_target(run, manifest)
    whole, backbone = open_network(run, target)
    stages = run.pipeline.stages
    cuts = {"head": cut(whole, head_boundary(whole))}
    costs = {"head": _try_steps(run, "head", cuts["head"], sampler, manifest, target)}
    blocks = stages["unfreeze"].blocks if "unfreeze" in stages else "none"
    trained = 0
    if blocks not in ("none", 0):
        step_three = stages["unfreeze"]
        cuts["unfreeze"] = cut(
            whole, boundary(backbone, blocks).tensor, batch_norm=step_three.batch_norm
        )
        costs["unfreeze"] = _try_steps(run, "unfreeze", cuts["unfreeze"], sampler, manifest, target)
        trained = cuts["unfreeze"].suffix.count_params()
    model = with_answers(whole, target.answer_layer())
    _save_and_reload(run, model, sampler, manifest)
    train, val = (len(manifest.indices(part)) for part in ("train", "val"))
    pictures, prepare = train + val, stages["prepare"]
    views = prepare.cache if isinstance(prepare.cache, int) else prepare.views or AUTO_VIEWS
    stored = sum(
        Store.bytes_needed(cut.prefix.output.shape[1:], prepare.cache_dtype, views, train, val)
        for cut in cuts.values()
        if cut.prefix is not None
    )
    cached = prepare.cache != "off" and stored <= prepare.cache_size * 1e9
    seconds = 0.0
    for step, cost in costs.items():
        epochs, batch = stages[step].epochs, stages[step].batch_size
        # With the cache a picture passes the frozen part once a view, and for both steps.
        fills = epochs if not cached or cuts[step].prefix is None else 0
        if cached and step == "head":
            fills = min(epochs, views)
        steps = steps_per_epoch(pictures, batch)
        seconds += cost.first + steps * (epochs * cost.suffix + fills * cost.prefix)
    unit = 1 if sys.platform == "darwin" else 1 << 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    # A checkpoint holds the weights, two moments and the best weights, in float32.
    disk = (4 * whole.count_params() + 4 * 4 * trained + (stored if cached else 0)) / 1e6
    return {"seconds": seconds, "memory_mb": peak, "disk_mb": disk}


@dataclass(frozen=True)
class _Cost:
    """Seconds: of the first step, which compiles; of the frozen and the trained part a batch."""

    first: float
    prefix: float
    suffix: float


def _try_steps(
    run: Run, stage: str, parts: Cut, sampler, manifest: Manifest, target: Target
) -> _Cost:
    settings = run.pipeline.stages[stage]
    policy = read_json(run.path(BACKBONE))["policy"]
    source = Pictures(sampler, settings.batch_size)
    if parts.prefix is not None:
        source = Activations(source, fast(parts.prefix, hold=True), settings.batch_size)
    suffix = fast(parts.suffix, hold=True)
    suffix.compile(
        build_optimizer(settings, 10, scales={}, policy=policy),
        loss=target.loss(settings),
    )
    rows = np.resize(manifest.indices("train"), 3 * settings.batch_size)
    aims = target.aims(target.truth([picture.label for picture in manifest.pictures]))
    before, after, asked = [], [], time.perf_counter()
    for values, chosen in source.stream(rows, 0):
        got = time.perf_counter()
        loss = suffix.train_on_batch(values, aims[chosen])
        before.append(got - asked)
        asked = time.perf_counter()
        after.append(asked - got)
    run.say(
        f"  one real step of '{stage}': loss {float(np.ravel(loss)[0]):.3f}, "
        f"{min(before):.2f} s frozen part, {min(after):.2f} s trained part"
    )
    return _Cost(before[0] + after[0], min(before), min(after))


def _save_and_reload(run: Run, model: keras.Model, sampler, manifest: Manifest) -> None:
    path = run.path("rehearsal.keras")
    model.save(path)
    again = keras.saving.load_model(path, compile=False, safe_mode=True)
    pictures = np.stack([sampler.plain(i) for i in manifest.indices("val")[:4]])
    before, after = (np.asarray(m.predict_on_batch(pictures)) for m in (model, again))
    if not np.array_equal(before, after):
        raise RunError(
            "A saved and reloaded model does not predict the same.",
            cause=f"largest difference {np.abs(before - after).max():.2g}",
            todo="report it with the output of `tlpipe doctor`",
        )
    run.say("  saved, reloaded, and the predictions are the same to the bit")
