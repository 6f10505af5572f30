import io

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.backbones.lite_pictures import photographs
from tlpipe.data.decode import DecodeError
from tlpipe.data.pixels import Pixels, gray

COFFEE = photographs(64)["coffee.png"]
SIX = np.concatenate([COFFEE, COFFEE[::-1]], axis=2)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def tiff(pages: list[np.ndarray]) -> bytes:
    file = io.BytesIO()
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(file, "TIFF", save_all=True, append_images=rest)
    return file.getvalue()


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "data", [npy(SIX), tiff(list(np.moveaxis(SIX, 2, 0))), tiff([COFFEE, COFFEE[::-1].copy()])]
)
def test_an_array_of_bytes_comes_as_it_is(data):
    pixels = Pixels(6)
    assert np.array_equal(pixels.decode(data, 8), SIX)
    width, height, seen = pixels.inspect(data)
    assert (width, height) == (64, 64)
    assert np.array_equal(seen, SIX)


def test_other_samples_are_scaled_as_asked():
    samples = np.array([0, 2500, 10000, 20000], np.uint16).reshape(2, 2, 1).repeat(2, axis=2)
    found = Pixels(2, 0, 10000).decode(npy(samples))
    assert found[..., 0].ravel().tolist() == [0, 64, 255, 255]
    planes = np.array([0.0, 1.0], np.float32).reshape(1, 2, 1).repeat(4, axis=2)
    assert Pixels(4, 0, 1).decode(npy(planes))[0, :, 3].tolist() == [0, 255]


def test_a_tiff_of_sixteen_bits_is_scaled_too():
    pages = [np.full((4, 4), value, np.uint16) for value in (0, 1000, 4000, 65535)]
    found = Pixels(4, 0, 4000).decode(tiff(pages))
    assert found[0, 0].tolist() == [0, 64, 255, 255]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_gray_picture_of_sixteen_bits_has_the_range_that_is_given(kind):
    """Twelve bits of an X-ray: by their upper byte alone they would all be black."""
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 1000], [2000, 4000]], np.uint16)).save(file, kind)
    for channels in (1, 3):
        pixels = Pixels(channels, 0, 4000)
        for found in (pixels.decode(file.getvalue()), pixels.inspect(file.getvalue()).pixels):
            assert found[..., 0].ravel().tolist() == [0, 64, 128, 255]
    assert Pixels(1).decode(file.getvalue()).ravel().tolist() == [0, 3, 7, 15]


@pytest.mark.parametrize("kind", [".png", ".tiff"])
def test_colours_of_sixteen_bits_have_the_range_that_is_given(kind):
    wide = np.array([[[0, 1000, 2000], [4000, 65535, 4000]]], np.uint16)
    data = cv2.imencode(kind, wide[..., ::-1])[1].tobytes()
    expected = [0, 64, 128, 255, 255, 255]
    pixels = Pixels(3, 0, 4000)
    for found in (pixels.decode(data), pixels.inspect(data).pixels):
        assert found.ravel().tolist() == expected
    assert Pixels().decode(data).ravel().tolist() == (wide >> 8).ravel().tolist()
    eight = png(COFFEE)
    assert np.array_equal(pixels.decode(eight), COFFEE), "8 bits are taken as they are"


def test_transparent_colours_of_sixteen_bits_are_laid_over_white():
    wide = np.array([[[4000, 0, 0, 65535], [0, 0, 0, 0], [0, 0, 0, 32768]]], np.uint16)
    data = cv2.imencode(".png", wide[..., [2, 1, 0, 3]])[1].tobytes()
    found = Pixels(3, 0, 4000).decode(data)
    assert found.tolist() == [[[255, 0, 0], [255, 255, 255], [127, 127, 127]]]


def test_samples_of_thirty_two_bits_need_a_range():
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 0.5], [1, 2]], np.float32)).save(file, "TIFF")
    assert Pixels(1, 0, 1).decode(file.getvalue()).ravel().tolist() == [0, 128, 255, 255]
    with pytest.raises(DecodeError, match=r"scan\.low=0"):
        Pixels(1).decode(file.getvalue())


def test_one_channel_is_gray_and_three_are_rgb():
    assert np.array_equal(Pixels(1).decode(png(COFFEE))[..., 0], gray(COFFEE))
    assert np.array_equal(Pixels(3).decode(png(COFFEE)), COFFEE)
    assert np.array_equal(Pixels(3).decode(npy(COFFEE)), COFFEE)
    assert np.array_equal(Pixels(1).decode(npy(COFFEE[..., 0]))[..., 0], COFFEE[..., 0])


@pytest.mark.parametrize(
    ("pixels", "data", "message"),
    [
        (Pixels(3), npy(SIX), "6 channels, and 3 are asked for (--set scan.channels=6)"),
        (Pixels(6), png(COFFEE), "an RGB picture, and 6 channels are asked for"),
        (Pixels(6), npy(SIX.astype(np.uint16)), "samples of the kind uint16: say which become"),
        (Pixels(6), npy(SIX)[:500], "damaged or unsupported .npy"),
        (Pixels(6), npy(SIX).replace(b"}", b" ", 1), "damaged or unsupported .npy"),
        (Pixels(6, 0, 1), npy(np.full((2, 2, 6), np.nan)), "not finite"),
        (Pixels(6), npy(np.zeros((2, 2, 2, 6), np.uint8)), "shape (2, 2, 2, 6)"),
        (Pixels(6), npy(np.zeros((0, 2, 6), np.uint8)), "shape (0, 2, 6)"),
        (Pixels(2, 0, 1), npy(np.array([[["a", "b"]]])), "samples of the kind <U1"),
        (Pixels(6), tiff([COFFEE, COFFEE])[:2000], "truncated, corrupt or unsupported TIFF"),
    ],
)
def test_what_does_not_fit_is_named(pixels, data, message):
    for look in (pixels.decode, pixels.inspect):
        with pytest.raises(DecodeError) as error:
            look(data)
        assert message in str(error.value)


def test_a_pickle_inside_is_never_opened(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DecodeError, match="allow_pickle"):
        Pixels(3).decode(file.getvalue())
