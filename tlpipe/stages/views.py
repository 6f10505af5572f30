"""The pictures that views of a run's network are made of when none are named."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path

from rich.console import Console

from tlpipe.artifact.classifier import Classifier
from tlpipe.audit.subject import Subject
from tlpipe.config.audit import Audit
from tlpipe.stages.evaluation import open_checked_manifest, open_finished


def validation_pictures(
    folder: str | Path, classifier: Classifier, console: Console
) -> list[Traversable]:
    """The pictures of the run's validation part; of many the choice that the audit makes.

    Raises:
        RunError: not a finished run, or its manifest is not the model's.
        DataError: pictures are missing or changed.
    """
    run = open_finished(folder, console)
    manifest = open_checked_manifest(run, classifier)
    subject = Subject(run, classifier, manifest, Audit(), run.folder, {})
    return [manifest.root / path for path in subject.paths("val")]
