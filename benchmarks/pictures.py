"""Pictures to measure on: real ones, varied or linked until there are enough."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

CLASSES = ("one", "two", "three", "four")


def few_cells(folder: Path, per_class: int) -> None:
    """Copies the first ``per_class`` solar cells of each class of the demo."""
    from tlpipe.demo import lay_out

    with tempfile.TemporaryDirectory() as place:
        lay_out("solar-cells", Path(place) / "all")
        for label in filter(Path.is_dir, (Path(place) / "all").iterdir()):
            (folder / label.name).mkdir(parents=True)
            for picture in sorted(label.iterdir())[:per_class]:
                shutil.copy(picture, folder / label.name)


def photographs(folder: Path, count: int, width: int, height: int, *, grid: int, seed: int) -> None:
    """Writes ``folder/CLASS/*.jpg`` of quality 90, no two alike.

    A picture is a grid of crops of scikit-learn's two photographs (640x427), each scaled, mirrored
    and tinted at random. Crops are hardly enlarged, so that a file has about as many bytes a pixel,
    and takes as long to decode, as a photograph of that size.
    """
    from sklearn.datasets import load_sample_images

    sources = load_sample_images().images

    def tile(random: np.random.Generator) -> np.ndarray:
        source = sources[random.integers(len(sources))]
        rows, columns = (int(side * random.uniform(0.7, 1)) for side in source.shape[:2])
        top = random.integers(source.shape[0] - rows + 1)
        left = random.integers(source.shape[1] - columns + 1)
        crop = source[top : top + rows, left : left + columns]
        crop = cv2.resize(crop, (width // grid, height // grid), interpolation=cv2.INTER_AREA)
        crop = crop * random.uniform(0.8, 1.2, 3) + random.uniform(-15, 15)
        return np.clip(crop[:, :: random.choice([-1, 1])], 0, 255).astype(np.uint8)

    def write(number: int) -> None:
        random = np.random.default_rng([seed, number])
        image = np.vstack(
            [np.hstack([tile(random) for _ in range(grid)]) for _ in range(grid)],
        )
        path = folder / CLASSES[number % len(CLASSES)] / f"{number:05}.jpg"
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 90])

    for name in CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(count)))


def real(folder: Path, count: int) -> list[Path]:
    """``count`` solar cells of the demo in class folders; photographs without its wheel."""
    if find_spec("elpv_dataset"):
        from tlpipe.demo import lay_out

        lay_out("solar-cells", folder)
    else:
        photographs(folder, count, 500, 375, grid=1, seed=0)
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    chosen = np.random.default_rng(0).choice(len(files), min(count, len(files)), replace=False)
    return [files[i] for i in sorted(chosen)]


def linked(files: list[Path], folder: Path, count: int) -> None:
    """Makes ``count`` pictures ``folder/CLASS/*`` that are links to ``files``, each in its turn."""
    for name in {path.parent.name for path in files}:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        source = files[number % len(files)]
        link = folder / source.parent.name / f"{number:07}{source.suffix}"
        link.symlink_to(source.absolute())
