"""Step two: a new head on the frozen backbone."""

from __future__ import annotations

from tlpipe.config.settings import Head
from tlpipe.pipeline.atomic import read_json
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import (
    BACKBONE,
    MANIFEST,
    PREPARE,
    open_manifest,
    open_network,
    open_sampler,
)
from tlpipe.stages.training import (
    finish_step,
    open_source,
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
        whole, _ = open_network(run, len(manifest.class_names))
        parts = cut(whole, pooled(whole))
        run.say("  trains: head; frozen: the whole backbone")
        progress, logits = train_step(
            run,
            self.name,
            parts,
            open_source(parts, open_sampler(run, manifest), settings.batch_size),
            manifest,
            settings,
            policy=read_json(run.path(BACKBONE))["policy"],
            scales={},
            first_view=0,
        )
        facts = {"trained": ["head"], "batch_size": settings.batch_size}
        return finish_step(run, self.name, progress, logits, facts)
