"""Step two: a new head on the frozen backbone."""

from __future__ import annotations

import keras
import numpy as np

from tlpipe.backbones.blocks import boundary
from tlpipe.backbones.build import build
from tlpipe.config.settings import Head
from tlpipe.data.manifest import Manifest
from tlpipe.heads.clusters import find_clusters, local_features
from tlpipe.heads.netvlad import NetVLAD
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import (
    BACKBONE,
    MANIFEST,
    PREPARE,
    check_target,
    open_manifest,
    open_network,
    open_sampler,
    open_target,
)
from tlpipe.stages.training import (
    check_devices,
    checkpoint_file,
    finish_step,
    retry_with_less_memory,
    step_files,
    train_step,
)
from tlpipe.training.activations import Activations, Pictures
from tlpipe.training.determinism import make_deterministic
from tlpipe.training.devices import OneDevice, open_devices
from tlpipe.training.fast import fast
from tlpipe.training.network import Cut, add_head, cut, head_boundary

# What NetVLAD's clusters are found in: enough for stable centres, in seconds.
PICTURES, PLACES = 200, 100


class HeadStage(Stage):
    """Trains the head: the dense layers, and the pooling where that learns."""

    name = "head"
    reads = (MANIFEST, BACKBONE, PREPARE)
    writes = step_files("head")

    def check(self, run: Run) -> None:
        """What does not fit the target; devices that are not there; a pyramid that is too fine."""
        check_target(run, self.name)
        check_devices(run)
        if self.settings.pool == "spp":
            backbone = run.pipeline.stages["backbone"]
            channels = run.pipeline.stages["scan"].channels
            model = build(
                backbone.name, weights="none", size=backbone.resolution, channels=channels
            ).model
            add_head(model, 2, self.settings, seed=0)

    def run(self, run: Run) -> str:
        """Freezes the whole backbone and trains the head."""
        return retry_with_less_memory(
            run, self.name, self.settings, lambda settings: self._train(run, settings)
        )

    def _train(self, run: Run, settings: Head) -> str:
        devices = open_devices(run.pipeline.stages["backbone"].devices)
        with devices.scope():
            return self._train_on(devices, run, settings)

    def _train_on(self, devices: OneDevice, run: Run, settings: Head) -> str:
        make_deterministic(run.seed)
        manifest = open_manifest(run)
        target = open_target(run, manifest)
        whole, backbone = open_network(run, target)
        parts = cut(whole, head_boundary(whole))
        run.say("  trains: head; frozen: the whole backbone")
        pool = whole.get_layer("pool")
        if isinstance(pool, NetVLAD):
            # A step that is resumed gets its weights back after this.
            self._start_from_clusters(run, pool, parts, manifest, settings, devices)
        progress, logits = train_step(
            run,
            self.name,
            parts,
            manifest,
            target,
            settings,
            scales={},
            first_view=0,
            later=boundaries_to_come(run, backbone),
            devices=devices,
        )
        facts = {"trained": ["head"], "batch_size": settings.batch_size}
        return finish_step(run, self.name, progress, logits, target, facts)

    def clean(self, run: Run) -> None:
        """Drops the checkpoint."""
        checkpoint_file(run, self.name).unlink(missing_ok=True)

    def _start_from_clusters(
        self,
        run: Run,
        pool: NetVLAD,
        parts: Cut,
        manifest: Manifest,
        settings: Head,
        devices: OneDevice,
    ) -> None:
        random = np.random.default_rng(run.seed)
        rows = np.sort(random.permutation(manifest.indices("train"))[:PICTURES])
        pictures = Pictures(open_sampler(run, manifest), settings.batch_size)
        prefix = fast(parts.prefix, hold=True)
        source = Activations(pictures, prefix, settings.batch_size, devices=devices)
        maps = (values for values, _ in source.stream(rows, 0))
        features = local_features(maps, per_picture=PLACES, seed=run.seed)
        centres, alpha = find_clusters(features, settings.clusters, seed=run.seed)
        pool.start_from(centres, alpha)
        run.say(
            f"  NetVLAD starts from {len(centres)} clusters of {len(features)} local features "
            f"of {len(rows)} training pictures, alpha {alpha:.3g}"
        )


def boundaries_to_come(run: Run, backbone: keras.Model) -> list[keras.KerasTensor]:
    """Where step three will cut the network, and then where those of other runs will.

    What the frozen part computes at these tensors is stored in step two, on the way. Empty when
    nothing is unfrozen, or nothing frozen.
    """
    step_three = run.pipeline.stages.get("unfreeze")
    own = [] if step_three is None else [step_three.blocks]
    found = []
    for blocks in (*own, *run.pipeline.stages["prepare"].boundaries):
        if blocks in ("none", "all", 0):
            continue
        tensor = boundary(backbone, blocks).tensor
        if tensor is not backbone.input and not any(tensor is other for other in found):
            found.append(tensor)
    return found
