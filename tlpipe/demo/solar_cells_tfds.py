"""The solar cells as a data set of TFDS, made by a builder as any other."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from tlpipe.demo.solar_cells import CLASSES, Cell


class SolarCells(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """2,624 electroluminescence pictures of solar cells with their defect probability.

    Args:
        cells: the pictures.
        progress: takes (pictures done, pictures in all).
        kwargs: of every builder, such as ``data_dir`` and ``file_format``.
    """

    VERSION = tfds.core.Version("1.0.0")
    # Nothing is downloaded. To look for a file of checksums, TFDS 4.9.10 would import a package
    # that it does not declare.
    url_infos: ClassVar[dict] = {}

    def __init__(
        self,
        cells: Sequence[Cell] = (),
        progress: Callable[[int, int], None] | None = None,
        **kwargs: Any,
    ):
        self._cells, self._progress = cells, progress
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 1)),
            "label": tfds.features.ClassLabel(names=list(CLASSES)),
            "probability": np.float32,
            "file_name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            description="Electroluminescence pictures of solar cells, CC BY-NC-SA 4.0.",
            homepage="https://github.com/zae-bayern/elpv-dataset",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        """One split: who uses it divides it."""
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for done, cell in enumerate(self._cells, start=1):
            yield (
                cell.file.name,
                {
                    "image": cell.file,
                    "label": cell.label,
                    "probability": cell.probability,
                    "file_name": cell.file.name,
                },
            )
            if self._progress:
                self._progress(done, len(self._cells))


def prepare(
    cells: Sequence[Cell], folder: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write the data set to ``folder/solar_cells/1.0.0``, in the format array_record."""
    builder = SolarCells(cells, progress, data_dir=str(folder), file_format="array_record")
    downloads = folder / ".downloads"
    tfds.disable_progress_bar()
    # TFDS announces downloads, and there are none.
    with redirect_stdout(io.StringIO()):
        builder.download_and_prepare(download_dir=str(downloads))
    shutil.rmtree(downloads, ignore_errors=True)
