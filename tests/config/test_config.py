from pathlib import Path

import pytest

from tlpipe.config.audit import Audit
from tlpipe.config.load import FINETUNE, dump, override, read_audit, read_yaml, validate
from tlpipe.config.runs import check_alone, check_folder, default_folder
from tlpipe.config.settings import Settings
from tlpipe.errors import ConfigError, RunError
from tlpipe.pipeline.atomic import beside

PIPELINES = Path(__file__).parents[2] / "pipelines"


def test_the_pipeline_file_is_what_finetune_runs():
    assert validate(read_yaml(PIPELINES / "finetune.yaml")) == validate(FINETUNE)


def test_the_pipeline_file_shows_every_setting():
    shown = read_yaml(PIPELINES / "finetune.yaml")["stages"]
    for name, settings in validate(FINETUNE).stages.items():
        assert set(shown[name]) == set(type(settings).model_fields), name


def test_a_resolved_pipeline_reads_back_equal(tmp_path):
    pipeline = validate(override(FINETUNE, ["scan.data=照片/", "head.epochs=3", "seed=7"]))
    file = tmp_path / "config.yaml"
    file.write_text(dump(pipeline), encoding="utf-8")
    assert validate(read_yaml(file)) == pipeline


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        (["head.epoch=3"], ["head.epoch", "did you mean 'head.epochs'?"]),
        (["haed.epochs=3"], ["haed", "did you mean 'head'?"]),
        (["head.epochs=-3"], ["head.epochs", "-3", "greater than or equal to 1"]),
        (["head.epochs=three"], ["'three'", "must be a whole number", "default is head.epochs=8"]),
        (["head.balance=perhaps"], ["must be true or false"]),
        (["prepare.cache=-1"], ["prepare.cache", "activation cache: auto, off"]),
        (["head.monitor=f1"], ["head.monitor", "'f1'", "accuracy"]),
        (["split.val=0.5"], ["split", "it must be 1"]),
        (["epochs"], ["epochs", "stage.key=value"]),
        (["seed=minus one"], ["seed", "minus one"]),
        (["split.group=[^_]+"], ["split.group=[^_]+", "YAML", """'split.group="[^_]+"'"""]),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_the_cause(assignments, words):
    with pytest.raises(ConfigError) as caught:
        validate(override(FINETUNE, assignments))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nstage: {}", ["'stage'", "did you mean 'stages'?"]),
        ("stages: {scann: {}}", ["scann", "did you mean 'scan'?"]),
        ("stages: {head: 3}", ["head", "mapping", "3"]),
        ("stages: [", ["not valid YAML"]),
        ("- 1", ["must be a mapping"]),
        ("seed: 0", ["names no stages"]),
        ("stages:", ["names no stages"]),
        ("stages: [head]", ["must be a mapping"]),
        ("stages: {scan: photos/}", ["'scan'", "mapping", "'photos/'"]),
    ],
)
def test_a_bad_file_is_named_with_the_cause(tmp_path, text, words):
    file = tmp_path / "p.yaml"
    file.write_text(text)
    for assignments in ([], ["scan.data=photos"]):
        with pytest.raises(ConfigError) as caught:
            validate(override(read_yaml(file), assignments), where=file)
        if not assignments:
            for word in words:
                assert word in str(caught.value)


def test_off_is_off_though_yaml_reads_it_as_false():
    found = validate(override(FINETUNE, ["prepare.cache=off", "prepare.pictures=off"]))
    assert (found.stages["prepare"].cache, found.stages["prepare"].pictures) == ("off", "off")


def test_a_missing_pipeline_file_is_one_message(tmp_path):
    with pytest.raises(ConfigError, match="no pipeline file"):
        read_yaml(tmp_path / "none.yaml")


def test_equal_settings_share_a_folder_and_others_get_their_own(tmp_path):
    pipeline = validate(override(FINETUNE, ["scan.data=photos"]))
    first = default_folder(pipeline, tmp_path)
    assert first.name.startswith("photos-")
    first.mkdir(parents=True)
    (first / "config.yaml").write_text(dump(pipeline), encoding="utf-8")
    assert default_folder(pipeline, tmp_path) == first
    labels = validate(override(FINETUNE, ["scan.data=photos", "scan.target=labels"]))
    assert default_folder(labels, tmp_path).name.startswith("photos-labels-")
    other = validate(override(FINETUNE, ["scan.data=photos", "seed=1"]))
    assert default_folder(other, tmp_path) == first, "nothing was trained in it"
    (first / ".lock.json").write_text("{}")
    assert default_folder(other, tmp_path).name.endswith("-2"), "another process works in it"
    (first / ".lock.json").unlink()
    (first / "stages" / "head").mkdir(parents=True)
    assert default_folder(other, tmp_path) == first.with_name(first.name + "-2")


def test_a_run_does_not_write_over_or_among_what_is_not_its_own(tmp_path):
    data, project = tmp_path / "photos", tmp_path / "project"
    for folder in (data / "cat", project, tmp_path / "empty", tmp_path / "run" / "stages"):
        folder.mkdir(parents=True)
    (project / "README.md").write_text("mine")
    pipeline = validate(override(FINETUNE, [f"scan.data={data}"]))
    for inside in (data, data / "run"):
        with pytest.raises(RunError, match="in the folder of pictures"):
            check_folder(inside, pipeline)
    with pytest.raises(RunError, match=r"other things, such as 'README.md'"):
        check_folder(project, pipeline)
    for fine in (tmp_path / "new", tmp_path / "empty", tmp_path / "run"):
        check_folder(fine, pipeline)
    (tmp_path / "empty" / "log.txt").write_text("begun")
    check_folder(tmp_path / "empty", pipeline)


def test_the_audit_file_shows_every_threshold_at_its_default():
    path = PIPELINES / "audit.yaml"
    assert read_audit(path) == Audit()
    shown = read_yaml(path)
    assert list(shown) == list(Audit.model_fields)
    for name, field in Audit.model_fields.items():
        if isinstance(field.default, Settings):
            assert list(shown[name]) == list(type(field.default).model_fields), name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("confidence: {ece_rad: 0.1}", "did you mean 'confidence.ece_red'"),
        ("confidance: {}", "did you mean 'confidence'"),
        ("limit: 0", "limit"),
        ("data: 3", "'data' must be a mapping"),
    ],
)
def test_a_threshold_that_can_not_be_used_is_named(tmp_path, text, words):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_audit(tmp_path / "own.yaml")


def test_what_a_kill_left_half_written_is_none_of_the_user_s(tmp_path):
    for name in ("config.yaml", ".lock.json", "model.keras", "README"):
        beside(tmp_path / name).write_text("torn")
    check_alone(tmp_path, {"config.yaml"})
    (tmp_path / ".notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"other things, such as '\.notes\.txt'"):
        check_alone(tmp_path, {"config.yaml"})
