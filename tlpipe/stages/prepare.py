"""Prepare: how a picture becomes an input, written down and shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tlpipe.audit.plots import contact_sheet
from tlpipe.backbones.build import resolve
from tlpipe.data.augment import load as load_augmentation
from tlpipe.data.pixels import as_rgb
from tlpipe.errors import ConfigError
from tlpipe.pipeline.atomic import write_json
from tlpipe.pipeline.digest import file_sha256
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import BACKBONE, MANIFEST, PREPARE, open_manifest, open_sampler

SHEET = "plots/augmented.png"


class PrepareStage(Stage):
    """Checks the augmentation on real pictures of the training part."""

    name = "prepare"
    reads = (MANIFEST, BACKBONE)
    writes = (PREPARE, SHEET)

    def outside(self):
        """The content of a pipeline file of the user's own."""
        path = Path(self.settings.augment)
        return file_sha256(path) if path.is_file() else None

    def check(self, run: Run) -> None:
        """An unknown preset, a pipeline file that does not work, two numbers of views."""
        cache, views = self.settings.cache, self.settings.views
        if isinstance(cache, int) and views not in (None, cache):
            raise ConfigError(
                f"prepare.cache ({cache}) and prepare.views ({views}) differ.",
                cause="both say how many augmented views a picture has",
                todo=f"leave one of them out: --cache auto, or --set prepare.views={cache}",
            )
        backbone = run.pipeline.stages["backbone"]
        size = backbone.resolution or resolve(backbone.name).default_size
        channels = run.pipeline.stages["scan"].channels
        load_augmentation(self.settings.augment, size, self.settings.strength, channels)

    def key(self, seed: int, read_keys: dict[str, str]) -> str:
        """What is cached for other runs, and how much room there is, changes no result."""
        size = type(self.settings).model_fields["cache_size"].default
        usual = self.settings.model_copy(update={"boundaries": (), "cache_size": size})
        alone = PrepareStage(usual)
        return super(PrepareStage, alone).key(seed, read_keys)

    def run(self, run: Run) -> str:
        """Writes the pipeline as the run uses it, and a sheet of what the network will see."""
        manifest = open_manifest(run)
        sampler = open_sampler(run, manifest)
        train = manifest.indices("train")
        chosen = train[np.linspace(0, len(train) - 1, min(4, len(train))).astype(int)]
        rows = []
        for index in chosen:
            rows.append(sampler.plain(index))
            rows += [sampler.augmented(index, view) for view in range(7)]
        contact_sheet(as_rgb(np.stack(rows)), run.path(SHEET), columns=8)
        write_json(run.path(PREPARE), sampler.augmentation.describe())
        return f"augmentation '{self.settings.augment}', resize '{self.settings.resize}'"
