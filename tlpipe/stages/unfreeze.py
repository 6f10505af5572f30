"""Step three: the top blocks of the backbone go on training, at a very low rate."""

from __future__ import annotations

from tlpipe.backbones.blocks import boundary, find_blocks
from tlpipe.config.settings import UnfreezeSettings
from tlpipe.pipeline.atomic import write_json
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import (
    BACKBONE,
    MANIFEST,
    PREPARE,
    check_target,
    open_manifest,
    open_network,
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
from tlpipe.training.checkpoint import assign, load_weights
from tlpipe.training.determinism import make_deterministic
from tlpipe.training.devices import OneDevice, open_devices
from tlpipe.training.network import cut, head_boundary
from tlpipe.training.optimizer import block_scales

HEAD_WEIGHTS, HEAD_LOGITS, HEAD_FACTS = step_files("head")
UNFROZEN_WEIGHTS, UNFROZEN_LOGITS, UNFROZEN_FACTS = step_files("unfreeze")


class UnfreezeStage(Stage):
    """Trains everything behind a block boundary, starting from the trained head."""

    name = "unfreeze"
    reads = (MANIFEST, BACKBONE, PREPARE, HEAD_WEIGHTS)
    writes = (UNFROZEN_FACTS,)

    def check(self, run: Run) -> None:
        """What does not fit the target; devices that are not there, or can't do this."""
        check_target(run, self.name)
        check_devices(run)

    def run(self, run: Run) -> str:
        """Unfreezes the asked-for blocks and trains them with the head."""
        if self.settings.blocks in ("none", 0):
            write_json(run.path(UNFROZEN_FACTS), {"history": [], "trained": []})
            return "nothing is unfrozen, as asked"
        return retry_with_less_memory(
            run, self.name, self.settings, lambda settings: self._train(run, settings)
        )

    def _train(self, run: Run, settings: UnfreezeSettings) -> str:
        devices = open_devices(run.pipeline.stages["backbone"].devices)
        with devices.scope():
            return self._train_on(devices, run, settings)

    def _train_on(self, devices: OneDevice, run: Run, settings: UnfreezeSettings) -> str:
        make_deterministic(run.seed + 1)
        manifest = open_manifest(run)
        target = open_target(run, manifest)
        whole, backbone = open_network(run, target)
        assign(
            cut(whole, head_boundary(whole)).suffix.weights, load_weights(run.path(HEAD_WEIGHTS))
        )
        blocks = find_blocks(backbone)
        where = boundary(blocks, settings.blocks)
        parts = cut(whole, where.tensor, batch_norm=settings.batch_norm)
        frozen = ", ".join(where.frozen) or "nothing"
        norm = "learns" if settings.batch_norm else "stays in inference mode"
        run.say(f"  trains: {', '.join(where.trained)}, head; frozen: {frozen}; BatchNorm {norm}")
        progress, logits = train_step(
            run,
            self.name,
            parts,
            manifest,
            target,
            settings,
            scales=block_scales(whole, blocks[len(where.frozen) :], settings.layer_decay),
            first_view=run.pipeline.stages["head"].epochs,
            devices=devices,
        )
        facts = {
            "trained": [*where.trained, "head"],
            "batch_size": settings.batch_size,
        }
        return finish_step(run, self.name, progress, logits, target, facts)

    def clean(self, run: Run) -> None:
        """Drops the checkpoint, unless the step is only paused and may go on in another run."""
        if self.settings.pause is None or self.settings.pause >= self.settings.epochs:
            checkpoint_file(run, self.name).unlink(missing_ok=True)
