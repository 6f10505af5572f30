from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import albumentations as A
import numpy as np
import pytest

from tests.data.photos import photo
from tlpipe.data.augment import load
from tlpipe.data.presets import PRESETS
from tlpipe.data.resize import fit
from tlpipe.errors import ConfigError

SIZE = 64
EXAMPLE = Path(__file__).parents[2] / "pipelines" / "augment_example.yaml"


def write(path: Path, *transforms: dict) -> Path:
    document = {
        "__version__": "2.0.8",
        "transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": list(transforms)},
    }
    path.write_text(json.dumps(document))
    return path


def op(name: str, p: float = 0.5, **arguments) -> dict:
    return {"__class_fullname__": name, "p": p, **arguments}


def cat() -> np.ndarray:
    return fit(photo("chelsea"), SIZE)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_gives_a_picture_of_the_asked_size(name):
    augmentation = load(name, SIZE)
    result = augmentation.apply(cat(), seed=1, view=0, index=0)
    assert result.dtype == np.uint8
    assert result.shape == (SIZE, SIZE, 3)
    assert augmentation.is_none == (name == "none")
    assert augmentation.crops_first == (name != "none")


@pytest.mark.parametrize("name", ["medium", "strong"])
def test_equal_pictures_get_different_augmentations(name):
    augmentation, image = load(name, SIZE), cat()
    whole = [
        (augmentation.box(300, 451, **key), augmentation.apply(image, **key).tobytes())
        for key in [{"seed": 1, "view": v, "index": i} for v in range(2) for i in range(64)]
    ]
    assert len({box for box, _ in whole}) == 128
    assert len(set(whole)) == 128


def test_seed_view_and_index_each_matter_and_nothing_else_does():
    augmentation, image = load("strong", SIZE), cat()
    before = augmentation.apply(image, seed=1, view=2, index=3)
    np.random.seed(5)
    assert np.array_equal(before, augmentation.apply(image, seed=1, view=2, index=3))
    for key in ({"seed": 2, "view": 2, "index": 3}, {"seed": 1, "view": 3, "index": 3}):
        assert not np.array_equal(before, augmentation.apply(image, **key))
    # Whoever counts the pictures with NumPy gets the same.
    key = {"seed": 1, "view": np.int32(2), "index": np.int64(3)}
    assert np.array_equal(before, augmentation.apply(image, **key))
    boxes = {augmentation.box(90, 90, seed=s, view=v, index=0) for s in (0, 1) for v in (0, 1)}
    assert len(boxes) == 4


def chi_square(one: np.ndarray, other: np.ndarray) -> float:
    table = np.histogram2d(one, other, bins=2)[0]
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    return float(((table - expected) ** 2 / expected).sum())


def test_flips_and_colour_are_independent_of_one_another(tmp_path):
    path = write(
        tmp_path / "mine.json",
        op("HorizontalFlip"),
        op("VerticalFlip"),
        op("ToGray"),
        {**op("OneOf"), "transforms": [op("InvertImg", p=1.0)]},
    )
    augmentation = load(path, SIZE)
    image = np.zeros((8, 8, 3), np.uint8)
    image[0, 0] = (200, 40, 0)
    fired = []
    for index in range(400):
        result = augmentation.apply(image, seed=11, view=0, index=index)
        inverted = bool(np.median(result) > 127)
        marks = np.abs(result.astype(int) - (255 if inverted else 0))
        y, x = np.argwhere(marks.sum(-1))[0]
        fired.append((x == 7, y == 7, np.ptp(marks[y, x]) == 0, inverted))
    columns = np.array(fired).T
    assert all(160 <= column.sum() <= 240 for column in columns)
    # 10.8 is passed once in a thousand by independent choices; the draws are seeded.
    for one in range(4):
        for other in range(one):
            assert chi_square(columns[one], columns[other]) < 10.8


def test_the_same_bytes_on_any_thread_and_in_any_order():
    augmentation, image = load("strong", SIZE), cat()

    def one(index: int) -> bytes:
        return augmentation.apply(image.copy(), seed=3, view=1, index=index).tobytes()

    alone = [one(index) for index in range(60)]
    with ThreadPoolExecutor(8) as pool:
        backwards = list(pool.map(one, reversed(range(60))))
    assert backwards[::-1] == alone


def test_what_is_described_can_be_loaded_again(tmp_path):
    augmentation = load("strong", SIZE, 1.5)
    told = json.loads(json.dumps(augmentation.describe()))
    assert (told["name"], told["size"], told["strength"]) == ("strong", SIZE, 1.5)
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(told["pipeline"]))
    saved = load(path, SIZE)
    assert saved.describe()["pipeline"] == told["pipeline"]
    assert saved.apply(photo("chelsea"), seed=0, view=0, index=0).shape == (SIZE, SIZE, 3)


def test_the_digest_changes_with_what_is_done_only(tmp_path):
    one, other = (write(tmp_path / f"{name}.json", op("HorizontalFlip")) for name in "ab")
    assert load(one, SIZE).digest == load(other, SIZE).digest
    different = [
        load(write(tmp_path / "c.json", op("HorizontalFlip", p=0.4)), SIZE),
        *(load(one, 32), load("light", SIZE), load("light", SIZE, 0.5), load("medium", SIZE)),
    ]
    assert len({load(one, SIZE).digest, *(a.digest for a in different)}) == 6


