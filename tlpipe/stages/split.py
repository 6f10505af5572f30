"""Split: the manifest that every later stage and command reads."""

from __future__ import annotations

from collections import Counter

from tlpipe.data.duplicates import DuplicateGroup
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import Picture
from tlpipe.data.split import check_listing, split
from tlpipe.pipeline.atomic import read_json, write_json
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import MANIFEST, data_root, listed
from tlpipe.stages.scan import SCAN
from tlpipe.targets.registry import check_labels, strata

NOTES = "stages/split/notes.json"


class SplitStage(Stage):
    """Sound pictures to train, validation and test, written as one CSV."""

    name = "split"
    version = 2
    reads = (SCAN,)
    writes = (MANIFEST, NOTES)

    def check(self, run: Run) -> None:
        """A class with too few files, or a group pattern that matches none of them."""
        files = listed(run).files
        kind = run.pipeline.stages["scan"].target
        check_labels(kind, files)
        check_listing(
            files,
            fractions=self._fractions,
            group_regex=self.settings.group,
            strata=None if kind == "class" else strata(kind, [file.label for file in files]),
        )

    def key(self, seed: int, read_keys: dict[str, str]) -> str:
        """The run's seed counts only where the split has none of its own."""
        return super().key(self._seed(seed), read_keys)

    def _seed(self, of_run: int) -> int:
        return of_run if self.settings.seed is None else self.settings.seed

    def run(self, run: Run) -> str:
        """Deals the pictures and writes the manifest."""
        found = read_json(run.path(SCAN))
        settings = self.settings
        pictures = [Picture(**row) for row in found["pictures"]]
        kind = run.pipeline.stages["scan"].target
        result = split(
            pictures,
            [DuplicateGroup(**row) for row in found["duplicates"]],
            fractions=self._fractions,
            seed=self._seed(run.seed),
            group_regex=settings.group,
            strata=None if kind == "class" else strata(kind, [p.label for p in pictures]),
        )
        for note in result.notes:
            run.say(f"  {note}", style="yellow")
        set_aside = [{"path": bad.path, "cause": bad.cause} for bad in result.set_aside]
        write_json(run.path(NOTES), {"notes": list(result.notes), "set_aside": set_aside})
        manifest = Manifest(data_root(run), tuple(result.pictures))
        manifest.write(run.path(MANIFEST))
        counts = Counter(picture.split for picture in result.pictures)
        return f"{counts['train']} train, {counts['val']} validation, {counts['test']} test"

    @property
    def _fractions(self) -> tuple[float, float, float]:
        return self.settings.train, self.settings.val, self.settings.test
