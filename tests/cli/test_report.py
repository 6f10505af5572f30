"""`tlpipe report` and `tlpipe explain` on a run with hostile class names."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

import tlpipe
from tests.conftest import few
from tlpipe.audit.document import Document
from tlpipe.audit.sections import registry
from tlpipe.explain.methods import METHODS

pytestmark = pytest.mark.slow

EVIL = "<img src=x onerror=alert(1)>"
SETTINGS = {
    "head": {"epochs": 4, "batch_size": 16, "learning_rate": 0.01},
    "unfreeze": {"blocks": "none"},
    "prepare": {"views": 1},
    "evaluate": {"resamples": 200},
}
QUICK = "belief:\n  pictures: 4\n  steps: 4\nrobustness:\n  pictures: 8\n"


@pytest.fixture(scope="module")
def run(solar_cells, tiny_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    data = few(solar_cells, folder / "cells", 110)
    (data / "defective").rename(data / EVIL)
    (data / "functional").rename(data / "中文")
    settings = {**SETTINGS, "backbone": {"name": tiny_file, "resolution": 64}}
    return tlpipe.finetune(data, out=folder / "run", quiet=True, **settings)


@pytest.fixture
def quick(tmp_path):
    (tmp_path / "quick.yaml").write_text(QUICK)
    return tmp_path / "quick.yaml"


@pytest.fixture(scope="module")
def reported(run, tmp_path_factory):
    """The whole report, once."""
    from rich.console import Console

    from tlpipe.config.load import read_audit
    from tlpipe.stages.audit import audit_run

    file = tmp_path_factory.mktemp("config") / "quick.yaml"
    file.write_text(QUICK)
    return audit_run(run.folder, Console(quiet=True), settings=read_audit(file))


def test_the_page_is_one_harmless_file(run, reported):
    page = (run.folder / "report/index.html").read_text()
    assert len(page) < 5_000_000
    assert EVIL not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "中文" in page
    assert not re.search(r"<script|<link|<iframe|javascript:", page)
    # Nothing is fetched: every source is inside the file.
    assert set(re.findall(r'src="(\w+:[^;]+)', page)) <= {"data:image/webp", "data:image/svg+xml"}
    for name in registry.SECTIONS:
        assert f'id="{name}"' in page
    assert page.count("<img alt=") == page.count("<img ")
    assert not (run.folder / "report/work").exists()


def test_the_json_is_typed_and_the_same_again(run, reported, call, quick):
    path = run.folder / "report/report.json"
    first = path.read_bytes()
    found = Document.model_validate_json(first)
    assert [section.name for section in found.sections] == list(registry.SECTIONS)
    assert found.head.classes == (EVIL, "中文")
    assert found.verdict.conclusive
    metrics = json.loads((run.folder / "metrics.json").read_text())["test"]
    scores = found.sections[0].facts["scores"]
    assert scores["accuracy"] == metrics["accuracy"]
    assert scores["confusion"] == metrics["confusion"]
    code, _, _ = call("report", run.folder, "--config", quick)
    assert code == 0
    assert path.read_bytes() == first


def test_confidence_comes_from_the_validation_part(run, reported):
    found = Document.model_validate_json((run.folder / "report/report.json").read_bytes())
    facts = next(s for s in found.sections if s.name == "confidence").facts
    assert facts["temperature"] == tlpipe.load(run.folder).metadata.temperature
    assert facts["after"]["log_loss"] > 0


def test_help_names_every_section_and_method():
    from tlpipe.cli import explain, report

    methods = f"Methods: {', '.join(METHODS)}."
    for command in (report, explain):
        assert methods in " ".join(command.EPILOG.split())
    assert f"Sections: {', '.join(registry.SECTIONS)}." in " ".join(report.EPILOG.split())


def test_a_stopped_report_goes_on(run, call, quick, monkeypatch):
    def stop(subject):
        raise KeyboardInterrupt

    arguments = ("report", run.folder, "--config", quick, "--sections", "performance,fit")
    with monkeypatch.context() as patched:
        patched.setitem(registry.SECTIONS, "fit", stop)
        code, _, shown = call(*arguments)
    assert code == 130
    assert "The same command again goes on" in shown
    code, shown, _ = call(*arguments)
    assert code == 0
    assert "[1/2] performance (kept)" in shown
    assert "[2/2] fit" in shown


@pytest.fixture(scope="module")
def audited(run):
    """The pictures of the test part."""
    from tlpipe.data.manifest import Manifest

    manifest = Manifest.read(run.folder / "manifest.csv", root=run.folder.parent / "cells")
    return [manifest.pictures[row] for row in manifest.indices("test")]


def facts(run):
    report = Document.model_validate_json((run.folder / "report/report.json").read_bytes())
    return {section.name: section.facts for section in report.sections}


def test_objects_and_a_table_are_looked_at(run, call, quick, tmp_path, audited):
    # The middle ninth of every picture but the first; a camera for every picture, in turn.
    boxes, table = ["path;x0;y0;x1;y1"], ["path,camera"]
    for number, picture in enumerate(audited):
        across, down = picture.width / 3, picture.height / 3
        if number:
            boxes.append(f"{picture.path};{across};{down};{2 * across};{2 * down}")
        table.append(f"{picture.path},{'AB'[number % 2]}")
    (tmp_path / "boxes.csv").write_text("\n".join(boxes))
    (tmp_path / "table.csv").write_text("\n".join([*table, "gone.png,A"]))
    code, shown, _ = call(
        "report", run.folder, "--config", quick, "--sections", "looks",
        "--objects", tmp_path / "boxes.csv", "--table", tmp_path / "table.csv",
    )  # fmt: skip
    assert code in (0, 3)
    total = len(audited)
    assert f"objects: {total - 1} of {total} pictures have one" in shown
    assert f"table: 1 column, {total} of {total} pictures; 1 line about no picture" in shown
    found = facts(run)
    objects = found["looks"]["objects"]
    assert (objects["marked"], objects["unmarked"], objects["cut_off"]) == (total - 1, 1, 0)
    for method in ("gradcam", "saliency"):
        measured = objects["methods"][method]
        assert measured["inside"]["chance"] == pytest.approx(1 / 9, abs=0.02)
        assert measured["pointing"]["chance"] == pytest.approx(0.155, abs=0.03)
        assert 0 < measured["inside"]["value"] < 1
    page = (run.folder / "report/index.html").read_text()
    assert "Attribution and object" in page
    assert "Zhang et al. 2016" in page


def test_data_is_told_of_shortcuts_also_after_a_stop(run, call, monkeypatch, quick, audited):
    from tlpipe.audit.finding import Section
    from tlpipe.audit.sections import data

    def found(subject):
        clue = {"class": EVIL, "confirmed": True, "seen_in": [p.path for p in audited]}
        return Section(name="shortcuts", title="S", findings=(), facts={"clues": [clue]})

    def told(subject, shortcuts=None):
        rows = [] if shortcuts is None else data.misled(subject, shortcuts)
        return Section(name="data", title="D", findings=(), facts={"rows": rows})

    def stop(subject):
        raise KeyboardInterrupt

    monkeypatch.setitem(registry.SECTIONS, "shortcuts", found)
    monkeypatch.setitem(registry.SECTIONS, "data", told)
    command = ("report", run.folder, "--config", quick, "--sections")
    with monkeypatch.context() as patched:
        patched.setitem(registry.SECTIONS, "provenance", stop)
        assert call(*command, "data,provenance")[0] == 130
    # What was kept without shortcuts is not taken for what is told of them.
    with monkeypatch.context() as patched:
        patched.setitem(registry.SECTIONS, "provenance", stop)
        assert call(*command, "shortcuts,data,provenance")[0] == 130
    code, shown, _ = call(*command, "shortcuts,data,provenance")
    assert code in (0, 3)
    assert "shortcuts (kept)" in shown
    assert "data (kept)" in shown
    with (run.folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        called = {row["path"] for row in csv.DictReader(file) if row["predicted"] == EVIL}
    with (run.folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    assert called
    assert {paths[row] for row in facts(run)["data"]["rows"]} == called


@pytest.mark.parametrize(
    ("thresholds", "section", "gate", "expected"),
    [
        ("fit: {gap_amber: 0, gap_red: 0, low: 1}", "fit", "amber", 1),
        ("fit: {gap_amber: 1, gap_red: 1, low: 0}", "fit", "amber", 0),
        ("performance: {recall_red: 1.0, recall_amber: 1.0, few: 5}", "performance", "red", 1),
        ("performance: {recall_red: 1.0, recall_amber: 1.0, few: 5}", "performance", None, 0),
        ("performance: {few: 1000}", "performance", "red", 3),
    ],
)
def test_exit_codes(run, call, tmp_path, thresholds, section, gate, expected):
    (tmp_path / "own.yaml").write_text(thresholds)
    options = ["--fail-on", gate] if gate else []
    code, shown, problem = call(
        "report", run.folder, "--sections", section, "--config", tmp_path / "own.yaml", *options
    )
    assert code == expected, shown + problem
    if expected == 3:
        assert "too few" in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--sections", "performence"), ["did you mean 'performance'?"]),
        (("--methods", "gradcm"), ["did you mean 'gradcam'?"]),
        (("--config", "none.yaml"), ["There is no file of thresholds 'none.yaml'"]),
        (("--objects", "none"), ["no folder of masks and no CSV of boxes 'none'"]),
        (("--table", "{file}"), ["own.yaml", "no column 'path'"]),
        (("--config", "{file}"), ["performance.recal_red", "did you mean"]),
    ],
)
def test_bad_options_are_one_message(run, call, tmp_path, options, words):
    (tmp_path / "own.yaml").write_text("performance: {recal_red: 0.4}")
    options = [option.format(file=tmp_path / "own.yaml") for option in options]
    code, _, shown = call("report", run.folder, *options)
    assert code == 2
    for word in words:
        assert word in shown


def test_a_run_that_is_not_finished_is_refused(run, call, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(run.folder / "config.yaml", other)
    code, _, shown = call("report", other)
    assert code == 2
    assert "not finished" in shown
    assert "tlpipe run" in shown


def test_explain_writes_a_panel_a_picture_and_names_the_broken(run, call, tmp_path):
    from PIL import Image

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for file in sorted((run.folder.parent / "cells" / "中文").iterdir())[:2]:
        shutil.copy(file, pictures)
    (pictures / "torn.png").write_bytes(b"\x89PNG torn")
    out = tmp_path / "out"
    code, shown, problem = call(
        "explain", run.folder, pictures, "--out", out, "--methods", "gradcam,occlusion"
    )
    assert code == 0
    panels = sorted(out.iterdir())
    assert len(panels) == 2
    assert all(str(panel) in shown for panel in panels)
    assert "1 of 3 files could not be read" in problem
    assert "torn.png" in problem
    image = np.asarray(Image.open(panels[0]))
    assert image.shape[1] > 4 * 160
    code, _, problem = call("explain", run.folder, pictures, "--against", "dog")
    assert code == 2
    assert "'dog' is unknown" in problem


def test_calibrated_predictions_keep_the_class(run):
    classifier = tlpipe.load(run.folder)
    pictures = run.folder.parent / "cells" / "中文"
    plain, honest = (classifier.predict(pictures, calibrated=c) for c in (False, True))
    assert [p.label for p in plain] == [p.label for p in honest]
    temperature = classifier.metadata.temperature
    assert temperature != 1.0
    for a, b in zip(plain[:5], honest[:5], strict=True):
        odds = [np.log(p.probabilities[0] / p.probabilities[1]) for p in (a, b)]
        assert odds[1] == pytest.approx(odds[0] / temperature, rel=1e-3)
