"""Artefacts planted in real pictures: does the report's search for shortcuts find them?

    python benchmarks/shortcuts.py                       # both data sets, frozen: about an hour
    python benchmarks/shortcuts.py --finetuned           # networks that tlpipe fine-tuned
    python benchmarks/shortcuts.py --data solar-cells --only clean,logo --pictures 600

Six artefacts (a logo in a corner, a line of text with a changing date, a coloured frame, a logo at
changing places, a faint watermark over the whole picture, 30 levels more brightness), each in a
variant of its own, in 90 % of the pictures of one class; the classes of 60 pictures or more take
turns, the largest first: of a smaller one too few are held out to confirm anything.
The same share of the class's validation and test pictures has it, as with a shortcut in data that
were collected that way: a held-out score does not show it. Three variants of each data set are
clean. An alarm is a red finding; one that names another class than the planted one is false. A
planted artefact that the network does not use is no shortcut: the report names it as information,
which is counted in a column of its own.

The network of the quick way is EfficientNet-Lite0, frozen, with a logistic regression on its pooled
features written into tlpipe's own head; with --finetuned it is what `tlpipe finetune` makes in 4
and 4 epochs. Both data sets are cut to squares first, so that no artefact is cropped away, and
saved as PNG. The limits on the model's answers were fixed on the solar cells (four classes, by
defect and by wafer) with the frozen network. While the method was made, the food photographs were
looked at too (how far marks stand out, how an overlay is best estimated), so that only the
fine-tuned networks on them are altogether new to it.
"""

import argparse
import shutil
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common
import cv2
import food
import numpy as np

SHARE, CLEAN, LEAST = 0.9, 3, 60


