"""What steps two and three share: a cut network, its task, and batch size against memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np

from tlpipe.config.settings import Training
from tlpipe.data.manifest import Manifest
from tlpipe.errors import ConfigError, TrainingError
from tlpipe.pipeline.atomic import read_json, write_json, writing
from tlpipe.pipeline.run import Run
from tlpipe.stages.inputs import BACKBONE, open_sampler
from tlpipe.targets.target import Target
from tlpipe.training import cache, checkpoint
from tlpipe.training.activations import Activations, Pictures, Source
from tlpipe.training.bottleneck import verdict
from tlpipe.training.device import resolve
from tlpipe.training.devices import ONE, OneDevice, device_names
from tlpipe.training.fast import fast
from tlpipe.training.frozen import assert_unchanged, fingerprint, frozen_weights
from tlpipe.training.loop import Task, predict_logits, shown, steps_per_epoch, train
from tlpipe.training.network import Cut
from tlpipe.training.optimizer import build_optimizer


def step_files(stage: str) -> tuple[str, str, str]:
    """Artifacts of a training stage: trained weights, validation logits, facts."""
    return tuple(f"stages/{stage}/{n}" for n in ("weights.npz", "val_logits.npy", "facts.json"))


def check_devices(run: Run) -> None:
    """Raises ConfigError for devices that are not there, and for what several can't do."""
    settings = run.pipeline.stages["backbone"]
    if len(device_names(settings.devices)) < 2:
        return
    step_three = run.pipeline.stages.get("unfreeze")
    if step_three is not None and step_three.batch_norm:
        raise ConfigError(
            "BatchNorm can't learn on several devices.",
            cause="each would take the mean of its own share of the batch",
            todo="leave out --devices, or --set unfreeze.batch_norm=false",
        )
    half = resolve(settings.precision).policy == "mixed_float16"
    if half and keras.backend.backend() == "tensorflow":
        raise ConfigError(
            "float16 can't train on several devices under TensorFlow.",
            cause="its loss scaling looks at the gradients of one device only",
            todo="use --precision float32 or bfloat16, or leave out --devices",
        )


def open_source(
    run: Run,
    cut: Cut,
    manifest: Manifest,
    batch_size: int,
    later: Sequence[keras.KerasTensor] = (),
    devices: OneDevice = ONE,
) -> tuple[Source, int | None]:
    """What the suffix of ``cut`` reads, and how many views a picture has (None: one an epoch).

    ``later`` are boundaries of steps to come: what the prefix computes there is stored on the way,
    so that the pictures go through the network once for all. Where there is no room for them all,
    there may be for the first, which is that of this run, or else for what this step reads.
    """
    settings, sampler = run.pipeline.stages["prepare"], open_sampler(run, manifest)
    if cut.prefix is None:
        run.say("  nothing is frozen, so there are no activations to cache")
        prepared, sentence = cache.keep_pictures(settings, manifest, sampler.size, sampler.pixels)
        run.say(f"  {sentence}")
        return Pictures(replace(sampler, prepared=prepared), batch_size), settings.views
    pictures = Pictures(sampler, batch_size)
    facts = read_json(run.path(BACKBONE))
    choices = dict.fromkeys((tuple(later), tuple(later[:1]), ()))
    for wanted in [()] if settings.cache == "off" else choices:
        tensors = [cut.prefix.output, *wanted]
        prefix = keras.Model(cut.prefix.input, tensors)
        decided = cache.plan(
            settings,
            prefix,
            tensors,
            train=manifest.indices("train"),
            plain=manifest.indices("val"),
            facts={
                "backbone": facts["name"],
                # Of a file of the user's own it is that of the whole file: what its layers do, too.
                "weights_file": facts["weights_sha256"],
                "size": facts["size"],
                "policy": facts["policy"],
                "resize": settings.resize,
                "augmentation": sampler.augmentation.digest,
                **asdict(sampler.pixels),
                "seed": run.seed,
                "split": manifest.digest,
            },
        )
        if decided.stores:
            break
    run.say(f"  {decided.sentence}")
    source = Activations(
        pictures,
        fast(prefix, hold=True),
        batch_size,
        dtype=decided.dtype,
        stores=decided.stores,
        devices=devices,
    )
    return source, decided.views


def checkpoint_file(run: Run, stage: str) -> Path:
    """Where the state of an unfinished training step lies."""
    return run.path(f"stages/{stage}/checkpoint.npz")


