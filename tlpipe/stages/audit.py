"""The audit of a finished run: examines it section by section and writes the report."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from tlpipe import __version__
from tlpipe.artifact.classifier import load
from tlpipe.audit.document import Head, document
from tlpipe.audit.finding import Section
from tlpipe.audit.page import html
from tlpipe.audit.sections.registry import AFTER, SECTIONS
from tlpipe.audit.subject import Subject
from tlpipe.audit.verdict import Verdict, verdict
from tlpipe.config.audit import Audit
from tlpipe.errors import ConfigError, RunError, nearest
from tlpipe.explain.methods import DEFAULT, check_methods
from tlpipe.pipeline.atomic import read_json, write_text
from tlpipe.pipeline.digest import file_sha256
from tlpipe.pipeline.run import Run, finish_command, keyed_folder
from tlpipe.stages.evaluate import METRICS
from tlpipe.stages.evaluation import open_checked_manifest, open_finished
from tlpipe.stages.given import digest, say_given
from tlpipe.stages.inputs import MANIFEST, PREPARE
from tlpipe.stages.report import card_facts
from tlpipe.stages.select import CHOICE, MODEL
from tlpipe.stages.unfreeze import HEAD_FACTS, UNFROZEN_FACTS

PAGE, JSON, WORK = "report/index.html", "report/report.json", "report/work"
# Raised when a section's results change, so that old ones are made again.
_VERSION = 2


def audit_run(
    folder: str | Path,
    console: Console,
    *,
    sections: Sequence[str] = (),
    methods: Sequence[str] = DEFAULT,
    settings: Audit | None = None,
    write_html: bool = True,
    write_json: bool = True,
) -> Verdict:
    """Examines the run and writes ``report/index.html`` and ``report/report.json``.

    Finished sections are kept until the report is written: one that was stopped goes on.

    Args:
        folder: a finished run.
        console: progress and the summary.
        sections: keys of ``SECTIONS``; all when empty.
        methods: attribution methods.
        settings: limits and thresholds.
        write_html: the page.
        write_json: the machine's report.

    Raises:
        ConfigError: no such section or method.
        RunError: not a finished run, or its manifest is not the model's.
        DataError: pictures are missing or changed, or a mask or table does not fit them.
    """
    check_methods(methods)
    for name in sections:
        if name not in SECTIONS:
            raise ConfigError(f"There is no section '{name}'.", todo=nearest(name, SECTIONS))
    run = open_finished(folder, console)
    settings = settings or Audit()
    with run.locked():
        subject = open_subject(run, settings, tuple(methods))
        say_given(subject)
        chosen = [name for name in SECTIONS if name in sections or not sections]
        found_in: dict[str, Section] = {}
        for name in chosen:
            found_in[name] = _examine(subject, name, chosen, found_in.get(AFTER.get(name)))
        done = list(found_in.values())
        found = verdict(
            done,
            pictures=len(subject.rows(subject.part)),
            few=settings.performance.few,
            whole=len(subject.manifest.indices(subject.part)),
        )
        head = Head(
            run=run.folder.resolve().name,
            backbone=subject.classifier.metadata.backbone,
            classes=subject.names,
            part=subject.part,
            pictures=len(subject.rows(subject.part)),
            tlpipe=__version__,
        )
        if write_html:
            write_text(run.path(PAGE), html(head, found, done))
        if write_json:
            text = document(head, found, done).model_dump_json(indent=2)
            write_text(run.path(JSON), text + "\n")
        shutil.rmtree(subject.work)
    _show(run, found, write_html, write_json)
    return found


def open_subject(run: Run, settings: Audit, methods: tuple[str, ...]) -> Subject:
    """The run as the sections see it, with a work folder that is its own."""
    for artifact in (MODEL, MANIFEST, CHOICE, METRICS):
        if not run.path(artifact).exists():
            raise RunError(
                f"The run '{run.folder}' is not finished: it has no {artifact}.",
                todo=f"finish it with `{finish_command(run.folder)}`; of a search, audit best/",
            )
    classifier = load(run.folder)
    classifier.check_has_classes("The audit")
    manifest = open_checked_manifest(run, classifier)
    head, unfrozen = read_json(run.path(HEAD_FACTS)), read_json(run.path(UNFROZEN_FACTS))
    kept = ("head", head) if read_json(run.path(CHOICE))["kept"] == "head" else (
        "unfreeze", unfrozen
    )  # fmt: skip
    about = {
        **card_facts(run, manifest),
        "settings": {
            name: stage.model_dump(mode="json") for name, stage in run.pipeline.stages.items()
        },
        "augmentation": read_json(run.path(PREPARE))["pipeline"],
        "history": head["history"] + unfrozen["history"],
        "kept": (kept[0], kept[1]["best_epoch"]),
    }
    work = _work_folder(run, settings, methods)
    return Subject(run, classifier, manifest, settings, work, about, methods)


def _work_folder(run: Run, settings: Audit, methods: tuple[str, ...]) -> Path:
    """The report's own folder, emptied when what lies there was made from something else."""
    made_from = map(file_sha256, (run.path(MODEL), run.path(MANIFEST)))
    about = [_VERSION, __version__, *made_from, settings.model_dump(mode="json"), methods]
    about += [digest(Path(path)) for path in (settings.objects, settings.table) if path]
    return keyed_folder(run.path(WORK), hashlib.sha256(json.dumps(about).encode()).hexdigest())


def _examine(subject: Subject, name: str, chosen: list[str], before: Section | None) -> Section:
    """Examines, or reads what was kept; ``before`` is another section that this one is told."""
    label = f"[{chosen.index(name) + 1}/{len(chosen)}] {name}"
    # Named after both: a stopped report may have gone without the other.
    path = subject.work / f"{name}{'-after-' + before.name if before else ''}.json"
    if path.exists():
        try:
            section = Section.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError:
            path.unlink()
        else:
            subject.run.say(f"{label} (kept)")
            return section
    subject.run.say(label)
    section = SECTIONS[name](subject, before) if before else SECTIONS[name](subject)
    write_text(path, section.model_dump_json())
    return section


_STYLES = {"red": "red", "amber": "yellow", "green": "green", "info": None}


def _show(run: Run, found: Verdict, html: bool, json: bool) -> None:
    run.say(found.sentence, style="bold")
    for finding in found.findings:
        run.say(f"  {finding.level:5}  {finding.sentence}", style=_STYLES[finding.level])
        if finding.todo:
            run.say(f"         next: {finding.todo}")
    for wanted, name in ((html, PAGE), (json, JSON)):
        if wanted:
            run.say(f"written to {run.path(name)}")
