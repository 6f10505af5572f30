"""Filling the caches of a run beforehand, in shares: each by a process or a machine of its own.

All of them write into the same files, each its own entries. An entry's checksum is written after
its values, so what was cut short, or lost where two machines write into one page of a network file
system, counts as missing and is made again by whoever needs it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from filelock import FileLock

from tlpipe.backbones.blocks import boundary
from tlpipe.data.manifest import Manifest
from tlpipe.errors import ConfigError
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.runner import execute, plan, preflight
from tlpipe.pipeline.shard import Shard
from tlpipe.stages.head import boundaries_to_come
from tlpipe.stages.inputs import open_manifest, open_network, open_target
from tlpipe.stages.registry import make_stages
from tlpipe.stages.training import open_source
from tlpipe.training.activations import Activations, Source
from tlpipe.training.determinism import make_deterministic
from tlpipe.training.network import cut, head_boundary

LAST_BEFORE_TRAINING = "prepare"


@dataclass(frozen=True)
class Filled:
    """What a share of one cache holds now.

    Attributes:
        what: ``activations`` or ``decoded pictures``.
        made: entries that were missing.
        there: entries that were there already.
    """

    what: str
    made: int
    there: int


def fill(run: Run, shard: Shard) -> list[Filled]:
    """Fills one share of every cache that training will read.

    Stages before training that are not finished are run first; of several processes that come at
    once, one does it and the others wait.

    Raises:
        ConfigError: the settings have no cache, or there is no room for one.
    """
    _finish_stages_before_training(run)
    make_deterministic(run.seed)
    manifest = open_manifest(run)
    whole, backbone = open_network(run, open_target(run, manifest))
    size = run.pipeline.stages["head"].batch_size
    parts = cut(whole, head_boundary(whole))
    source, views = open_source(run, parts, manifest, size, boundaries_to_come(run, backbone))
    filled = []
    if source.stores:
        filled.append(_fill_activations(run, source, manifest, min(views, _epochs(run)), shard))
    step_three = run.pipeline.stages.get("unfreeze")
    if step_three is not None and step_three.blocks not in ("none", 0):
        tensor = boundary(backbone, step_three.blocks).tensor
        if tensor is whole.input:
            source, _ = open_source(run, cut(whole, tensor), manifest, size)
            prepared = source.sampler.prepared
            if prepared is not None and prepared.stores:
                filled.append(_fill_pictures(run, source, manifest, shard))
    if not filled:
        raise ConfigError(
            "There is no cache to fill.",
            cause="it was switched off, or there is no room for it: see the lines above",
            todo="--set prepare.cache=auto, or --set prepare.cache_size=GB",
        )
    return filled


def _finish_stages_before_training(run: Run) -> None:
    stages = make_stages(run.pipeline)
    names = [stage.name for stage in stages]
    if LAST_BEFORE_TRAINING not in names or "head" not in names:
        raise ConfigError(
            "This pipeline does not train, so there is no cache to fill.",
            todo="name one with the stages of pipelines/finetune.yaml",
        )
    early = stages[: names.index(LAST_BEFORE_TRAINING) + 1]
    preflight(run, early)
    run.path("stages").mkdir(parents=True, exist_ok=True)
    with FileLock(run.path("stages/.fill.lock")):
        if any(item.action != "skip" for item in plan(run, early)):
            execute(run, early)


def _epochs(run: Run) -> int:
    """The most epochs of a step: more views than that are never seen."""
    steps = (run.pipeline.stages.get(name) for name in ("head", "unfreeze"))
    return max(step.epochs for step in steps if step is not None)


def _fill_activations(
    run: Run, source: Activations, manifest: Manifest, views: int, shard: Shard
) -> Filled:
    train, plain = (_share(manifest.indices(part), shard) for part in ("train", "val"))
    wanted = [*((train, view) for view in range(views)), (plain, None)]

    def missing(rows: np.ndarray, view: int | None) -> np.ndarray:
        return rows[~np.all([store.has(rows, view) for store in source.stores], axis=0)]

    todo = [(missing(rows, view), view) for rows, view in wanted]
    made = _pass_through(run, source, todo)
    for store in source.stores:
        store.flush()
    return Filled("activations", made, sum(len(rows) for rows, _ in wanted) - made)


def _fill_pictures(run: Run, source: Source, manifest: Manifest, shard: Shard) -> Filled:
    prepared, rows = source.sampler.prepared, _share(manifest.indices("train"), shard)
    # Whichever view is asked for, the whole picture is decoded and kept.
    made = _pass_through(run, source, [(rows[~prepared.has(rows)], 0)])
    prepared.flush()
    return Filled("decoded pictures", made, len(rows) - made)


def _pass_through(run: Run, source: Source, todo: list[tuple[np.ndarray, int | None]]) -> int:
    """Asks the source for everything once, which stores it; returns how many entries that were."""
    total, done = sum(len(rows) for rows, _ in todo), 0
    with run.progress("filling") as advance:
        for rows, view in todo:
            for _, chunk in source.stream(rows, view):
                done += len(chunk)
                advance(done, total)
    return total


def _share(rows: np.ndarray, shard: Shard) -> np.ndarray:
    mine = shard.range(len(rows))
    return rows[mine.start : mine.stop]
