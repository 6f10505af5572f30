"""The bytes of a picture file become uint8 RGB, or a cause in plain words.

simplejpeg and, for other formats, OpenCV are fastest and are used wherever they were measured to be
right. Pillow reads the rest: CMYK, transparency, 16-bit gray, TIFF, GIF. Colour profiles are not
applied; of an animation or a multi-page file the first picture is read.
"""

from __future__ import annotations

import codecs
import io
import re
import warnings
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 178_000_000
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")

# The pictures are spread over threads already: OpenCV's own cost 25 % more CPU for nothing.
cv2.setNumThreads(0)
# Both libraries would write about bad files into the progress bar. Our exceptions say it instead.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
warnings.filterwarnings("ignore", module=r"PIL\.")

_PLAIN_JPEG = {"L", "RGB"}
_FAST_MODES = {
    "PNG": {"1", "L", "P", "RGB"},
    "BMP": {"1", "L", "P", "RGB"},
    "WEBP": {"RGB"},
}
# The first bytes of what people most often take for a picture we can read.
_KNOWN = (
    (b"\xff\xd8", "corrupt JPEG: the header can't be read"),
    (b"\x89PNG\r\n\x1a\n", "corrupt PNG: the header can't be read"),
    (b"GIF8", "corrupt GIF: the header can't be read"),
    (b"BM", "corrupt BMP: the header can't be read"),
    (b"II*\0", "truncated, corrupt or unsupported TIFF: the header can't be read"),
    (b"MM\0*", "truncated, corrupt or unsupported TIFF: the header can't be read"),
    (b"%PDF", "a PDF file, not a picture"),
    (b"PK\x03\x04", "a ZIP archive, not a picture"),
    (b"8BPS", "a Photoshop file: this format is not supported"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture: this format is not supported"),
    (b"\xff\x0a", "a JPEG XL picture: this format is not supported"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture: this format is not supported"),
    (b"version https://git-lfs", "a Git LFS pointer: the picture was not downloaded"),
)
_STRICT_SIDE = 128
Deep = Callable[[np.ndarray], np.ndarray]


class DecodeError(Exception):
    """A file that is no whole picture; the message is the cause in plain words."""


class Inspection(NamedTuple):
    """What a strict look at a file gives.

    Attributes:
        width: pixels, as displayed (EXIF orientation applied).
        height: pixels, as displayed.
        pixels: uint8 (h, w, 3) RGB; a JPEG may be scaled down, its short side to 128 at least.
    """

    width: int
    height: int
    pixels: np.ndarray


def upper_byte(samples: np.ndarray) -> np.ndarray:
    """Gray samples beyond 8 bits as uint8: of 16 bits the upper 8. Raises DecodeError."""
    if samples.dtype.itemsize != 2:
        raise DecodeError(
            "32-bit samples, whose range is not known: say which become 0 and 255 "
            "(--set scan.low=0 --set scan.high=10000, for instance), or save it with 8 or 16 bits"
        )
    return (samples >> 8).astype(np.uint8)


def decode(data: bytes, reduce: int = 1, deep: Deep = upper_byte) -> np.ndarray:
    """Decode a picture file to uint8 (H, W, 3) RGB, upright, transparency laid over white.

    Args:
        data: the whole file.
        reduce: 1, 2, 4 or 8. A JPEG is decoded at that fraction of its size, which saves time;
            other formats, and rare kinds of JPEG, come at full size.
        deep: what becomes of samples beyond 8 bits; those of colours keep their upper byte when it
            is ``upper_byte``.

    Raises:
        DecodeError: not a picture, an unsupported kind, damaged, or above 178 million pixels.
            Damage inside a JPEG may pass here: ``inspect`` is the strict one.
    """
    if data.startswith(b"\xff\xd8") and (pixels := _plain_jpeg(data, reduce)) is not None:
        return pixels
    image = _open(data)
    if _opencv_is_right(image) and (deep is upper_byte or not _has_deep_colours(image, data)):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if pixels is not None:
            return pixels
    return _pillow(image, data, deep)


def inspect(data: bytes, deep: Deep = upper_byte) -> Inspection:
    """Decode strictly: every byte of the picture has been read, and damage is an error.

    Raises:
        DecodeError: not a picture, an unsupported kind, truncated, corrupt, or too large.
    """
    image = _open(data)
    kind = _kind(image)
    pixels = _strict_jpeg(data) if kind == "JPEG" else None
    if pixels is None or image.mode not in _PLAIN_JPEG:
        pixels = _pillow(image, data, deep)
        return Inspection(pixels.shape[1], pixels.shape[0], pixels)
    width, height = image.size
    orientation = _orientation(image)
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    return Inspection(width, height, _upright(pixels, orientation))


def _open(data: bytes) -> Image.Image:
    """Read the header only."""
    if not data:
        raise DecodeError("empty file")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        pixels = int(re.search(r"\d+", str(error))[0])
        raise DecodeError(_too_large(f"{pixels / 1e6:,.0f} million pixels")) from error
    except UnidentifiedImageError as error:
        raise DecodeError(_what_it_is(data)) from error
    except Exception as error:  # a hostile header can make a parser raise anything
        raise DecodeError(f"{_what_it_is(data)} ({error})") from error
    width, height = image.size
    if width < 1 or height < 1:
        raise DecodeError(f"no pixels: the header says {width} x {height}")
    if width * height > MAX_PIXELS:
        raise DecodeError(_too_large(f"{width:,} x {height:,} pixels"))
    return image


def _too_large(size: str) -> str:
    return f"too large: {size}, the limit is {MAX_PIXELS // 10**6} million"


def _kind(image: Image.Image) -> str:
    # Phones append further pictures to a JPEG, and Pillow calls that MPO.
    return "JPEG" if image.format == "MPO" else image.format


def _opencv_is_right(image: Image.Image) -> bool:
    if image.mode not in _FAST_MODES.get(image.format, ()):
        return False
    # libpng writes a warning to the terminal at every decode of an odd colour profile.
    return image.format != "PNG" or not ({"transparency", "icc_profile"} & image.info.keys())


def _orientation(image: Image.Image) -> int:
    """Tag 0x0112 of EXIF; 1, which is upright, where there is none or it can't be read."""
    # Pillow would take it from XMP where EXIF has none; OpenCV and browsers do not.
    for key in ("xmp", "XML:com.adobe.xmp"):
        image.info.pop(key, None)
    # Not Pillow's own, which may have looked into XMP when the file was opened.
    if "exif" in image.info:
        return _exif_orientation(image.info["exif"])
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # a damaged block can make the parser raise anything, and no pixel is in it
        return 1


def _exif_orientation(block: bytes) -> int:
    exif = Image.Exif()
    try:
        exif.load(block)
        return exif.get(0x0112, 1)
    except Exception:  # a damaged block can make the parser raise anything, and no pixel is in it
        return 1


def _pillow(image: Image.Image, data: bytes, deep: Deep) -> np.ndarray:
    kind = _kind(image)
    try:
        image.load()
        # Pillow's own turning writes the block anew, and fails where another tag in it is odd.
        orientation = _orientation(image)
        if image.mode.startswith("I;16") or image.mode in ("I", "F"):
            gray = deep(np.asarray(image))
            return _upright(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), orientation)
        if deep is not upper_byte and _has_deep_colours(image, data):
            return _upright(_deep_colours(data, deep, image.mode == "RGBA"), orientation)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return _upright(np.array(image.convert("RGB")), orientation)
    except (DecodeError, MemoryError):
        raise
    except Exception as error:  # a damaged file can make a codec raise anything
        raise DecodeError(_damage(kind, str(error))) from error


def _has_deep_colours(image: Image.Image, data: bytes) -> bool:
    """Whether the file has colours of 16 bits, of which Pillow keeps the upper byte."""
    if image.mode not in ("RGB", "RGBA"):
        return False
    if image.format == "PNG":
        return data[24] == 16
    return image.format == "TIFF" and 16 in image.tag_v2.get(258, ())


def _deep_colours(data: bytes, deep: Deep, transparent: bool) -> np.ndarray:
    wide = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if wide is None or wide.dtype != np.uint16 or wide.ndim != 3:
        raise DecodeError("colours of 16 bits in a form that can't be read: save it as a plain PNG")
    pixels = deep(wide[..., 2::-1])
    # Else a fourth band, if there is one, is something else: near infrared, for instance.
    if transparent and wide.shape[2] == 4:
        opaque = wide[..., 3:].astype(np.float32) / 65535
        pixels = np.rint(255 + opaque * (pixels.astype(np.float32) - 255)).astype(np.uint8)
    return pixels


def _plain_jpeg(data: bytes, reduce: int) -> np.ndarray | None:
    """Decode a whole JPEG of an ordinary kind; None when it is none, and Pillow has the word.

    Its header is read in a twentieth of Pillow's time. OpenCV's decoder, whose pixels are the same,
    asks for memory and gives it back at every picture, which can take as long as the decoding.
    """
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in ("Gray", "YCbCr", "RGB") or not 0 < height * width <= MAX_PIXELS:
            return None
        orientation = _jpeg_orientation(data)
        if orientation is None:
            return None
        least = {"min_height": -(-height // reduce), "min_width": -(-width // reduce)}
        return _upright(simplejpeg.decode_jpeg(data, "RGB", **least), orientation)
    except ValueError:
        return None


def _jpeg_orientation(data: bytes) -> int | None:
    """What the segments before the picture data say; None where they can't be followed."""
    at = 2
    while (marker := data[at : at + 2]) not in (b"\xff\xda", b"\xff\xff"):
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker[:1] != b"\xff":
            return None
        if marker == b"\xff\xe1" and data[at + 4 : at + 10] == b"Exif\0\0":
            return _exif_orientation(data[at + 4 : end])
        at = end
    return 1 if marker == b"\xff\xda" else None


def _strict_jpeg(data: bytes) -> np.ndarray | None:
    """Decode by libjpeg-turbo with its warnings taken seriously; None when it has no say.

    The scaled decode still reads every coefficient, so nothing escapes that a full one would see.
    """
    try:
        return simplejpeg.decode_jpeg(
            data, "RGB", min_height=_STRICT_SIDE, min_width=_STRICT_SIDE, strict=True
        )
    except ValueError as error:
        message = str(error)
    if "subsampling" in message or _harmless(message, data):
        return None
    raise DecodeError(_damage("JPEG", message))


def _harmless(message: str, data: bytes) -> bool:
    """Whether 'N extraneous bytes before marker M' leaves the picture whole.

    It does in front of the picture data, and it does at its end when the bytes are mere padding.
    The same words mean damage when they are leftover picture data: the decoder lost its way.
    """
    found = re.search(r"(\d+) extraneous bytes before marker 0x(\w\w)", message)
    if not found:
        return False
    if found[2] != "d9":
        try:
            simplejpeg.decode_jpeg_header(data)
        except ValueError as error:
            return str(error) == message
        return False
    count = int(found[1])
    end = data.find(b"\xff\xd9", data.find(b"\xff\xda"))
    before = data[:end]
    padding = len(before) - len(before.rstrip(before[-1:]))
    # The decoder's bit buffer swallows up to 8 bytes. Were more swallowed, they stood for picture
    # data that has been overwritten.
    return count <= padding <= count + 8


def _damage(kind: str, message: str) -> str:
    short = re.search(r"truncat|premature end of jpeg|not enough|unexpected end", message, re.I)
    message = message.removeprefix("Corrupt JPEG data: ") or "it can't be decoded"
    return f"{'truncated' if short else 'corrupt'} {kind}: {message}"


def _what_it_is(data: bytes) -> str:
    for magic, cause in _KNOWN:
        if data.startswith(magic):
            return cause
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        short = len(data) < int.from_bytes(data[4:8], "little") + 8
        return f"{'truncated' if short else 'corrupt'} WEBP: the header can't be read"
    if data[4:8] == b"ftyp":
        brand = data[8:12].decode("latin-1").strip()
        return f"a picture or film of the kind {brand!r} (HEIC, AVIF, MP4): not supported"
    if not data.strip(b"\0"):
        return "not an image: nothing but zero bytes"
    try:
        # Incremental: the last letter may be cut in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(data[:200]).strip()[:24]
        if text and (line := text.splitlines()[0]).isprintable():
            return f"not an image: begins with {line!r}"
    except UnicodeDecodeError:
        return f"not an image: begins with the bytes {data[:8].hex(' ')}"
    return f"not an image: begins with the bytes {data[:8].hex(' ')}"


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation (tag 0x0112, 1..8); other values leave the picture as it is."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
