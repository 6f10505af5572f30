"""`tlpipe export`, and a pipeline that ends in exports."""

import json
import sys

import pytest

import tlpipe
import tlpipe.cli.main as cli


@pytest.fixture
def call(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["tlpipe", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return call


def test_formats_are_listed_or_repeated(call, run, tmp_path):
    code, shown, problem = call(
        "export", run, "--to", "keras", "--to", "keras,savedmodel", "--pictures", 5,
        "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, problem
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keras", "savedmodel"]
    assert "on 5 pictures" in shown
    assert f"written to {tmp_path}" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "onxx"), ["There is no format 'onxx'", "did you mean 'onnx'?"]),
        (("--to", "keras", "--quantize", "int8"), ["'int8' is not for keras", "--to litert"]),
        (("--to", "keras", "--set", "export.loss=2"), ["export.loss", "less than 1"]),
        (("--to", ""), ["export.formats"]),
    ],
)
def test_bad_input_is_one_message(call, run, tmp_path, arguments, words):
    code, _, shown = call("export", run, *arguments, "--out", tmp_path / "out")
    assert code == 2
    for word in words:
        assert word in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_run_is_named(call, photos):
    code, _, shown = call("export", photos, "--to", "keras")
    assert code == 2
    assert "is a folder of pictures, and no run folder" in shown


def test_of_a_misspelt_run_the_nearest_is_named(call, run):
    code, _, shown = call("export", run.with_name(f"{run.name}s"), "--to", "keras")
    assert code == 2
    assert f"didyoumean'{run}'?" in "".join(shown.split())


@pytest.mark.slow
def test_a_pipeline_may_end_in_exports(photos, tiny_file, tmp_path):
    settings = {
        "backbone": {"name": tiny_file, "resolution": 64},
        "head": {"epochs": 1, "batch_size": 16},
        "unfreeze": {"blocks": "none"},
        "prepare": {"views": 1},
        "evaluate": {"resamples": 100},
        "export": {"formats": ["keras", "onnx"], "pictures": 9},
    }
    run = tlpipe.finetune(photos, out=tmp_path / "run", quiet=True, **settings)
    check = json.loads(run.path("export/onnx/check.json").read_text())
    assert check["pictures"] == 9
    # What is there is kept; what was taken away is made again.
    run.path("export/keras/about.json").unlink()
    run.path("export/keras").rename(tmp_path / "moved")
    log = run.path("log.txt")
    before = len(log.read_text())
    tlpipe.finetune(photos, out=tmp_path / "run", quiet=True, **settings)
    assert (
        "[10/10] export: again, because export/keras/about.json is missing"
        in (log.read_text()[before:])
    )
    assert run.path("export/keras/about.json").exists()
