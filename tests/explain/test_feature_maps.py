"""Feature maps as a picture."""

import matplotlib
import numpy as np
import pytest
from PIL import Image
from skimage import data

from tlpipe.explain.feature_maps import colour_scale, draw, strongest


def test_the_strongest_channels_in_their_order():
    maps = np.zeros((2, 2, 5), "float32")
    maps[..., 4], maps[..., 1], maps[..., 2] = 1, -3, 2
    np.testing.assert_array_equal(strongest(maps, 2), [1, 2])
    np.testing.assert_array_equal(strongest(maps, 9), [0, 1, 2, 3, 4])


def test_the_scale_holds_every_value_and_zero_has_its_place():
    assert colour_scale(np.array([0.0, 8.0]))[:2] == (0, 8)
    low, high, _ = colour_scale(np.array([-2.0, 0.5]))
    assert (low, high) == (-2, 2)
    assert colour_scale(np.zeros(3))[:2] == (0, 1)


@pytest.fixture
def drawn(tmp_path):
    """The share of the drawing's pixels that have a colour of the scale."""

    def drawn(maps, most=64):
        target = draw(
            tmp_path / "maps.png",
            data.astronaut()[:64, :64],
            maps.astype("float32"),
            name="$cat$_猫.png",
            block="block1",
            most=most,
        )
        pixels = np.asarray(Image.open(target).convert("RGB")).astype(int)

        def share(colours, at):
            colour = np.rint(np.array(matplotlib.colormaps[colours](at)[:3]) * 255)
            return (np.abs(pixels - colour).max(-1) <= 2).mean()

        return share

    return drawn


def test_all_maps_share_one_scale(drawn):
    # A map of ones beside one of halves, and one that is off.
    share = drawn(np.broadcast_to([1.0, 0.5, 0.0], (4, 4, 3)))
    ends = [share("viridis", at) for at in (1.0, 0.5, 0.0)]
    assert min(ends) > 0.02
    # Each has its own tile; the colour bar adds a sliver to either end.
    assert max(ends) < 1.2 * min(ends)
    assert share("viridis", 0.25) < 0.2 * min(ends)


def test_a_channel_that_is_not_among_the_strongest_is_not_drawn(drawn):
    maps = np.broadcast_to([1.0, 0.5, 0.75, 0.0], (4, 4, 4))
    share = drawn(maps, most=3)
    assert share("viridis", 0.5) > 0.02
    assert share("viridis", 0.0) < 0.2 * share("viridis", 0.5)


def test_negative_activations_are_told_from_positive_ones(drawn):
    share = drawn(np.broadcast_to([2.0, -2.0], (3, 3, 2)))
    assert share("RdBu_r", 1.0) > 0.02
    assert share("RdBu_r", 0.0) > 0.02


def test_maps_of_any_size_are_drawn(drawn):
    for side in (1, 150):
        assert drawn(np.broadcast_to([1.0, 0.5], (side, side, 2)))("viridis", 0.5) > 0.02
