"""Select: did unfreezing help? Keeps the simpler model on a tie and writes ``model.keras``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from importlib.metadata import version

import numpy as np

from tlpipe.artifact.model_file import Metadata, save
from tlpipe.backbones.blocks import boundary
from tlpipe.metrics.compare import told, verdict
from tlpipe.pipeline.atomic import read_json, write_json
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import (
    BACKBONE,
    MANIFEST,
    open_manifest,
    open_network,
    open_target,
    pixels_of,
)
from tlpipe.stages.unfreeze import (
    HEAD_FACTS,
    HEAD_LOGITS,
    HEAD_WEIGHTS,
    UNFROZEN_FACTS,
    UNFROZEN_LOGITS,
    UNFROZEN_WEIGHTS,
)
from tlpipe.targets.registry import TARGETS
from tlpipe.targets.target import Target
from tlpipe.training.checkpoint import assign, load_weights
from tlpipe.training.network import cut, head_boundary, with_answers

MODEL = "model.keras"
CHOICE = "stages/select/choice.json"
# What other commands found out about the model, and where it goes when another takes its place.
FINDINGS, EARLIER = ("evaluations", "export", "report"), "earlier"


class SelectStage(Stage):
    """Compares the two models on validation with a paired bootstrap; saves the one to keep."""

    name = "select"
    version = 2
    reads = (MANIFEST, BACKBONE, HEAD_WEIGHTS, HEAD_FACTS, UNFROZEN_FACTS)
    writes = (MODEL, CHOICE)

    def check(self, run: Run) -> None:
        """A score that the target does not have."""
        TARGETS[run.pipeline.stages["scan"].target].judge(self.settings.score)

    def run(self, run: Run) -> str:
        """Decides, assembles the float32 model and writes it."""
        manifest = open_manifest(run)
        target, rows = open_target(run, manifest), manifest.indices("val")
        truth = target.truth([manifest.pictures[row].label for row in rows])
        choice = self._choose(run, target, truth, manifest.groups(rows))
        facts = read_json(run.path(BACKBONE))
        whole, backbone = open_network(run, target, policy="float32")
        if choice["kept"] == "head":
            tensor, weights = head_boundary(whole), HEAD_WEIGHTS
            logits = np.load(run.path(HEAD_LOGITS))
        else:
            blocks = run.pipeline.stages["unfreeze"].blocks
            tensor, weights = boundary(backbone, blocks).tensor, UNFROZEN_WEIGHTS
            logits = np.load(run.path(UNFROZEN_LOGITS))
        assign(cut(whole, tensor).suffix.weights, load_weights(run.path(weights)))
        whole.trainable = True
        metadata = Metadata(
            target=target.kind,
            class_names=target.names,
            size=facts["size"],
            resize=run.pipeline.stages["prepare"].resize,
            backbone=facts["name"],
            weights=facts["weights"],
            split=manifest.digest,
            kept=choice["kept"],
            seed=run.seed,
            versions=versions(),
            **target.fitted(truth, logits),
            **asdict(pixels_of(run)),
        )
        _set_findings_aside(run)
        save(with_answers(whole, target.answer_layer()), run.path(MODEL), metadata)
        write_json(run.path(CHOICE), choice)
        return choice["sentence"]

    def _choose(
        self, run: Run, target: Target, truth: np.ndarray, groups: np.ndarray | None
    ) -> dict:
        if not read_json(run.path(UNFROZEN_FACTS))["trained"]:
            return {"kept": "head", "sentence": "the head-only model: nothing was unfrozen"}
        head, unfrozen = np.load(run.path(HEAD_LOGITS)), np.load(run.path(UNFROZEN_LOGITS))
        score = target.judge(self.settings.score)
        change = target.difference(truth, head, unfrozen, score, seed=run.seed, groups=groups)
        found = verdict(change, higher_is_better=score not in target.smaller)
        kept = {"better": "unfrozen", "worse": "head", "tie": self.settings.on_tie}[found]
        answer = {
            "better": "unfreezing helped: the unfrozen model is kept",
            "worse": "unfreezing hurt: the head-only model is kept",
            "tie": f"unfreezing made no difference that can be told from chance: {kept} is kept",
        }[found]
        sentence = f"{answer} (validation {score.replace('_', ' ')} {told(change)})"
        return {"kept": kept, "verdict": found, "score": score, **change, "sentence": sentence}


def _set_findings_aside(run: Run) -> None:
    """Moves what was said of the model before, so that nobody takes it for the new one's."""
    found = [name for name in FINDINGS if run.path(name).exists()]
    if not found:
        return
    number = 1
    while (target := run.path(EARLIER) / str(number)).exists():
        number += 1
    target.mkdir(parents=True)
    for name in found:
        run.path(name).rename(target / name)
    names = " and ".join(f"{name}/" for name in found)
    verb = "is" if len(found) == 1 else "are"
    run.say(f"  {names} {verb} of the model before: now in {EARLIER}/{number}/", style="yellow")


def versions() -> dict[str, str]:
    """Versions of what made the model; TensorFlow and JAX only where they were used."""
    import keras

    backend = keras.backend.backend()
    names = ["tlpipe", "keras", backend, "albumentations", "numpy", "opencv-python-headless"]
    return {"python": sys.version.split()[0]} | {name: version(name) for name in names}
