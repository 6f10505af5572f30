import keras
import numpy as np
import pytest
from keras import layers

from tests.backbones.lite_pictures import photographs
from tlpipe.backbones import catalogue
from tlpipe.backbones.blocks import find_blocks
from tlpipe.backbones.build import build, resolve
from tlpipe.config.settings import Head
from tlpipe.errors import BackboneError
from tlpipe.pipeline.digest import file_sha256
from tlpipe.training.network import add_head

SIZE = 64


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    pictures = photographs(SIZE)
    return np.stack([pictures["chelsea.png"], pictures["flower.jpg"]])


def run(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.cast(model(x, training=False), "float32"))


def saved(model: keras.Model, folder) -> str:
    model.save(folder / "mine.keras")
    return str(folder / "mine.keras")


def with_head(x):
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return layers.Dense(3, activation="softmax")(x)


def small(name="inner", channels=8) -> keras.Model:
    """A net with a branch, squeezed and excited: pooling that is not the head's."""
    image = keras.Input((None, None, 3), name=f"{name}_in")
    x = layers.Conv2D(channels, 3, 2, padding="same", name="first")(image)
    x = y = layers.BatchNormalization(name="norm")(x)
    weight = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    weight = layers.Conv2D(channels, 1, activation="sigmoid", name="excite")(weight)
    x = layers.Multiply(name="scaled")([x, weight])
    x = layers.Add(name="sum")([x, y])
    return keras.Model(image, layers.ReLU(name="end")(x), name=name)


def test_a_model_tlpipe_made_gives_its_features_again(batch, tmp_path):
    lite = build("efficientnet_lite0", size=SIZE).model
    path = saved(keras.Model(lite.input, with_head(lite.output)), tmp_path)
    found = build(path)
    np.testing.assert_array_equal(run(found.model, batch), run(lite, batch))
    assert [b.name for b in find_blocks(found.model)] == [b.name for b in find_blocks(lite)]
    assert (found.model.input.name, found.model.input.dtype) == ("image", "uint8")
    assert (found.spec.name, found.size) == (path, SIZE)
    assert found.weights == "file mine.keras"
    assert found.weights_sha256 == file_sha256(path)


def test_a_tutorials_model_is_flattened_and_its_head_cut_off(batch, tmp_path):
    inner = small()
    image = keras.Input((SIZE, SIZE, 3), name="picture")
    augment = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
    x = layers.Rescaling(1 / 127.5, offset=-1, name="preprocess")(augment(image))
    path = saved(keras.Model(image, with_head(inner(x, training=False))), tmp_path)
    found = build(path)
    expected = run(inner, batch.astype("float32") / 127.5 - 1)
    np.testing.assert_allclose(run(found.model, batch), expected, atol=1e-6)
    assert expected.std() > 0.1
    assert not [la for la in found.model.layers if isinstance(la, keras.Model)]
    assert not [la for la in found.model.layers if "random" in la.name]
    assert found.spec.preprocessing == "inside"
    assert found.weights == "file mine.keras"


def test_the_pixels_go_in_as_they_are_where_nothing_is_inside(batch, tmp_path):
    net = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Conv2D(5, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    path = saved(net, tmp_path)
    found = build(path, size=SIZE)
    conv = keras.Sequential(net.layers[:2])
    np.testing.assert_allclose(run(found.model, batch), run(conv, batch.astype("float32")))
    assert found.spec.preprocessing == "none"
    assert "it gets the pixels 0..255 as they are" in found.weights
    assert found.model.output.shape == (None, SIZE - 4, SIZE - 4, 5)
    assert build(path).size == 224


def test_arithmetic_in_front_is_preprocessing(tmp_path):
    image = keras.Input((SIZE, SIZE, 3))
    path = saved(keras.Model(image, with_head(small()(image / 255.0))), tmp_path)
    assert resolve(path).preprocessing == "inside"


def test_nested_parts_with_the_same_names_stay_apart(batch, tmp_path):
    one, two = small("one", 3), small("two")
    image = keras.Input((SIZE, SIZE, 3))
    path = saved(keras.Model(image, with_head(two(one(image)))), tmp_path)
    found = build(path).model
    expected = run(two, run(one, batch.astype("float32")))
    np.testing.assert_allclose(run(found, batch), expected, rtol=1e-5, atol=1e-4)
    assert {"first", "two_first"} <= {layer.name for layer in found.layers}


def test_a_part_used_twice_keeps_one_set_of_weights(batch, tmp_path):
    part = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(3, 3, padding="same")])
    image = keras.Input((SIZE, SIZE, 3))
    path = saved(keras.Model(image, with_head(part(part(image)))), tmp_path)
    found = build(path).model
    assert found.count_params() == part.count_params()
    expected = run(part, run(part, batch.astype("float32")))
    np.testing.assert_allclose(run(found, batch), expected, rtol=1e-5, atol=1e-3)


