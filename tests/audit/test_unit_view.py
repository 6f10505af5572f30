"""What a unit looks for: the pictures, the places and the boxes are the right ones."""

import json
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from tests.audit.colour_run import RED, SILENT, SIZE, make_run
from tlpipe.artifact.classifier import load
from tlpipe.audit.unit_view import draw_unit
from tlpipe.errors import BackboneError, ConfigError, DataError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("colour"))


@pytest.fixture(scope="module")
def classifier(run):
    return load(run)


@pytest.fixture(scope="module")
def photos(run):
    return run.parent / "photos" / "val"


@pytest.fixture(scope="module")
def drawn(classifier, photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return draw_unit(classifier, f"block1:{RED}", [photos], out)


@pytest.fixture
def no_tf_keras_vis(monkeypatch):
    """As if it were not installed; making a picture for a unit also takes seconds."""
    monkeypatch.delitem(sys.modules, "tlpipe.explain.maximise_tensorflow", raising=False)
    monkeypatch.setitem(sys.modules, "tf_keras_vis.activation_maximization", None)


def maps_of(classifier, path, layer):
    """The layer's output for a file, by other ways than those under test."""
    pixels = Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX)
    model = classifier.model
    part = keras.Model(model.input, model.get_layer(layer).output)
    return np.asarray(part(np.asarray(pixels)[None], training=False))[0]


def test_the_strongest_pictures_in_their_order(classifier, photos, drawn):
    files = sorted(photos.rglob("*.png"))
    expected = [maps_of(classifier, file, "block1_conv")[..., RED].max() for file in files]
    strongest = np.sort(expected)[::-1][:9]
    found = [row["activation"] for row in drawn.facts["top"]]
    np.testing.assert_allclose(found, strongest, atol=0.05 * strongest[0])
    assert found == sorted(found, reverse=True)
    assert found[0] > 1.3 * np.median(expected), "the pictures differ"
    assert drawn.facts["pictures"] == len(files) == 24


def test_the_box_is_what_the_unit_sees_and_it_is_red_there(drawn):
    for row in drawn.facts["top"]:
        top, left, bottom, right = row["box"]
        assert top in (2 * row["position"][0], 0)
        assert (bottom - top, right - left) in ((3, 3), (2, 3), (3, 2), (2, 2))
        pixels = Image.open(row["path"]).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX)
        seen = np.asarray(pixels)[top:bottom, left:right].astype(float) / 255
        red = (seen @ (1, -0.5, -0.5)).sum() / 9
        assert red == pytest.approx(row["activation"], abs=0.05)


def test_the_json_says_what_the_panel_shows(drawn):
    facts = json.loads(drawn.json.read_text())
    assert facts == drawn.facts
    assert (facts["block"], facts["channel"], facts["field"]) == ("block1", RED, [3, 3])
    assert [view["method"] for view in facts["views"]] == ["deconvnet", "guided"]
    # Red without any other colour gives 1, and nothing more.
    assert facts["top"][0]["activation"] < 0.8
    assert facts["maximised"]["activation"] == pytest.approx(1, abs=0.02)
    assert any("Zeiler and Fergus 2014" in line for line in drawn.sentences)
    panel = np.asarray(Image.open(drawn.panel).convert("RGB")).astype(int)
    # Activation maximisation of a unit for red is a red picture, and large.
    red = (panel[..., 0] > 230) & (panel[..., 1:].max(-1) < 40)
    assert red.mean() > 0.04


def test_a_deep_unit_sees_more_and_its_gradient_stays_in_the_box(classifier, photos, tmp_path):
    from tlpipe.audit.places import block_tensor, box, field_of
    from tlpipe.explain.units import Unit

    tensor = block_tensor(classifier.model, "block2")
    field = field_of(classifier.model, tensor)
    assert field.size == (7, 7)
    unit = Unit(classifier.model, tensor, 2)
    picture = np.asarray(Image.open(sorted(photos.rglob("*.png"))[0]).resize((SIZE, SIZE)))[None]
    for place in ((0, 0), (7, 3), (15, 15)):
        top, left, bottom, right = box(field, place, SIZE)
        gradient = np.abs(unit.views(picture, np.array([place]))[0].gradients[0]).sum(-1)
        inside = gradient[top:bottom, left:right].copy()
        gradient[top:bottom, left:right] = 0
        assert not gradient.any()
        # No row or column of the box is there for nothing.
        assert inside.any(0).all()
        assert inside.any(1).all()