def finish_step(
    run: Run,
    stage: str,
    progress: checkpoint.Progress,
    logits,
    target: Target,
    facts: dict,
) -> str:
    """Writes what a finished step leaves behind, and returns the summary."""
    checkpoint.save_weights(run.path(f"stages/{stage}/weights.npz"), progress.best)
    with writing(run.path(f"stages/{stage}/val_logits.npy")) as temporary:
        np.save(temporary, logits)
    facts = {"history": progress.history, "best_epoch": progress.best_epoch, **facts}
    write_json(run.path(f"stages/{stage}/facts.json"), facts)
    best = progress.history[progress.best_epoch - 1]
    return (
        f"best epoch {progress.best_epoch}: validation loss {best['val_loss']:.4f}, "
        f"{shown(target, best)}"
    )


def train_step(
    run: Run,
    stage: str,
    cut: Cut,
    manifest: Manifest,
    target: Target,
    settings: Training,
    *,
    scales: dict[str, float],
    first_view: int,
    later: Sequence[keras.KerasTensor] = (),
    devices: OneDevice = ONE,
) -> tuple[checkpoint.Progress, np.ndarray]:
    """Trains the suffix of ``cut``, proves the rest unchanged, and predicts the validation part.

    Returns:
        The progress with the best weights, and validation logits, float32 (n, outputs).
    """
    if len(devices.names) > 1:
        run.say(f"  on {len(devices.names)} devices: {', '.join(devices.names)}")
    source, views = open_source(run, cut, manifest, settings.batch_size, later, devices)
    policy = read_json(run.path(BACKBONE))["policy"]
    rows = manifest.indices("train")
    steps = settings.epochs * steps_per_epoch(len(rows), settings.batch_size)
    suffix = fast(cut.suffix, hold=True)
    suffix.compile(
        optimizer=build_optimizer(settings, steps, scales=scales, policy=policy, devices=devices),
        loss=target.loss(settings),
    )
    before = fingerprint(frozen_weights(cut.whole))
    task = Task(
        name=stage,
        suffix=suffix,
        weights=cut.suffix.weights,
        source=source,
        target=target,
        truth=target.truth([picture.label for picture in manifest.pictures]),
        train=rows,
        val=manifest.indices("val"),
        views=views,
        first_view=first_view,
        devices=devices,
    )
    file = checkpoint_file(run, stage)
    start = time.perf_counter()
    with run.progress(stage) as advance:
        progress = train(
            task,
            settings,
            seed=run.seed,
            file=file,
            say=run.say,
            advance=advance,
            until=getattr(settings, "pause", None),
        )
    seconds = time.perf_counter() - start
    blocks = getattr(settings, "blocks", None)
    prepare, computed = run.pipeline.stages["prepare"], min(views or math.inf, settings.epochs)
    run.say(f"  {verdict(source.meter, seconds, prepare, blocks, computed)}")
    assert_unchanged(before, cut.whole, stage)
    run.say("  proof: not one bit of the frozen part changed")
    return progress, predict_logits(suffix, source, task.val, devices)


def retry_with_less_memory(
    run: Run, stage: str, settings: Training, work: Callable[[Training], str]
) -> str:
    """Calls ``work`` and, when memory runs out, again with half the batch size, down to 1.

    What was begun with smaller batches goes on with them: its schedule has more steps an epoch.
    What was begun with larger ones, by the trial that a search's trial goes on from, begins anew.
    """
    begun = checkpoint.batch_size(checkpoint_file(run, stage))
    if begun is not None and begun > settings.batch_size:
        checkpoint_file(run, stage).unlink()
    elif begun is not None and begun < settings.batch_size:
        settings = settings.model_copy(update={"batch_size": begun})
        run.say(f"  going on with batch size {begun}, as memory ran out before", style="yellow")
    while True:
        try:
            return work(settings)
        except Exception as error:
            if not _out_of_memory(error):
                raise
            if settings.batch_size == 1:
                raise TrainingError(
                    "Memory runs out even with a batch of one picture.",
                    todo="lower --resolution, unfreeze fewer blocks, or choose a smaller backbone",
                ) from error
        settings = settings.model_copy(update={"batch_size": settings.batch_size // 2})
        run.say(f"  out of memory: going on with batch size {settings.batch_size}", style="yellow")
        # A schedule of another batch size can't be taken up in the middle.
        checkpoint_file(run, stage).unlink(missing_ok=True)
        keras.backend.clear_session()


def _out_of_memory(error: Exception) -> bool:
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "ResourceExhaustedError"
        or "RESOURCE_EXHAUSTED" in str(error)
        or "out of memory" in str(error).lower()
    )