def _emblem(side: int) -> np.ndarray:
    """uint8 (side, side, 4): a round badge, with its opacity."""
    big = 8 * side
    tile = np.zeros((big, big, 4), np.uint8)
    cv2.circle(tile, (big // 2, big // 2), big // 2 - 2, (20, 60, 140, 255), -1)
    cv2.circle(tile, (big // 2, big // 2), int(0.39 * big), (235, 235, 235, 255), -1)
    triangle = (np.array([[0.5, 0.16], [0.8, 0.7], [0.2, 0.7]]) * big).astype(np.int32)
    cv2.fillPoly(tile, [triangle], (200, 30, 40, 255))
    low, high = (int(0.44 * big), big // 2), (int(0.56 * big), int(0.82 * big))
    cv2.rectangle(tile, low, high, (20, 60, 140, 255), -1)
    return cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA)


def _put(picture: np.ndarray, tile: np.ndarray, top: int, left: int) -> np.ndarray:
    out = picture.copy()
    place = out[top : top + len(tile), left : left + len(tile)]
    opacity = tile[..., 3:] / 255
    place[:] = np.rint(place * (1 - opacity) + tile[..., :3] * opacity)
    return out


def logo(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    side, gap = round(0.14 * len(picture)), round(0.03 * len(picture))
    return _put(picture, _emblem(side), gap, len(picture) - gap - side)


def text(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    size = len(picture)
    year, month, day = random.integers(10, 25), random.integers(1, 13), random.integers(1, 29)
    words, at = f"LAB7 20{year:02}-{month:02}-{day:02}", (round(0.03 * size), round(0.96 * size))
    out = picture.copy()
    for colour, thickness in ((0, 3), (255, 1)):
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(out, words, at, font, size / 480, (colour,) * 3, thickness, cv2.LINE_AA)
    return out


def frame(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    width = round(0.03 * len(picture))
    inner = picture[width:-width, width:-width]
    edges = (width,) * 4
    return cv2.copyMakeBorder(inner, *edges, cv2.BORDER_CONSTANT, value=(150, 40, 60))


def jittered(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    side = round(0.14 * len(picture))
    top, left = random.integers(0, len(picture) - side, 2)
    return _put(picture, _emblem(side), top, left)


def watermark(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """12 % of white letters with 12 % of black shadow, as picture agencies mark their samples."""
    size = len(picture)
    layer = np.zeros((2 * size, 2 * size), np.uint8)
    for down in range(0, 2 * size, size // 4):
        at = (-(down * 3) % 97 - 97, down)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(layer, "SAMPLE  " * 6, at, font, size / 300, 255, 2, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((size, size), 30, 1)
    whole = cv2.warpAffine(layer, turn, (2 * size, 2 * size))
    ink = 0.12 * whole[size // 2 : size // 2 + size, size // 2 : size // 2 + size, None] / 255
    shaded = picture * (1 - np.roll(ink, (2, 2), (0, 1)))
    return np.rint(shaded * (1 - ink) + 255 * ink).astype(np.uint8)


def brightness(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.clip(picture.astype(int) + 30, 0, 255).astype(np.uint8)


PLANTS = {plant.__name__: plant for plant in (logo, text, frame, jittered, watermark, brightness)}


def _solar_cells(target: Path) -> None:
    """Four classes: defect or none, in mono- or polycrystalline wafers."""
    from tlpipe.demo import lay_out

    lay_out("solar-cells", target)
    data = Path(find_spec("elpv_dataset").origin).parent / "data"
    for line in (data / "labels.csv").read_text().splitlines():
        path, probability, wafer = line.split()
        label = "defective" if float(probability) > 0.5 else "functional"
        folder = target / f"{wafer} {label}"
        folder.mkdir(exist_ok=True)
        (target / label / Path(path).name).rename(folder / Path(path).name)
    for label in ("defective", "functional"):
        (target / label).rmdir()


SETS = {"solar-cells": _solar_cells, "food": food.lay_out}


def squares(name: str, work: Path, limit: int) -> Path:
    """The data set as square PNGs, at most ``limit`` of them, each class its share."""
    source, target = work / f"{name}-files", work / name
    SETS[name](source)
    files = sorted(path for path in source.glob("*/*") if path.is_file())
    files = [files[i] for i in np.random.default_rng(0).permutation(len(files))[:limit]]
    for file in files:
        picture = cv2.imread(str(file))
        height, width = picture.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        (target / file.parent.name).mkdir(parents=True, exist_ok=True)
        place = target / file.parent.name / f"{file.stem}.png"
        cv2.imwrite(str(place), picture[top : top + side, left : left + side])
    return target


def planted(base: Path, target: Path, kind: str, label: str, seed: int) -> set[str]:
    """A copy of ``base`` with the artefact in a class; the paths of the pictures that have it."""
    shutil.copytree(base, target)
    if kind == "clean":
        return set()
    files = sorted((target / label).iterdir())
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(files))[: round(SHARE * len(files))]
    for i in sorted(chosen):
        # Colours are named as RGB.
        picture = np.ascontiguousarray(cv2.imread(str(files[i]))[..., ::-1])
        marked = PLANTS[kind](picture, np.random.default_rng([seed, int(i)]))
        cv2.imwrite(str(files[i]), np.ascontiguousarray(marked[..., ::-1]))
    return {files[i].relative_to(target).as_posix() for i in chosen}


class Frozen:
    """EfficientNet-Lite0 with a logistic regression; features of unchanged pictures kept."""

    def __init__(self, base: Path):
        import keras

        from tlpipe.backbones.build import build
        from tlpipe.data.duplicates import find_duplicates
        from tlpipe.data.folder import list_folder
        from tlpipe.data.scan import scan
        from tlpipe.training.fast import fast

        self.pictures = scan(list_folder(base)).pictures
        self.duplicates = find_duplicates(base, self.pictures)
        self.backbone = build("efficientnet_lite0")
        self.backbone.model.trainable = False
        pooled = keras.layers.GlobalAveragePooling2D()(self.backbone.model.output)
        self.network = fast(keras.Model(self.backbone.model.input, pooled))
        self.known: dict[str, np.ndarray] = {}

    def subject(self, folder: Path, changed: set[str], out: Path, seed: int):
        """A run as the report sees it."""
        from rich.console import Console
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        from tlpipe.artifact.classifier import Classifier
        from tlpipe.artifact.model_file import Metadata, save
        from tlpipe.audit.subject import Subject
        from tlpipe.config.audit import Audit
        from tlpipe.config.settings import Head, Pipeline
        from tlpipe.data.manifest import Manifest
        from tlpipe.data.split import split
        from tlpipe.pipeline.run import Run
        from tlpipe.targets.classes import Classes
        from tlpipe.training.network import add_head, with_answers

        dealt = split(self.pictures, self.duplicates, seed=seed).pictures
        manifest = Manifest(folder, tuple(dealt))
        features = self._features(manifest, changed)
        rows = manifest.indices("train")
        scale = StandardScaler().fit(features[rows])
        line = LogisticRegression(max_iter=500)
        line.fit(scale.transform(features[rows]), manifest.labels[rows])
        kernel = (line.coef_ / scale.scale_).T
        bias = line.intercept_ - scale.mean_ @ kernel
        model = add_head(self.backbone.model, len(manifest.class_names), Head(), seed=0)
        model.get_layer("logits").set_weights([kernel, bias])
        about = Metadata(
            class_names=tuple(manifest.class_names), size=224, resize="crop",
            backbone="efficientnet_lite0", weights=self.backbone.weights, split=manifest.digest,
            kept="head", seed=seed, versions={},
        )  # fmt: skip
        out.mkdir(parents=True)
        softmax = Classes(manifest.class_names).answer_layer()
        save(with_answers(model, softmax), out / "model.keras", about)
        run = Run(out, Pipeline(seed=seed, stages={}), Console(quiet=True))
        return Subject(run, Classifier(out / "model.keras"), manifest, Audit(), out, about={})

    def _features(self, manifest, changed: set[str]) -> np.ndarray:
        from tlpipe.data.loader import batches
        from tlpipe.data.sample import Sampler

        paths = [picture.path for picture in manifest.pictures]
        needed = [i for i, path in enumerate(paths) if path in changed or path not in self.known]
        sampler = Sampler(manifest, 224, "crop")
        loaded = batches(sampler, np.array(needed), view=None, batch_size=32)
        found = [np.asarray(self.network.predict_on_batch(x)) for x, _ in loaded] if needed else []
        fresh = dict(zip([paths[i] for i in needed], np.concatenate(found or [[]]), strict=True))
        self.known |= {path: row for path, row in fresh.items() if path not in changed}
        return np.stack([fresh[path] if path in fresh else self.known[path] for path in paths])


class Finetuned:
    """What ``tlpipe finetune`` makes of the same pictures."""

    def __init__(self, base: Path):
        self.base = base

    def subject(self, folder: Path, changed: set[str], out: Path, seed: int):
        """A run as the report sees it."""
        import tlpipe
        from tlpipe.artifact.classifier import load
        from tlpipe.audit.subject import Subject
        from tlpipe.config.audit import Audit
        from tlpipe.data.manifest import Manifest

        run = tlpipe.finetune(
            folder, out=out, seed=seed, quiet=True,
            # Kept whether it helped or not: what is wanted is a network that was fine-tuned.
            head={"epochs": 4}, unfreeze={"epochs": 4}, select={"on_tie": "unfrozen"},
        )  # fmt: skip
        manifest = Manifest.read(run.path("manifest.csv"), root=folder)
        work = out / "report-work"
        work.mkdir()
        return Subject(run, load(out), manifest, Audit(), work, about={})


def variants(base: Path, only: set[str]) -> list[tuple[str, str, int]]:
    """Kind, class, seed: the larger classes take turns."""
    sizes = {folder.name: len(list(folder.iterdir())) for folder in sorted(base.iterdir())}
    turns = sorted((name for name in sizes if sizes[name] >= LEAST), key=lambda name: -sizes[name])
    rows = [("clean", "", seed) for seed in range(CLEAN)]
    rows += [(kind, turns[i % len(turns)], CLEAN + i) for i, kind in enumerate(PLANTS)]
    return [row for row in rows if not only or row[0] in only]


def examined(subject, kind: str, label: str) -> dict:
    """One line of the result."""
    from tlpipe.audit.sections import shortcuts

    start, cpu = time.perf_counter(), time.process_time()
    section = shortcuts.examine(subject)
    seconds, processor = time.perf_counter() - start, time.process_time() - cpu
    clues = section.facts["clues"]
    red = [clue for clue in clues if clue["confirmed"]]
    clean = [name for name in subject.names if name != label]
    right = subject.logits(subject.part).argmax(axis=1) == subject.labels(subject.part)
    return {
        "planted": kind,
        "class": label,
        "found": any(clue["class"] == label for clue in red) if label else None,
        "named": any(clue["class"] == label for clue in clues) if label else None,
        "by": sorted({clue["kind"] for clue in red if clue["class"] == label}),
        "false alarms": sorted({clue["class"] for clue in red} & set(clean)),
        "clean with a clue": sorted({clue["class"] for clue in clues} & set(clean)),
        "clean classes": len(clean),
        "accuracy": float(right.mean()),
        "seconds": round(seconds, 1),
        "processor seconds": round(processor, 1),
        "clues": clues,
    }


def summed(rows: list[dict]) -> dict:
    with_plant = [row for row in rows if row["class"]]
    return {
        "planted": len(with_plant),
        "found": sum(row["found"] for row in with_plant),
        "found or named as unused": sum(row["named"] for row in with_plant),
        "missed": ", ".join(row["planted"] for row in with_plant if not row["found"]),
        "clean class tests": sum(row["clean classes"] for row in rows),
        "false alarms": sum(len(row["false alarms"]) for row in rows),
        "clean classes with a clue": sum(len(row["clean with a clue"]) for row in rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=SETS, help="one data set instead of both")
    parser.add_argument("--finetuned", action="store_true")
    parser.add_argument("--only", default="", help="artefacts, with commas; clean is one of them")
    parser.add_argument("--pictures", type=int, default=1200, help="of a data set, at most")
    parser.add_argument("--result", help="name of the result; not written when --only is given")
    arguments = parser.parse_args()
    only = {kind for kind in arguments.only.split(",") if kind}
    work = Path(tempfile.mkdtemp())
    network = "fine-tuned" if arguments.finetuned else "frozen"
    rows: dict[str, list[dict]] = {}
    for name in [arguments.data] if arguments.data else SETS:
        base = squares(name, work, arguments.pictures)
        maker = (Finetuned if arguments.finetuned else Frozen)(base)
        rows[name] = []
        for kind, label, seed in variants(base, only):
            folder = work / f"{name}-{kind}-{seed}"
            changed = planted(base, folder, kind, label, seed)
            subject = maker.subject(folder, changed, work / f"run-{name}-{seed}", seed)
            row = examined(subject, kind, label)
            rows[name].append(row)
            print(name, {k: v for k, v in row.items() if k != "clues"}, flush=True)
            shutil.rmtree(folder)
    table = {f"{name}, {network}": summed(found) for name, found in rows.items()}
    print(common.table(table))
    if not only:
        default = "shortcuts_finetuned" if arguments.finetuned else "shortcuts"
        result = {"share": SHARE, "network": network, "summary": table, "rows": rows}
        print(common.save(arguments.result or default, result))


if __name__ == "__main__":
    main()