@pytest.mark.usefixtures("no_tf_keras_vis")
def test_without_tf_keras_vis_the_ideal_is_left_out_and_it_says_so(classifier, photos, tmp_path):
    drawn = draw_unit(classifier, "block2:3", [photos], tmp_path)
    assert drawn.facts["maximised"] is None
    (line,) = [line for line in drawn.sentences if "is left out" in line]
    assert "tf_keras_vis" in line
    assert "not installed" in line
    assert drawn.panel.is_file()


@pytest.mark.usefixtures("no_tf_keras_vis")
def test_a_silent_unit_is_called_silent(classifier, photos, tmp_path):
    drawn = draw_unit(classifier, f"block1:{SILENT}", [photos], tmp_path)
    assert drawn.facts["top"][0]["activation"] == 0
    assert "No picture excites it: it is 0 or less everywhere." in drawn.sentences


@pytest.mark.usefixtures("no_tf_keras_vis")
def test_where_the_deconvnet_is_undefined_the_gradient_is_named(tmp_path, photos):
    swish = load(make_run(tmp_path, "swish"))
    file = sorted(photos.rglob("*.png"))[0]
    drawn = draw_unit(swish, f"block1:{RED}", [file], tmp_path)
    assert [view["method"] for view in drawn.facts["views"]] == ["saliency"]
    text = " ".join(drawn.sentences)
    assert "gradient (Simonyan et al. 2013)" in text
    assert "deconvnet's view is not defined here" in text
    assert "Zeiler" not in text
    assert len(drawn.facts["top"]) == 1


@pytest.mark.usefixtures("no_tf_keras_vis")
def test_a_copy_takes_no_place(classifier, photos, tmp_path):
    first, second = sorted(photos.rglob("*.png"))[:2]
    copy = tmp_path / "copy.png"
    copy.write_bytes(first.read_bytes())
    drawn = draw_unit(classifier, f"block1:{RED}", [first, copy, second], tmp_path)
    assert {row["path"] for row in drawn.facts["top"]} == {str(first), str(second)}
    assert drawn.facts["pictures"] == 3


@pytest.mark.usefixtures("no_tf_keras_vis")
def test_files_that_cannot_be_read(classifier, photos, tmp_path):
    torn = tmp_path / "torn.png"
    torn.write_bytes(b"\x89PNG torn")
    good = sorted(photos.rglob("*.png"))[:2]
    drawn = draw_unit(classifier, "block1:2", [torn, *good], tmp_path / "out")
    assert [row["path"] for row in drawn.facts["unreadable"]] == [str(torn)]
    assert drawn.facts["pictures"] == len(drawn.facts["top"]) == 2
    with pytest.raises(DataError, match="None of the 1 pictures can be read"):
        draw_unit(classifier, "block1:2", [torn], tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("unit", "kind", "words"),
    [
        ("blok1:0", BackboneError, "did you mean 'block1'"),
        ("block1:6", BackboneError, "from 0 to 5"),
        ("head:0", BackboneError, "no feature maps"),
        ("block1", ConfigError, "BLOCK:CHANNEL"),
        ("block1:x", ConfigError, "BLOCK:CHANNEL"),
        ("block1:-1", ConfigError, "BLOCK:CHANNEL"),
    ],
)
def test_what_is_no_unit_is_refused(classifier, photos, tmp_path, unit, kind, words):
    with pytest.raises(kind, match=words):
        draw_unit(classifier, unit, [photos], tmp_path / "out")
    assert not (tmp_path / "out").exists()
