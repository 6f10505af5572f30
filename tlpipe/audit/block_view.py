"""``tlpipe explain --maps``: what a block of a run's network makes of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlpipe.artifact.classifier import Classifier, find_pictures
from tlpipe.audit.places import block_tensor
from tlpipe.audit.readable import read
from tlpipe.explain.feature_maps import draw
from tlpipe.explain.part import up_to

# The maps of a tensor near the picture take some megabytes each.
_BATCH = 8


@dataclass(frozen=True)
class Drawn:
    """What became of one file: the PNG written, or why it could not be read."""

    path: str
    target: Path | None
    error: str = ""


def draw_maps(
    classifier: Classifier,
    paths: Iterable[str | Path],
    block: str,
    out: Path,
    *,
    most: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> list[Drawn]:
    """Writes one PNG a picture: the picture and the feature maps of a block's last tensor.

    Args:
        classifier: the model.
        paths: pictures and folders of pictures.
        block: as ``tlpipe inspect RUN --blocks`` calls it.
        out: folder of the PNGs.
        most: channels shown, the strongest of each picture.
        progress: takes (done, total).

    Raises:
        BackboneError: no such block, or it has no feature maps.
        DataError: no picture was found.
    """
    part = up_to(classifier.model, block_tensor(classifier.model, block))
    files = find_pictures(paths)
    done: list[Drawn] = []
    for start in range(0, len(files), _BATCH):
        chunk = files[start : start + _BATCH]
        pictures, errors = read(classifier.metadata, chunk)
        maps = {}
        if pictures:
            batch = np.stack(list(pictures.values())).astype("float32")
            maps = dict(zip(pictures, np.asarray(part.predict_on_batch(batch)), strict=True))
        for number, file in enumerate(chunk):
            if number in errors:
                done.append(Drawn(str(file), None, errors[number]))
                continue
            # The number keeps files of one name in different folders apart.
            target = out / f"{len(done) + 1:04d}_{file.stem}_{block}.png"
            draw(target, pictures[number], maps[number], name=file.name, block=block, most=most)
            done.append(Drawn(str(file), target))
        if progress:
            progress(len(done), len(files))
    return done
