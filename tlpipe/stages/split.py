"""Split: the manifest that every later stage and command reads."""

from __future__ import annotations

from collections import Counter

from tlpipe.data.duplicates import DuplicateGroup
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import Picture
from tlpipe.data.split import split
from tlpipe.pipeline.atomic import read_json, write_json
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import MANIFEST, data_root
from tlpipe.stages.scan import SCAN

NOTES = "stages/split/notes.json"


class SplitStage(Stage):
    """Sound pictures to train, validation and test, written as one CSV."""

    name = "split"
    reads = (SCAN,)
    writes = (MANIFEST, NOTES)

    def run(self, run: Run) -> str:
        """Deals the pictures and writes the manifest."""
        found = read_json(run.path(SCAN))
        settings = self.settings
        result = split(
            [Picture(**row) for row in found["pictures"]],
            [DuplicateGroup(**row) for row in found["duplicates"]],
            fractions=(settings.train, settings.val, settings.test),
            seed=run.seed,
            group_regex=settings.group,
        )
        for note in result.notes:
            run.say(f"  {note}", style="yellow")
        set_aside = [{"path": bad.path, "cause": bad.cause} for bad in result.set_aside]
        write_json(run.path(NOTES), {"notes": list(result.notes), "set_aside": set_aside})
        manifest = Manifest(data_root(run), tuple(result.pictures))
        manifest.write(run.path(MANIFEST))
        counts = Counter(picture.split for picture in result.pictures)
        return f"{counts['train']} train, {counts['val']} validation, {counts['test']} test"
