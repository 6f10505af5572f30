"""Artefacts planted in real pictures: does the report's search for shortcuts find them?

    python benchmarks/shortcuts.py                       # both data sets, frozen: half an hour
    python benchmarks/shortcuts.py --finetuned           # networks that tlpipe fine-tuned
    python benchmarks/shortcuts.py --data solar-cells --only clean,logo --pictures 600

Six artefacts (a logo in a corner, a line of text with a changing date, a coloured frame, a logo at
changing places, a faint watermark over the whole picture, 30 levels more brightness), each in a
variant of its own, in 90 % of the pictures of one class; the classes of 60 pictures or more take
turns, the largest first: of a smaller one too few are held out to confirm anything.
The same share of the class's validation and test pictures has it, as with a shortcut in data that
were collected that way: a held-out score does not show it. Three variants of each data set are
clean. An alarm is a red finding; one that names another class than the planted one is false.
Whether the network uses what was planted is not left to the report: each held-out picture of the
class is also shown as it was before, and each of the others with the artefact planted. Where
neither moves the class's lead by the share of the model's usual lead that the report asks for,
there is no shortcut to find, and the report should say no more than that something goes with the
class.

The network of the quick way is EfficientNet-Lite0, frozen, with a logistic regression on its pooled
features written into tlpipe's own head; with --finetuned it is what `tlpipe finetune` makes. Both
data sets are cut to squares first, so that no artefact is cropped away, and saved as PNG. The
limits on the model's answers were fixed on the solar cells (four classes, by defect and by wafer)
with the frozen network. While the method was made, the food photographs were looked at too (how far
marks stand out, how an overlay is best estimated), and that an effect is measured by the model's
own usual lead came from networks fine-tuned on them for 4 and 4 epochs.
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
from artefacts import PLANTS

SHARE, CLEAN, LEAST = 0.9, 3, 60


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
            select={"on_tie": "unfrozen"},
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


def used(
    subject, base: Path, folder: Path, changed: set[str], kind: str, label: str, seed: int
) -> dict:
    """What the artefact itself does to the network: taken from the class, planted in the others."""
    from tlpipe.audit.evidence.confirmation import Bar
    from tlpipe.audit.evidence.counterfactual import margin
    from tlpipe.data.decode import decode
    from tlpipe.data.resize import fit

    def read(path: Path) -> np.ndarray:
        return decode(path.read_bytes())

    def mark(path: str, number: int) -> np.ndarray:
        return PLANTS[kind](read(folder / path), np.random.default_rng([seed, 1, number]))

    def leads(pictures) -> np.ndarray:
        inputs = [fit(picture, subject.classifier.metadata.size, "crop") for picture in pictures]
        return margin(subject.logits_of(np.stack(inputs)), subject.names.index(label))

    manifest = subject.manifest
    rows = np.concatenate([manifest.indices(part) for part in ("val", "test")])
    held = [manifest.pictures[row] for row in rows]
    own = [picture.path for picture in held if picture.path in changed]
    others = [picture.path for picture in held if picture.label != label]
    with_it, without = (leads(read(place / path) for path in own) for place in (folder, base))
    plain = leads(read(folder / path) for path in others)
    marked = leads(mark(path, number) for number, path in enumerate(others))
    lost, gained = float((with_it - without).mean()), float((marked - plain).mean())
    logits = np.concatenate([subject.logits(part) for part in ("val", "test")])
    bar = Bar.of(logits, subject.settings.shortcuts)
    return {
        "uses it": max(lost, gained) >= bar.drop,
        "usual lead": bar.lead,
        "lead lost without it": lost,
        "recall with it": float((with_it > 0).mean()),
        "recall without it": float((without > 0).mean()),
        "lead gained by it": gained,
        "others called it": float((plain > 0).mean()),
        "others called it with it": float((marked > 0).mean()),
    }


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
        "used": sum(row["uses it"] for row in with_plant),
        "used and found": sum(row["uses it"] and row["found"] for row in with_plant),
        "missed": ", ".join(row["planted"] for row in with_plant if not row["found"]),
        "of these named": ", ".join(
            row["planted"] for row in with_plant if row["named"] and not row["found"]
        ),
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
            if label:
                row |= used(subject, base, folder, changed, kind, label, seed)
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
