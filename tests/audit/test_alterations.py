"""Alterations change a real picture as they say, repeat themselves, and grow with severity."""

import cv2
import numpy as np
import pytest

from tests.data.odd_files import tiles
from tlpipe.audit.evidence.alterations import ALTERATIONS, SEVERITIES
from tlpipe.audit.evidence.remedies import remedy, taught_by
from tlpipe.data.presets import preset


@pytest.fixture(scope="module")
def pictures():
    return np.stack(tiles(128, 8))


def change(a, b):
    return np.abs(a.astype(float) - b).mean(axis=(1, 2, 3))


@pytest.mark.parametrize("name", ALTERATIONS)
def test_it_grows_with_severity_and_repeats_itself(pictures, name):
    kind = ALTERATIONS[name]
    before = pictures.copy()
    altered = [kind.apply(pictures, severity, seed=1) for severity in SEVERITIES]
    assert (pictures == before).all()
    assert all(x.dtype == np.uint8 and x.shape == pictures.shape for x in altered)
    amount = np.array([change(x, pictures).mean() for x in altered])
    assert (np.diff(amount) > 0).all()
    assert amount[0] > 0
    assert (kind.apply(pictures, 3, seed=1) == altered[2]).all()
    # A picture's change depends on its place alone, not on its neighbours.
    assert (kind.apply(pictures[:2], 3, seed=1) == altered[2][:2]).all()


@pytest.mark.parametrize("name", ["rotation", "scale", "translation", "brightness", "noise"])
def test_another_seed_gives_another_direction(pictures, name):
    kind = ALTERATIONS[name]
    one, other = (kind.apply(pictures, 3, seed=seed) for seed in (0, 1))
    assert (one != other).any()


def test_both_directions_occur(pictures):
    brighter = ALTERATIONS["brightness"].apply(pictures, 2, seed=0).mean(axis=(1, 2, 3))
    up = brighter > pictures.mean(axis=(1, 2, 3))
    assert 0 < up.sum() < len(pictures)


def test_rotation_turns_by_its_degrees(pictures):
    picture = pictures[:1]
    turned = ALTERATIONS["rotation"].apply(picture, 5, seed=0)
    middle = ((127 / 2,) * 2, 45, 1.0)
    left, right = (
        cv2.warpAffine(
            picture[0],
            cv2.getRotationMatrix2D(middle[0], sign * middle[1], middle[2]),
            (128, 128),
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for sign in (1, -1)
    )
    assert min(change(turned, left[None]), change(turned, right[None])) < 1e-9


def test_gray_at_the_end_has_no_colour_and_keeps_its_light(pictures):
    gray = ALTERATIONS["gray"].apply(pictures, 5, seed=0)
    assert (gray.max(axis=3) - gray.min(axis=3)).max() <= 1
    lights = [cv2.cvtColor(x[0], cv2.COLOR_RGB2GRAY).mean() for x in (gray, pictures)]
    assert lights[0] == pytest.approx(lights[1], abs=1)


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_other_channels_keep_their_shape_or_are_refused(pictures, channels):
    many = np.ascontiguousarray(np.concatenate([pictures, pictures], axis=3)[..., :channels])
    for kind in ALTERATIONS.values():
        if kind.defined_for(channels):
            assert kind.apply(many, 3, seed=0).shape == many.shape
        else:
            with pytest.raises(ValueError, match="channels"):
                kind.apply(many, 3, seed=0)
    assert [k.name for k in ALTERATIONS.values() if not k.defined_for(6)] == ["JPEG", "gray"]


def test_an_unknown_severity_is_refused(pictures):
    with pytest.raises(ValueError, match="severity 6"):
        ALTERATIONS["blur"].apply(pictures, 6, seed=0)


def test_presets_teach_what_they_hold():
    taught = {name: taught_by(preset(name, 64)) for name in ("none", "light", "medium", "strong")}
    assert taught["none"] == set()
    assert taught["light"] >= {"scale", "brightness", "contrast"}
    assert "rotation" in taught["medium"]
    assert "rotation" not in taught["light"]
    assert taught["strong"] >= {"noise", "blur", "gray"}
    assert "JPEG" not in taught["strong"]


def test_the_mildest_preset_that_helps_is_named():
    light = taught_by(preset("light", 64))
    assert "--augment medium" in remedy(["rotation"], light, 1.0, 3)
    assert "--augment strong" in remedy(["rotation", "noise"], light, 1.0, 3)
    assert "prepare.strength=1.5" in remedy(["brightness"], light, 1.0, 3)
    assert "--augment FILE" in remedy(["JPEG"], light, 1.0, 3)
    assert "more varied pictures" in remedy(["brightness"], light, 2.0, 3)
    assert remedy([], light, 1.0, 3) == ""
