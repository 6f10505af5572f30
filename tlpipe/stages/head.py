"""Step two: a new head on the frozen backbone."""

from __future__ import annotations

import keras

from tlpipe.backbones.blocks import boundary
from tlpipe.config.settings import Head
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import (
    BACKBONE,
    MANIFEST,
    PREPARE,
    open_manifest,
    open_network,
)
from tlpipe.stages.training import (
    finish_step,
    retry_with_less_memory,
    step_files,
    train_step,
)
from tlpipe.training.determinism import make_deterministic
from tlpipe.training.network import cut, pooled


class HeadStage(Stage):
    """Trains dropout and dense layer on the pooled features."""

    name = "head"
    reads = (MANIFEST, BACKBONE, PREPARE)
    writes = step_files("head")

    def run(self, run: Run) -> str:
        """Freezes the whole backbone and trains the head."""
        return retry_with_less_memory(
            run, self.name, self.settings, lambda settings: self._train(run, settings)
        )

    def _train(self, run: Run, settings: Head) -> str:
        make_deterministic(run.seed)
        manifest = open_manifest(run)
        whole, backbone = open_network(run, len(manifest.class_names))
        parts = cut(whole, pooled(whole))
        run.say("  trains: head; frozen: the whole backbone")
        progress, logits = train_step(
            run,
            self.name,
            parts,
            manifest,
            settings,
            scales={},
            first_view=0,
            later=self._boundary_to_come(run, backbone),
        )
        facts = {"trained": ["head"], "batch_size": settings.batch_size}
        return finish_step(run, self.name, progress, logits, facts)

    def _boundary_to_come(self, run: Run, backbone: keras.Model) -> keras.KerasTensor | None:
        step_three = run.pipeline.stages.get("unfreeze")
        if step_three is None or step_three.blocks in ("none", "all", 0):
            return None
        tensor = boundary(backbone, step_three.blocks).tensor
        return None if tensor is backbone.input else tensor
