"""decode: every kind of picture becomes upright RGB; bad files give their cause."""

import re
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from tests.data.odd_files import bad_files, cat, encoded, overwritten, png_header
from tlpipe.data.decode import DecodeError, decode, inspect

GRAY = np.asarray(Image.fromarray(cat()).convert("L"))
GRAY_RGB = np.repeat(GRAY[..., None], 3, 2)


def size_of(data: bytes) -> tuple[int, int]:
    return inspect(data)[:2]


def apart(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    assert a.dtype == b.dtype == np.uint8
    return float(np.abs(a.astype(float) - b).mean())


@pytest.mark.parametrize(
    ("kind", "options", "most"),
    [
        ("JPEG", {"quality": 95}, 3),
        ("JPEG", {"quality": 95, "progressive": True}, 3),
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("GIF", {}, 4),
    ],
)
def test_every_format_gives_the_picture(kind, options, most):
    data = encoded(cat(), kind, **options)
    assert apart(decode(data), cat()) <= most
    assert size_of(data) == (451, 300)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_gray_and_one_bit(kind):
    assert apart(decode(encoded(GRAY, kind)), GRAY_RGB) == 0
    black_white = Image.fromarray(cat()).convert("1")
    assert apart(decode(encoded(black_white, kind)), np.array(black_white.convert("RGB"))) == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_palette(kind):
    palette = Image.fromarray(cat()).convert("P")
    assert apart(decode(encoded(palette, kind)), np.array(palette.convert("RGB"))) == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_over_white(kind, mode):
    alpha = np.full(GRAY.shape, 255, np.uint8)
    alpha[:100], alpha[100:200] = 0, 128
    image = Image.fromarray(cat()).convert(mode)
    image.putalpha(Image.fromarray(alpha))
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = decode(encoded(image, kind, **options))
    colour = GRAY_RGB if mode == "LA" else cat()
    share = alpha[..., None] / 255
    expected = np.rint(colour * share + 255 * (1 - share)).astype(np.uint8)
    assert apart(pixels, expected) < 0.6
    assert (pixels[:100] == 255).all()


def test_transparent_palette_entry_becomes_white():
    palette = Image.fromarray(cat()).convert("P")
    hidden = int(np.bincount(np.asarray(palette).ravel()).argmax())
    for kind in ("PNG", "GIF"):
        pixels = decode(encoded(palette, kind, transparency=hidden))
        where = np.asarray(palette) == hidden
        assert (pixels[where] == 255).all()
        assert apart(pixels[~where], np.array(palette.convert("RGB"))[~where]) == 0


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bits_are_scaled(extension):
    gray = cv2.imencode(extension, GRAY.astype(np.uint16) * 257)[1].tobytes()
    assert apart(decode(gray), GRAY_RGB) == 0
    colour = cv2.imencode(extension, cat()[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    assert apart(decode(colour), cat()) == 0


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind):
    data = encoded(Image.fromarray(cat()).convert("CMYK"), kind)
    assert apart(decode(data), cat()) < 3
    assert apart(inspect(data).pixels, cat()) < 3


def test_the_first_picture_of_an_animation():
    frames = [Image.fromarray(cat()[::-1].copy())]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        data = encoded(cat(), kind, save_all=True, append_images=frames)
        assert apart(decode(data), cat()) < 4
        assert size_of(data) == (451, 300)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    data = encoded(cat(), kind, exif=exif, **options)
    tagged = Image.fromarray(cat())
    tagged.getexif()[0x0112] = orientation
    upright = np.array(ImageOps.exif_transpose(tagged))
    assert apart(decode(data), upright) < 3
    found = inspect(data)
    assert (found.width, found.height) == (upright.shape[1], upright.shape[0])
    size = (found.pixels.shape[1], found.pixels.shape[0])
    assert apart(found.pixels, cv2.resize(upright, size, interpolation=cv2.INTER_AREA)) < 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("block", [b"Exif\0\0garbage, and no TIFF", b"Exif\0\0II*"])
def test_a_broken_exif_block_leaves_the_picture_whole(kind, block):
    # With a density in JFIF's own header Pillow does not look for one in EXIF.
    data = encoded(cat(), kind, exif=block, dpi=(72, 72))
    assert block[6:] in data
    assert size_of(data) == (451, 300)
    assert apart(decode(data), cat()) < 12


def entry(tag, kind, count, value):
    """A directory entry of EXIF, which is TIFF's."""
    return struct.pack("<HHI4s", tag, kind, count, value)


@pytest.mark.parametrize(
    "odd",
    [
        entry(0x0100, 2, 4, b"odd\0"),
        entry(0x0100, 9, 1, struct.pack("<i", -1)),
        entry(0x011A, 2, 4, b"odd\0"),
    ],
)
def test_an_odd_tag_beside_the_orientation_leaves_the_picture_whole(odd):
    entries = sorted([odd, entry(0x0112, 3, 1, b"\6\0\0\0")])
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + b"".join(entries) + bytes(4)
    transparent = np.dstack([cat(), np.full(cat().shape[:2], 255, np.uint8)])
    data = encoded(transparent, "PNG", exif=exif)
    assert apart(decode(data), np.rot90(cat(), -1)) == 0


@pytest.mark.parametrize("reduce", [2, 4, 8])
def test_reduced_jpeg_is_the_same_picture_smaller(reduce):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(cat()[:296, :448].copy(), "JPEG", quality=95, exif=exif)
    whole, small = decode(data), decode(data, reduce=reduce)
    assert small.shape[:2] == tuple(side // reduce for side in whole.shape[:2])
    size = (small.shape[1], small.shape[0])
    assert apart(small, cv2.resize(whole, size, interpolation=cv2.INTER_AREA)) < 4


_AT_SCALE = {
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_COLOR_RGB,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_COLOR_RGB,
}


@pytest.mark.parametrize("reduce", _AT_SCALE)
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "gray"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_has_the_pixels_that_opencv_gives_it(reduce, subsampling, progressive):
    gray = subsampling == "gray"
    options = {} if gray else {"subsampling": subsampling}
    data = encoded(GRAY if gray else cat(), "JPEG", progressive=progressive, **options)
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), _AT_SCALE[reduce])
    assert np.array_equal(decode(data, reduce), theirs)


def segments(*between: bytes) -> bytes:
    """A JPEG of the cat with these bytes behind its first marker."""
    data = encoded(cat(), "JPEG", quality=95)
    return data[:2] + b"".join(between) + data[2:]


def test_the_orientation_is_found_behind_other_segments():
    exif = Image.Exif()
    exif[0x0112] = 6
    block = exif.tobytes()
    exif = b"\xff\xe1" + (len(block) + 2).to_bytes(2) + block
    # One that only looks like it, inside a comment.
    comment = b"\xff\xfe\x00\x10\xff\xe1\x00\x0aExif\0\0abcd"
    turned = np.rot90(cat(), -1)
    assert apart(decode(segments(comment, exif)), turned) < 3
    assert apart(decode(segments(comment)), cat()) < 3
    # A marker may be preceded by any number of 0xff.
    assert apart(decode(segments(b"\xff\xff", exif)), turned) < 3


def test_a_jpeg_that_ends_in_its_header_is_an_error():
    data = encoded(cat(), "JPEG")
    header = data[: data.index(b"\xff\xda") + 1]
    with pytest.raises(DecodeError, match="corrupt JPEG"):
        decode(header)


def test_an_odd_size_reduces_upwards():
    assert decode(encoded(cat(), "JPEG"), reduce=8).shape == (38, 57, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_in_xmp_alone_turns_neither_the_pixels_nor_the_size(kind):
    """As OpenCV and browsers have it: the two must agree."""
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
        b'syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        b'tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    if kind == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        data = encoded(cat(), kind, pnginfo=info)
    else:
        data = encoded(cat(), kind, xmp=xmp)
    assert b"Orientation" in data
    assert size_of(data) == (451, 300)
    assert decode(data).shape == (300, 451, 3)


def test_reduce_leaves_other_formats_whole():
    assert decode(encoded(cat(), "PNG"), reduce=8).shape == cat().shape


@pytest.mark.parametrize("name", bad_files())
def test_bad_files_name_their_cause(name):
    data, words = bad_files()[name]
    with pytest.raises(DecodeError, match=re.escape(words)):
        size_of(data)


def test_truncation_is_never_decoded_to_part_of_a_picture():
    for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"):
        data = encoded(cat(), kind)
        for share in (0.01, 0.3, 0.9):
            for read in (decode, inspect):
                with pytest.raises(DecodeError):
                    read(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(1000), "nothing but zero bytes"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"\xff\xd8\xff\xe0", "corrupt JPEG"),
        (png_header(0, 10), "PNG"),
        (png_header(14_000, 13_500), "too large"),
        (encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "32-bit"),
    ],
)
def test_other_causes(data, words):
    for read in (decode, inspect):
        with pytest.raises(DecodeError, match=words):
            read(data)


def test_padding_does_not_condemn_a_whole_jpeg():
    data = encoded(cat(), "JPEG", quality=90)
    scan = data.find(b"\xff\xda")
    for whole in (
        data[:-2] + bytes(300) + data[-2:],
        data[:scan] + b"123" + data[scan:],
        data + b"appended by a camera",
    ):
        assert size_of(whole) == (451, 300)
        assert apart(decode(whole), decode(data)) == 0


def test_zeroed_picture_data_is_not_taken_for_padding():
    data = encoded(cat(), "JPEG", quality=90)
    for start in (0.3, 0.6, 0.9):
        length = len(data) - int(len(data) * start) - 2
        with pytest.raises(DecodeError):
            size_of(overwritten(data, start, length))


def test_most_damage_inside_a_jpeg_is_caught():
    data = encoded(cat(), "JPEG", quality=90)
    caught = 0
    for seed in range(40):
        start = 0.1 + 0.8 * seed / 40
        try:
            size_of(overwritten(data, start, 256, seed=seed))
        except DecodeError:
            caught += 1
    assert caught >= 38
