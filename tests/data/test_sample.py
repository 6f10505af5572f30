from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.data.photos import lay_out, photo
from tlpipe.data.augment import load
from tlpipe.data.decode import decode
from tlpipe.data.resize import MODES, coarsest, fit, pad_to_square, resize
from tlpipe.data.sample import Sampler
from tlpipe.errors import ConfigError, DataError

SIZE = 96


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def one_pixel(image: np.ndarray) -> float:
    """What a shift by one pixel would make."""
    return min(
        difference(image[1:], image[:-1]),
        difference(image[:, 1:], image[:, :-1]),
    )


def big(name: str) -> np.ndarray:
    """A photograph large enough to be decoded at a coarser scale, and soft.

    Soft, because a coarse decode is a little sharper than an average of the pixels: what these
    tests look for is a part of the picture that is not where it should be.
    """
    image = photo(name)
    image = resize(image, image.shape[0] * 2, image.shape[1] * 2)
    return cv2.GaussianBlur(image, (0, 0), 8)


def pipeline_file(tmp_path, text: str):
    path = tmp_path / "mine.yaml"
    path.write_text("transform:\n  __class_fullname__: Compose\n  transforms:\n" + text)
    return path


def test_fit_crops_pads_and_squashes():
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = 90
    wide[:, 200:] = 200
    for mode in MODES:
        assert fit(wide, SIZE, mode).shape == (SIZE, SIZE, 3)
    assert (fit(wide, SIZE, "crop") == 90).all()
    padded = fit(wide, SIZE, "pad")
    assert (padded[:32] == 0).all()
    assert (padded[-32:] == 0).all()
    assert (padded[33:63, 66:] == 200).all()
    squashed = fit(wide, SIZE, "squash")
    assert (squashed[:, 34:62] == 90).all()
    assert (squashed[:, 66:] == 200).all()
    with pytest.raises(ConfigError, match="did you mean 'squash'"):
        fit(wide, SIZE, "squish")


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (7, 96), (96, 96), (300, 50)])
@pytest.mark.parametrize("mode", MODES)
def test_fit_takes_any_shape(shape, mode):
    image = np.full((*shape, 3), 77, np.uint8)
    result = fit(image, SIZE, mode)
    assert result.shape == (SIZE, SIZE, 3)
    assert result.dtype == np.uint8
    assert set(np.unique(result)) <= ({77, 0} if mode == "pad" else {77})


@pytest.mark.parametrize("side", [2 * SIZE, 7 * SIZE, 10 * SIZE])
def test_shrinking_averages(side):
    board = (np.indices((side, side)).sum(0) % 2 * 255).astype(np.uint8)
    result = fit(np.dstack([board] * 3), SIZE)
    assert np.abs(result.astype(int) - 127).max() <= 3


def test_shrinking_agrees_with_pillow():
    for name in ("astronaut", "coffee", "rocket"):
        image = photo(name)
        for side in (150, 230, 380):
            other = Image.fromarray(image).resize((side, side), Image.Resampling.HAMMING)
            assert difference(fit(image, side, "squash"), np.asarray(other)) < 1


def test_a_picture_on_its_side_is_cropped_where_it_should_be(tmp_path):
    image = big("coffee")
    manifest = lay_out(tmp_path, {"a.jpg": image})
    (picture,) = manifest.pictures
    upright = Sampler(manifest, SIZE, augmentation=load("light", SIZE))
    # As a camera held on its side does: the file lies down, and its EXIF tag says turn it right.
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(np.rot90(image).copy())
    lying.save(tmp_path / picture.path, quality=95, exif=exif)
    turned = [upright.plain(0), *(upright.augmented(0, view) for view in range(4))]
    lay_out(tmp_path, {"a.jpg": image})
    straight = [upright.plain(0), *(upright.augmented(0, view) for view in range(4))]
    for one, other in zip(turned, straight, strict=True):
        assert difference(one, other) < one_pixel(other) * 0.3


