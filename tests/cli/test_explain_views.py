"""``tlpipe explain --maps`` and ``--unit`` as a person sees them."""

import json
import sys

import pytest

from tests.audit.colour_run import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("colour"))


@pytest.fixture(scope="module")
def photos(run):
    return sorted((run.parent / "photos" / "test").rglob("*.png"))


def test_maps_are_one_picture_a_picture(run, photos, call, tmp_path):
    torn = tmp_path / "torn.png"
    torn.write_bytes(b"\x89PNG torn")
    out = tmp_path / "out"
    code, shown, problem = call(
        "explain", run, torn, *photos[:2], "--maps", "block2", "--channels", 4, "--out", out
    )
    assert code == 0, problem
    names = [f"000{n}_{p.stem}_block2.png" for n, p in enumerate(photos[:2], 2)]
    assert sorted(p.name for p in out.iterdir()) == names
    assert all(name in shown for name in names)
    assert "1 of 3 files could not be read" in problem
    assert "torn.png" in problem


def test_a_unit_looks_at_the_validation_part_unless_pictures_are_named(
    run, photos, call, tmp_path, monkeypatch
):
    # Making a picture for the unit takes seconds, and is tested elsewhere.
    monkeypatch.delitem(sys.modules, "tlpipe.explain.maximise_tensorflow", raising=False)
    monkeypatch.setitem(sys.modules, "tf_keras_vis.activation_maximization", None)
    code, shown, problem = call("explain", run, "--unit", "block1:0", "--out", tmp_path)
    assert code == 0, problem
    facts = json.loads((tmp_path / "unit_block1_0.json").read_text())
    assert facts["pictures"] == 24
    assert all("/val/" in row["path"] for row in facts["top"])
    assert "unit_block1_0.png" in shown
    assert "9 of 24 pictures" in shown
    # A model on its own knows no validation part, and needs none when pictures are named.
    arguments = ("explain", run / "model.keras", *photos[:1], "--unit", "block1:0")
    code, shown, problem = call(*arguments, "--out", tmp_path)
    assert code == 0, problem
    facts = json.loads((tmp_path / "unit_block1_0.json").read_text())
    assert [row["path"] for row in facts["top"]] == [str(photos[0])]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--maps", "blok1"), ["no block 'blok1'", "block1, block2", "did you mean 'block1'"]),
        (("--maps", "head"), ["no feature maps", "block1, block2"]),
        (("--unit", "block1"), ["BLOCK:CHANNEL"]),
        (("--unit", "block1:9"), ["no channel 9", "0 to 5"]),
        (("--unit", "block1:0", "--maps", "block1"), ["does not go with"]),
        (("--maps", "block1", "--against", "a"), ["--maps does not go with --against"]),
        (("--unit", "block1:0", "--methods", "gradcam"), ["--unit does not go with --methods"]),
        (("--channels", "4"), ["--channels goes with --maps"]),
    ],
)
def test_bad_options_are_one_message(run, photos, call, tmp_path, options, words):
    code, _, shown = call("explain", run, photos[0], *options, "--out", tmp_path / "out")
    assert code == 2, shown
    assert "Traceback" not in shown
    for word in words:
        assert word in " ".join(shown.split())
    assert not (tmp_path / "out").exists()


def test_no_pictures_is_one_message(run, call, tmp_path):
    for options in ((), ("--maps", "block1")):
        code, _, shown = call("explain", run, *options, "--out", tmp_path / "out")
        assert code == 2
        assert "No picture was named." in shown
    code, _, shown = call("explain", run / "model.keras", "--unit", "block1:0")
    assert code == 2
    assert "not a run folder" in shown
