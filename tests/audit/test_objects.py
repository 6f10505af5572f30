"""Masks and boxes lie on the object in what the network sees, or are refused by name."""

import numpy as np
import pytest
from PIL import Image

from tests.data.odd_files import cat, encoded, put
from tlpipe.audit.given.objects import as_seen, read_objects
from tlpipe.data.folder import list_folder
from tlpipe.data.manifest import Manifest
from tlpipe.data.sample import Sampler
from tlpipe.data.scan import scan
from tlpipe.errors import DataError

SIZE = 48
# Left, top, right, bottom of something glaring in a dark photograph of 451 x 300 pixels.
GLARE = (150, 60, 280, 200)


def dark_cat():
    picture = cat() // 4
    left, top, right, bottom = GLARE
    picture[top:bottom, left:right] = 255
    return picture


def turned(picture):
    """A JPEG whose pixels lie on their side, and whose EXIF says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(np.rot90(picture).copy(), "JPEG", quality=95, exif=exif)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    put(root, "a/plain.png", encoded(dark_cat(), "PNG"))
    put(root, "a/turned.jpg", turned(dark_cat()))
    put(root, "b/other.png", encoded(cat(), "PNG"))
    return Manifest(root, tuple(scan(list_folder(root)).pictures))


def read(source, manifest, mode="crop", rows=(0, 1, 2)):
    return read_objects(source, manifest, np.array(rows), SIZE, mode)


def full_mask(dtype=np.uint8, value=255):
    mask = np.zeros((300, 451), dtype)
    left, top, right, bottom = GLARE
    mask[top:bottom, left:right] = value
    return mask


@pytest.mark.parametrize("mode", ["crop", "pad", "squash"])
@pytest.mark.parametrize("kind", ["masks", "small masks", "boxes"])
def test_the_object_lies_where_the_network_sees_it(manifest, tmp_path, mode, kind):
    if kind == "boxes":
        corners = ",".join(map(str, GLARE))
        source = tmp_path / "boxes.csv"
        source.write_text(f"path,x0,y0,x1,y1\na/plain.png,{corners}\na/turned.jpg,{corners}\n")
    else:
        source = tmp_path / "masks"
        size = (451, 300) if kind == "masks" else (150, 100)
        mask = Image.fromarray(full_mask()).resize(size, Image.Resampling.NEAREST)
        for name in ("plain", "turned"):
            put(source, f"a/{name}.png", encoded(mask, "PNG"))
    found = read(source, manifest, mode)
    assert (found.places.tolist(), found.unmarked, found.cut_off) == ([0, 1], 1, 0)
    places, masks = found.between(0, 3)
    sampler = Sampler(manifest, SIZE, mode)
    for place, mask in zip(places, masks, strict=True):
        bright = sampler.plain(int(place)).mean(axis=2) > 160
        both, either = (mask & bright).sum(), (mask | bright).sum()
        assert both / either > (0.93 if kind != "small masks" else 0.87)


def test_a_batch_gets_its_own_objects(manifest, tmp_path):
    put(tmp_path, "a/turned.png", encoded(full_mask(), "PNG"))
    found = read(tmp_path, manifest)
    assert found.between(0, 1)[1].shape == (0, SIZE, SIZE)
    places, masks = found.between(1, 3)
    assert places.tolist() == [1]
    assert masks.any()
    # The rows asked for are counted, not those of the manifest.
    assert read(tmp_path, manifest, rows=(1, 2)).places.tolist() == [0]


@pytest.mark.parametrize(
    "mask",
    [
        Image.fromarray(full_mask(np.uint16, 1)),
        Image.fromarray(full_mask() > 0),
        Image.fromarray(full_mask(value=1)),
        Image.fromarray(np.dstack([full_mask()] * 3)),
        Image.fromarray(np.dstack([full_mask(value=0)] * 2 + [full_mask()])).quantize(2),
        Image.fromarray(np.dstack([np.full((300, 451, 3), 9, np.uint8), full_mask()])),
    ],
    ids=["16 bits", "1 bit", "a level of 1", "RGB", "palette", "transparent elsewhere"],
)
def test_any_kind_of_mask_is_read_as_zero_or_not(manifest, tmp_path, mask):
    put(tmp_path / "kind", "a/plain.png", encoded(mask, "PNG"))
    put(tmp_path / "usual", "a/plain.png", encoded(full_mask(), "PNG"))
    kind, usual = (read(tmp_path / name, manifest).between(0, 3)[1] for name in ("kind", "usual"))
    assert np.array_equal(kind, usual)
    assert usual.any()


def test_pictures_without_an_object_and_objects_that_are_cut_off_are_counted(manifest, tmp_path):
    # 451 x 300 is cut to columns 75 to 375.
    source = tmp_path / "boxes.csv"
    source.write_text(
        "path,x0,y0,x1,y1\na/plain.png,0,0,70,300\nb/other.png,0,0,9,9\nb/other.png,200,90,210,99\n"
    )
    found = read(source, manifest)
    assert (found.places.tolist(), found.unmarked, found.cut_off) == ([2], 1, 1)
    found = read(source, manifest, "squash")
    assert (found.places.tolist(), found.unmarked, found.cut_off) == ([0, 2], 1, 0)
    put(tmp_path / "masks", "a/plain.png", encoded(full_mask(value=0), "PNG"))
    put(tmp_path / "masks", "b/other.png", encoded(full_mask(), "PNG"))
    found = read(tmp_path / "masks", manifest)
    assert (found.places.tolist(), found.unmarked, found.cut_off) == ([2], 2, 0)


def test_a_tiny_object_does_not_vanish():
    mask = np.zeros((300, 300), bool)
    mask[100, 200] = True
    seen = as_seen(mask, 300, 300, 30, "crop")
    assert np.argwhere(seen).tolist() == [[10, 20]]
    assert not as_seen(mask & False, 300, 300, 30, "crop").any()
    assert as_seen(~mask, 300, 300, 30, "crop").all()


@pytest.mark.parametrize("size", [(300, 300), (300, 451), (451, 280)])
def test_a_mask_of_another_shape_is_refused_by_name(manifest, tmp_path, size):
    put(tmp_path, "a/plain.png", encoded(Image.new("L", size, 255), "PNG"))
    with pytest.raises(DataError, match="not of its picture's shape") as caught:
        read(tmp_path, manifest)
    assert "a/plain.png" in str(caught.value)
    assert f"{size[0]} x {size[1]} pixels" in str(caught.value)
    assert "451 x 300" in str(caught.value)


def test_a_damaged_mask_and_an_empty_folder_are_refused_by_name(manifest, tmp_path):
    with pytest.raises(DataError, match="marks no object") as caught:
        read(tmp_path, manifest)
    assert f"there is no '{tmp_path / 'a/plain.png'}'" in str(caught.value)
    with pytest.raises(DataError, match="no folder of masks and no CSV"):
        read(tmp_path / "nowhere", manifest)
    put(tmp_path, "a/plain.png", encoded(full_mask(), "PNG")[:200])
    with pytest.raises(DataError, match=r"a/plain\.png' can't be read"):
        read(tmp_path, manifest)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ("10,10,10,50", "holds no pixel"),
        ("50,10,10,50", "holds no pixel"),
        ("500,10,600,50", "451 pixels wide"),
        ("0.1,0.2,0.4,0.4", "not in shares"),
        ("10,ten,20,20", "no number"),
        ("10,,20,20", "no number"),
    ],
)
def test_a_box_that_can_not_be_is_refused_with_its_line(manifest, tmp_path, box, words):
    source = tmp_path / "boxes.csv"
    source.write_text(f"path,x0,y0,x1,y1\nb/other.png,0,0,9,9\na/plain.png,{box}\n")
    with pytest.raises(DataError, match=words) as caught:
        read(source, manifest)
    assert "line 3" in str(caught.value)
    assert "a/plain.png" in str(caught.value)


def test_boxes_without_a_corner_column_are_refused(manifest, tmp_path):
    (tmp_path / "boxes.csv").write_text("path,x0,y0,x1\na/plain.png,0,0,9\n")
    with pytest.raises(DataError, match="no column 'y1'"):
        read(tmp_path / "boxes.csv", manifest)
