"""Export: the saved model in other formats, each checked before it gets its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from tlpipe.artifact.classifier import Classifier, load
from tlpipe.config.settings import Export
from tlpipe.data.loader import batches
from tlpipe.data.manifest import Manifest
from tlpipe.data.sample import Sampler
from tlpipe.errors import ExportError
from tlpipe.export.check import Measured, Trial, timed
from tlpipe.export.original import Original, original_of
from tlpipe.export.table import table
from tlpipe.export.variants import Variant, check_installed, dropped, variants
from tlpipe.export.whole_folder import check_replaceable
from tlpipe.export.write import write_export
from tlpipe.export.written import ABOUT
from tlpipe.metrics.temperature import tempered
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.evaluation import open_checked_manifest, open_finished
from tlpipe.stages.inputs import MANIFEST
from tlpipe.stages.select import MODEL
from tlpipe.words import counted

FOLDER = "export"
# Pictures that the model's own time is taken on.
_TIMED = 30


class ExportStage(Stage):
    """Not part of `tlpipe finetune`: a pipeline that ends in exports names it last."""

    name = "export"
    reads = (MANIFEST, MODEL)

    def __init__(self, settings: Export):
        super().__init__(settings)
        self.wanted = variants(settings.formats, settings.quantize)
        self.writes = tuple(f"{FOLDER}/{variant.name}/{ABOUT}" for variant in self.wanted)

    def check(self, run: Run) -> None:
        """Packages that are not installed, and folders that are in the way."""
        check_installed(self.wanted)
        for variant in self.wanted:
            check_replaceable(run.path(FOLDER) / variant.name)

    def run(self, run: Run) -> str:
        """Writes ``export/FORMAT/`` for each."""
        export_all(run, self.settings, run.path(FOLDER))
        return f"{', '.join(v.name for v in self.wanted)} in {run.path(FOLDER)}"


def export_run(
    folder: str | Path, console: Console, settings: Export, *, out: str | Path | None = None
) -> list[Measured]:
    """Writes a finished run's model in other formats.

    Args:
        folder: the run.
        console: progress and the table.
        settings: which formats, and how they are checked.
        out: where the formats' folders lie; ``export`` in the run folder when None.

    Raises:
        RunError: not a finished run, or its manifest is not the model's.
        DataError: pictures are missing or changed.
        ConfigError: unknown formats, missing packages, something in the way.
        ExportError: an export does not agree with the model; nothing is left of it.
    """
    run = open_finished(folder, console)
    target = Path(out) if out is not None else run.path(FOLDER)
    wanted = variants(settings.formats, settings.quantize)
    check_installed(wanted)
    for variant in wanted:
        check_replaceable(target / variant.name)
    with run.locked():
        found = export_all(run, settings, target)
        run.say(f"written to {target}; each folder has a use.py to start from")
    return found


def export_all(run: Run, settings: Export, target: Path) -> list[Measured]:
    """Writes ``target/FORMAT/`` for each format and shows what the checks found."""
    wanted = variants(settings.formats, settings.quantize)
    for sentence in dropped(settings.formats, settings.quantize):
        run.say(f"  {sentence}")
    classifier = load(run.folder)
    original = original_of(classifier, calibrated=settings.calibrated)
    manifest = open_checked_manifest(run, classifier)
    part = "test" if len(manifest.indices("test")) else "val"
    rows = _some(manifest, part, settings.pictures, run.seed)
    trial, milliseconds = _trial(run, classifier, original, manifest, rows)
    calibration = None
    if Variant("litert", "int8") in wanted:
        some = _some(manifest, "train", settings.calibration, run.seed)
        calibration = _read(run, classifier, manifest, some, "reading training pictures")
        run.say(f"  int8 takes its ranges from {counted(len(some), 'training picture')}")
    found, failed = [], None
    for number, variant in enumerate(wanted, 1):
        run.say(f"  {variant.name} ({number} of {len(wanted)})")
        try:
            found.append(
                write_export(variant, original, trial, settings, target / variant.name, calibration)
            )
        except ExportError as error:
            # The others are not to blame.
            failed = failed or error
            run.say(f"    refused: {error.what}", style="red")
    if found:
        itself = _itself(run, trial, milliseconds)
        run.console.print(table(found, itself))
    if failed:
        raise failed
    return found


def _trial(
    run: Run, classifier: Classifier, original: Original, manifest: Manifest, rows: Sequence[int]
) -> tuple[Trial, float]:
    """What exports are compared with, and the model's own milliseconds a picture."""
    pictures = _read(run, classifier, manifest, rows, "reading pictures")
    answers, milliseconds = timed(classifier.predict_arrays, pictures[:_TIMED])
    rest = [
        classifier.predict_arrays(pictures[i : i + _TIMED])
        for i in range(_TIMED, len(pictures), _TIMED)
    ]
    answers = np.concatenate([answers, *rest])
    if original.baked is not None:
        answers = tempered(answers, original.baked).astype("float32")
    truth = classifier.target.truth([manifest.pictures[row].label for row in rows])
    return Trial(pictures, answers, truth, classifier.target), milliseconds


def _itself(run: Run, trial: Trial, milliseconds: float) -> Measured:
    score = trial.score(trial.expected)
    size = run.path(MODEL).stat().st_size
    return Measured(
        "the model", len(trial.pictures), 0.0, 0.0, None, trial.measure, score, score, size,
        milliseconds,
    )  # fmt: skip


def _some(manifest: Manifest, part: str, count: int, seed: int) -> list[int]:
    """A seeded choice of a part's rows, all of them where they are fewer, in their order."""
    rows = manifest.indices(part)
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(83,)))
    return sorted(stream.permutation(rows)[:count].tolist())


def _read(
    run: Run, classifier: Classifier, manifest: Manifest, rows: Sequence[int], label: str
) -> np.ndarray:
    """uint8 (n, size, size, channels): pictures as evaluation sees them, never augmented."""
    about = classifier.metadata
    sampler = Sampler(manifest, about.size, about.resize, pixels=about.pixels)
    found, done = [], 0
    with run.progress(label) as advance:
        for pictures, _ in batches(sampler, np.array(rows), view=None, batch_size=32):
            found.append(pictures)
            done += len(pictures)
            advance(done, len(rows))
    return np.concatenate(found)