def test_coarsest_never_gives_fewer_pixels_than_needed():
    assert coarsest(1000, 2000, 224) == 4
    assert coarsest(1792, 1792, 224) == 8
    assert coarsest(448, 448, 224) == 2
    assert coarsest(447, 9999, 224) == 1
    assert coarsest(20, 20, 224) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_plain_is_the_whole_picture_fitted(tmp_path, mode, name):
    image = photo("coffee")
    sampler = Sampler(lay_out(tmp_path, {name: image}), SIZE, mode)
    decoded = decode((tmp_path / "things" / name).read_bytes())
    assert np.array_equal(sampler.plain(0), fit(decoded, SIZE, mode))
    assert difference(sampler.plain(0), fit(image, SIZE, mode)) < 1.5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_a_crop_from_a_coarse_decode_is_the_crop_of_the_whole(tmp_path, mode, name):
    image = big(name)
    augmentation = load("light", SIZE)
    sampler = Sampler(lay_out(tmp_path, {"a.jpg": image}), SIZE, mode, augmentation, seed=4)
    whole = pad_to_square(image) if mode == "pad" else image
    rows, columns = whole.shape[:2]
    frame = (rows, columns) if mode == "crop" else (max(rows, columns),) * 2
    for view in range(6):
        key = {"seed": 4, "view": view, "index": 0}
        top, left, bottom, right = augmentation.box(*frame, **key)
        part = whole[
            round(top * rows) : round(bottom * rows), round(left * columns) : round(right * columns)
        ]
        expected = augmentation.apply(resize(part, SIZE, SIZE), **key)
        # Less than a pixel off: the crop's edges are rounded at the scale that was decoded.
        assert difference(sampler.augmented(0, view), expected) < one_pixel(expected) * 0.6
        assert difference(sampler.augmented(0, view + 1), expected) > one_pixel(expected)


def test_64_equal_pictures_give_64_different_augmentations(tmp_path):
    image = photo("chelsea")
    manifest = lay_out(tmp_path, {"a.jpg": image})
    manifest = replace(manifest, pictures=manifest.pictures * 64)
    sampler = Sampler(manifest, SIZE, augmentation=load("light", SIZE), seed=1)
    first = {sampler.augmented(i, 0).tobytes() for i in range(64)}
    second = {sampler.augmented(i, 1).tobytes() for i in range(64)}
    assert len(first | second) == 128
    other_seed = replace(sampler, seed=2)
    assert other_seed.augmented(0, 0).tobytes() not in first
    assert len({sampler.plain(i).tobytes() for i in range(64)}) == 1


@pytest.mark.parametrize("augmentation", [None, "none"])
def test_no_augmentation_is_the_plain_picture(tmp_path, augmentation):
    sampler = Sampler(
        lay_out(tmp_path, {"a.jpg": big("coffee")}),
        SIZE,
        augmentation=augmentation and load(augmentation, SIZE),
    )
    assert np.array_equal(sampler.augmented(0, 3), sampler.plain(0))


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("preset", [None, "none", "light"])
def test_augmentation_cannot_reach_other_parts(tmp_path, part, preset):
    sampler = Sampler(
        lay_out(tmp_path, {"a.jpg": photo("chelsea")}, split=part),
        SIZE,
        augmentation=preset and load(preset, SIZE),
    )
    assert sampler.plain(0).shape == (SIZE, SIZE, 3)
    with pytest.raises(DataError, match=f"things/a.jpg.*'{part}'"):
        sampler.augmented(0, 0)


def test_a_pipeline_of_ones_own_sees_the_whole_picture_and_is_fitted(tmp_path):
    image = big("coffee")
    path = pipeline_file(tmp_path, "    - {__class_fullname__: HorizontalFlip, p: 1}\n")
    manifest = lay_out(tmp_path, {"a.png": image})
    for mode in MODES:
        sampler = Sampler(manifest, SIZE, mode, load(path, SIZE))
        assert np.array_equal(sampler.augmented(0, 0), fit(image[:, ::-1], SIZE, mode))


def test_a_pipeline_that_fails_on_one_picture_says_on_which(tmp_path):
    path = pipeline_file(
        tmp_path, "    - {__class_fullname__: RandomCrop, height: 400, width: 400, p: 1}\n"
    )
    sampler = Sampler(
        lay_out(tmp_path, {"a.png": photo("chelsea")}), SIZE, augmentation=load(path, SIZE)
    )
    with pytest.raises(ConfigError, match=r"451x300(?s:.)*things/a\.png"):
        sampler.augmented(0, 0)


def test_a_file_that_is_gone_or_spoilt_is_named(tmp_path):
    manifest = lay_out(tmp_path, {"a.jpg": photo("chelsea"), "b.jpg": photo("chelsea")})
    sampler = Sampler(manifest, SIZE, augmentation=load("light", SIZE))
    (tmp_path / "things/a.jpg").unlink()
    (tmp_path / "things/b.jpg").write_bytes(b"")
    for index, name in enumerate(["things/a.jpg", "things/b.jpg"]):
        for read in (sampler.plain, lambda i: sampler.augmented(i, 0)):
            with pytest.raises(DataError, match=f"Can't read the picture '{name}'"):
                read(index)


def test_settings_that_do_not_fit_together_are_refused(tmp_path):
    manifest = lay_out(tmp_path, {"a.jpg": photo("chelsea")})
    with pytest.raises(ConfigError, match="made for 64 pixels"):
        Sampler(manifest, SIZE, augmentation=load("light", 64))
    with pytest.raises(ConfigError, match="negative"):
        Sampler(manifest, SIZE, seed=-1)
    with pytest.raises(ConfigError, match="did you mean 'crop'"):
        Sampler(manifest, SIZE, "corp")