@pytest.mark.parametrize("shape", [(300, 300), (300, 451), (900, 160)])
def test_crops_of_wide_pictures_are_as_varied_as_those_of_square_ones(shape):
    augmentation = load("light", SIZE)
    boxes = np.array([augmentation.box(*shape, seed=1, view=v, index=0) for v in range(400)])
    assert len(np.unique(boxes, axis=0)) > 395
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    rows, columns = (boxes[:, 2:] - boxes[:, :2]).T * np.array([shape]).T
    shares = rows * columns / min(shape) ** 2
    assert 0.69 < shares.min() < 0.72
    assert 0.95 < shares.max() <= 1
    assert 0.74 < (columns / rows).min() < 0.85
    assert 1.18 < (columns / rows).max() < 1.35
    # Every place of the picture is reached.
    assert boxes[:, :2].min(0).max() < 0.02
    assert boxes[:, 2:].max(0).min() > 0.98


def test_strength_scales_the_ranges():
    def change(strength: float) -> float:
        augmentation, image = load("light", SIZE, strength), cat()
        views = [augmentation.apply(image, seed=0, view=v, index=0) for v in range(40)]
        means = [abs(view.mean() - image.mean()) for view in views]
        return float(np.mean(means))

    assert change(0.2) < change(1.0) < change(2.0)
    for wrong in (0, -1, 2.5, float("nan")):
        with pytest.raises(ConfigError, match="out of range"):
            load("light", SIZE, wrong)


def test_the_example_covers_what_the_presets_do_and_loads():
    augmentation = load(str(EXAMPLE), SIZE)
    text = EXAMPLE.read_text()
    for name in (
        *("RandomResizedCrop", "HorizontalFlip", "VerticalFlip", "Affine", "translate_percent"),
        *("rotate", "scale", "ColorJitter", "ToGray", "GaussNoise"),
    ):
        assert name in json.dumps(augmentation.describe())
        assert name in text
    image = cat()
    assert len({augmentation.apply(image, seed=0, view=v, index=0).tobytes() for v in range(9)}) > 5


def test_a_pipeline_saved_by_albumentations_in_yaml(tmp_path):
    path = tmp_path / "mine.yaml"
    A.save(A.Compose([A.RandomCrop(40, 40, p=1.0), A.Transpose(p=1.0)]), path, data_format="yaml")
    augmentation = load(path, SIZE)
    assert not augmentation.crops_first
    assert augmentation.apply(photo("chelsea"), seed=0, view=0, index=0).shape == (40, 40, 3)


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (op("GaussNoise", var_limit=[10, 50]), ["var_limit", "GaussNoise"]),
        (op("HorizontalFlip", always_apply=True), ["always_apply", "HorizontalFlip"]),
        (op("Affine", rotate="fast"), ["rotate", "Affine"]),
        (op("HorizontalFlipp"), ["did you mean 'HorizontalFlip'"]),
        ({"__class_fullname__": "RandomCrop", "height": 9, "width": 9}, ["no 'p'", "RandomCrop"]),
        (op("Normalize", p=1.0), ["8 bits", "float32"]),
        (op("RandomCrop", p=1.0, height=5000, width=9), ["fails", "1024x768", "pad_if_needed"]),
        ({**op("OneOf"), "transforms": [op("GaussNoise", mean=0)]}, ["'mean'", "GaussNoise"]),
        ({**op("SomeOf", n=1), "transform": []}, ["SomeOf", "no list"]),
        ("HorizontalFlip", ["__class_fullname__"]),
    ],
)
def test_a_wrong_pipeline_is_an_error_that_names_the_fault(tmp_path, transform, words):
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path / "mine.json", transform), SIZE)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_transform_with_a_random_state_of_its_own_is_refused(tmp_path):
    class Unrepeatable(A.ImageOnlyTransform):
        def apply(self, img, **_):
            return np.random.default_rng().integers(0, 256, img.shape, dtype=np.uint8)

    name = Unrepeatable.get_class_fullname()
    with pytest.raises(ConfigError, match="can't be repeated"):
        load(write(tmp_path / "mine.json", op(name, p=1.0)), SIZE)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '"text"', "transform: 3", "a: [b"])
@pytest.mark.parametrize("suffix", ["json", "yml"])
def test_a_file_that_is_no_pipeline(tmp_path, content, suffix):
    path = tmp_path / f"mine.{suffix}"
    path.write_text(content)
    with pytest.raises(ConfigError, match=path.name):
        load(str(path), SIZE)


def test_unknown_names_and_missing_files(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'medium'"):
        load("mediun", SIZE)
    with pytest.raises(ConfigError, match=r"gone\.json"):
        load(str(tmp_path / "gone.json"), SIZE)
    with pytest.raises(ConfigError, match="presets only"):
        load(EXAMPLE, SIZE, strength=0.5)


GUARD = """
import os, socket
def refuse(*_, **__):
    os._exit(3)
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
"""


@pytest.mark.parametrize(
    ("module", "status"),
    # The last row shows that the guard works: albumentations alone does ask the network.
    [("tlpipe.data.presets", 0), ("tlpipe.data.pipeline_file", 0), ("albumentations", 3)],
)
def test_nothing_of_the_network_at_import(module, status):
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    code = f"{GUARD}\nimport {module}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, timeout=120)
    assert done.returncode == status