def test_random_weights_are_by_the_seed(batch, tmp_path):
    path = saved(keras.Model(*_plain()), tmp_path)
    one, same, other = (build(path, weights="none", seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(run(one.model, batch), run(same.model, batch))
    assert not np.array_equal(run(one.model, batch), run(other.model, batch))
    assert not np.array_equal(run(one.model, batch), run(build(path).model, batch))
    assert one.weights == "none (random, seed 1)"
    assert one.weights_sha256 is None


def test_the_precision_is_the_runs_not_the_files(batch, tmp_path):
    path = saved(keras.Model(*_plain()), tmp_path)
    half = build(path, dtype_policy="mixed_bfloat16").model
    assert half.output.dtype == "bfloat16"
    assert half.get_layer("preprocess").compute_dtype == "float32"
    assert {w.dtype for w in half.weights} == {"float32"}
    full = run(build(path).model, batch)
    assert np.abs(run(half, batch) - full).max() < 0.05 * np.abs(full).max()


def test_the_blocks_of_a_file_are_shown(tmp_path):
    path = saved(keras.Model(*_plain()), tmp_path)
    found = catalogue.describe(path)
    assert found["weights"] == "own"
    assert sum(b["parameters"] for b in found["blocks"]) == found["parameters"] > 0


def _plain():
    image = keras.Input((SIZE, SIZE, 3))
    return image, with_head(small()(image))


def _lambda():
    image = keras.Input((SIZE, SIZE, 3))
    return image, with_head(layers.Lambda(lambda x: x * 2)(small()(image)))


def _gray():
    image = keras.Input((SIZE, SIZE, 1))
    return image, with_head(layers.Conv2D(2, 3)(image))


def _wide():
    image = keras.Input((SIZE, 2 * SIZE, 3))
    return image, with_head(small()(image))


def _two():
    image, other = keras.Input((SIZE, SIZE, 3)), keras.Input((2,))
    return [image, other], layers.Concatenate()([with_head(small()(image)), other])


def _dense():
    image = keras.Input((SIZE, SIZE, 3))
    return image, layers.Dense(2)(layers.Flatten()(layers.Rescaling(1 / 255)(image)))


@pytest.mark.parametrize(
    ("graph", "settings", "message"),
    [
        (_lambda, {}, "(?s)Lambda, which is refused.*mine.keras"),
        (_gray, {}, r"does not take square RGB pictures(?s:.*)\(64, 64, 1\)"),
        (_wide, {}, r"does not take square RGB pictures(?s:.*)\(64, 128, 3\)"),
        (_two, {}, "no graph from one picture"),
        (_dense, {}, "no feature map"),
        (_plain, {"size": 96}, "takes pictures of 64 px, not of 96 px"),
        (_plain, {"weights": "imagenet"}, "takes its own weights or none, not 'imagenet'"),
        (_plain, {"weights": "x.weights.h5"}, "takes its own weights or none"),
    ],
)
def test_what_can_not_be_a_backbone_is_refused(graph, settings, message, tmp_path):
    path = saved(keras.Model(*graph()), tmp_path)
    with pytest.raises(BackboneError, match=message):
        build(path, **settings)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.keras", "file does not exist"),
        ("models/resnet50", "no backbone's name, and no '.keras' file"),
        ("weights.h5", "weights alone go with --weights"),
    ],
)
def test_a_path_that_leads_nowhere_is_no_name(name, message):
    with pytest.raises(BackboneError, match=message):
        build(name)


def test_a_torn_file_is_refused(tmp_path):
    (tmp_path / "torn.keras").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(BackboneError, match="can't be read"):
        build(str(tmp_path / "torn.keras"))


def test_a_file_may_have_layers_that_are_called_as_those_of_a_head(batch, tmp_path):
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3, name="logits")(layers.Rescaling(1 / 255)(image))
    x = layers.Dropout(0.25, name="dropout")(layers.MaxPooling2D(name="pool")(x))
    x = layers.Dropout(0.25, name="hidden1_dropout")(layers.Conv2D(6, 3, name="hidden1")(x))
    model = keras.Model(image, layers.Dense(2, name="probabilities")(layers.Flatten()(x)))
    found = build(saved(model, tmp_path)).model
    expected = run(keras.Model(image, x), batch.astype("float32"))
    np.testing.assert_allclose(run(found, batch), expected, rtol=1e-5, atol=1e-5)
    whole = add_head(found, 3, Head(hidden=(5,)), seed=0)
    assert whole.output.shape == (None, 3)
    assert [b.name for b in find_blocks(found)]
