"""Scan: every picture is decoded once; the bad and the double are named."""

from __future__ import annotations

import csv
from dataclasses import asdict

from tlpipe.data.duplicates import find_duplicates
from tlpipe.data.scan import scan
from tlpipe.data.source import stamps
from tlpipe.errors import DataError
from tlpipe.pipeline.atomic import write_json, writing
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import classes_needed, data_root, listed, pixels_of
from tlpipe.targets.number import parse
from tlpipe.targets.registry import label_names
from tlpipe.targets.text import meaning
from tlpipe.words import counted

SCAN = "stages/scan/scan.json"
BAD = "bad_files.csv"
DUPLICATES = "duplicates.csv"


class ScanStage(Stage):
    """Folder of pictures to a list of sound ones with sizes and hashes."""

    name = "scan"
    version = 2
    writes = (SCAN, BAD, DUPLICATES)

    def outside(self):
        """Name, size and time of every file: what changed is scanned again."""
        if self.settings.data is None:
            return None
        return stamps(
            self.settings.data, label=self.settings.label, least=classes_needed(self.settings)
        )

    def key(self, seed: int, read_keys: dict[str, str]) -> str:
        """Nothing here is random."""
        return super().key(0, read_keys)

    def check(self, run: Run) -> None:
        """No folder was given."""
        data_root(run)

    def run(self, run: Run) -> str:
        """Decodes everything in parallel, then looks for duplicates."""
        listing, pixels = listed(run), pixels_of(run)
        with run.progress("decoding") as advance:
            found = scan(listing, pixels=pixels, progress=advance)
        if not found.pictures:
            raise DataError(
                f"Of {counted(len(found.bad), 'picture')} in '{listing.root}' none can be read.",
                cause=f"{found.bad[0].path}: {found.bad[0].cause}",
                todo="mend or replace the files, or name other data with --data",
            )
        near = self.settings.duplicates
        notes: list[str] = []
        with run.progress("comparing") as advance:
            groups = find_duplicates(
                listing.root, found.pictures, near=near, kind=pixels, progress=advance, notes=notes
            )
        labels = {p.path: meaning(p.label, self.settings.target) for p in found.pictures}
        differ = [len({labels[path] for path in group.members}) > 1 for group in groups]
        for note in notes:
            run.say(f"  {note}", style="yellow")
        _write_rows(run.path(BAD), ("path", "cause"), [(b.path, b.cause) for b in found.bad])
        _write_rows(
            run.path(DUPLICATES),
            ("group", "kind", "labels_conflict", "path"),
            [
                (number, group.kind, differs, path)
                for number, (group, differs) in enumerate(zip(groups, differ, strict=True), 1)
                for path in group.members
            ],
        )
        write_json(
            run.path(SCAN),
            {
                "class_names": list(listing.class_names),
                "pictures": [asdict(picture) for picture in found.pictures],
                "duplicates": [asdict(group) for group in groups],
                "ignored": listing.ignored,
            },
        )
        for bad in found.bad[:12]:
            run.say(f"  set aside: {bad.path}: {bad.cause}", style="yellow")
        if len(found.bad) > 12:
            run.say(f"  ... and {len(found.bad) - 12} more, all in {BAD}", style="yellow")
        for ending, count in sorted(listing.ignored.items()):
            run.say(f"  ignored: {counted(count, 'file')} {ending}", style="yellow")
        for name in listing.empty_classes:
            run.say(f"  ignored: class '{name}' holds no pictures", style="yellow")
        if any(differ):
            equal = counted(sum(differ), "group of equal pictures", "groups of equal pictures")
            run.say(f"  different labels in {equal}: see {DUPLICATES}", style="yellow")
        return (
            f"{counted(len(found.pictures), 'picture')} {self._labels(listing.class_names)}, "
            f"{len(found.bad)} set aside, "
            f"{counted(len(groups), 'group of duplicates', 'groups of duplicates')}"
        )

    def _labels(self, found: list[str]) -> str:
        if self.settings.target == "number":
            numbers = sorted({parse(text) for text in found})
            return f"with numbers from {numbers[0]:g} to {numbers[-1]:g}"
        classes = self.settings.target == "class"
        names = found if classes else label_names(found)
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        told = counted(len(names), "class" if classes else "label")
        return f"{'in' if classes else 'with'} {told} ({shown})"


def _write_rows(path, header, rows) -> None:
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
