import keras
import numpy as np
import pytest

from tests.backbones.lite_pictures import photographs
from tlpipe.backbones.blocks import boundary, find_blocks
from tlpipe.backbones.build import build
from tlpipe.backbones.graph import cut_points
from tlpipe.errors import BackboneError

SIZE = 75
LITE0 = ["stem", *(f"block{i}" for i in range(1, 8)), "top"]


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    return photographs(SIZE)["coffee.png"][None]


@pytest.fixture(scope="module")
def lite() -> keras.Model:
    return build("efficientnet_lite0", size=SIZE).model


def run(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def test_every_cut_of_lite0_separates_it_exactly(lite, batch):
    whole = run(lite, batch)
    cuts = cut_points(lite)
    inner = [cut for cut in cuts if cut.tensor not in (lite.input, lite.output)]
    assert len(inner) == len(cuts) - 2 > 60
    every = keras.Model(lite.input, [cut.tensor for cut in inner])
    middles = [keras.ops.convert_to_numpy(y) for y in every(batch, training=False)]
    for cut, middle in list(zip(inner, middles, strict=True))[::6]:
        suffix = keras.Model(cut.tensor, lite.output)
        np.testing.assert_array_equal(run(suffix, middle), whole, err_msg=cut.layer)


def test_a_suffix_shares_its_weights_and_leaves_the_cuts_as_they_were(lite):
    before = [cut.layer for cut in cut_points(lite)]
    suffix = keras.Model(boundary(lite, 2).tensor, lite.output)
    assert {id(w) for w in suffix.weights} <= {id(w) for w in lite.weights}
    assert [cut.layer for cut in cut_points(lite)] == before


@pytest.mark.parametrize(
    ("unfreeze", "trained"),
    [
        ("none", []),
        (0, []),
        (2, ["block7", "top"]),
        ("2", ["block7", "top"]),
        ("block6", ["block6", "block7", "top"]),
        (9, LITE0),
        ("all", LITE0),
    ],
)
def test_boundary(lite, unfreeze, trained):
    found = boundary(lite, unfreeze)
    assert list(found.trained) == trained
    assert [*found.frozen, *found.trained] == LITE0
    by_name = {block.name: block for block in find_blocks(lite)}
    expected = by_name[trained[0]].input if trained else lite.output
    assert found.tensor is expected
    assert boundary(find_blocks(lite), unfreeze) == found


@pytest.mark.parametrize(
    ("unfreeze", "message"),
    [
        ("blok6", "did you mean 'block6'"),
        (10, "10 blocks can't be unfrozen.*\n.*has 9 blocks"),
        (-1, "number from 0 to 9"),
        (True, "no block 'True'"),
    ],
)
def test_a_boundary_that_is_not_there(lite, unfreeze, message):
    with pytest.raises(BackboneError, match=message):
        boundary(lite, unfreeze)


def test_a_network_without_telling_names_is_cut_by_resolution():
    image = x = keras.Input((64, 64, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(x)
    for filters in (8, 16, 32):
        # An expansion before the stride: the cut belongs in front of it.
        wide = keras.layers.Conv2D(6 * filters, 1, name=f"wide{filters}")(x)
        x = keras.layers.Conv2D(filters, 3, 2, padding="same", name=f"down{filters}")(wide)
        same = keras.layers.Conv2D(filters, 3, padding="same", name=f"same{filters}")(x)
        x = keras.layers.Add(name=f"join{filters}")([x, same])
    blocks = find_blocks(keras.Model(image, x))
    assert [block.name for block in blocks] == ["stage1", "stage2", "stage3", "stage4"]
    assert [block.layers[0] for block in blocks[1:]] == ["wide8", "wide16", "wide32"]


def test_a_model_with_two_outputs_is_refused():
    image = keras.Input((8, 8, 3))
    out = keras.layers.Conv2D(2, 1)(image)
    with pytest.raises(ValueError, match="2 outputs"):
        cut_points(keras.Model(image, [out, image]))
