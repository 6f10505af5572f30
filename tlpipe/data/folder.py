"""What lies in a data folder: a class per sub-folder, and the parts that are given."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from natsort import natsort_keygen

from tlpipe.errors import DataError
from tlpipe.words import shown

EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .gif .bmp .dib .webp .tif .tiff .npy".split()  # noqa: SIM905
)
# Pictures that people have and that can't be read here: named, and not passed over in silence.
UNSUPPORTED = frozenset(".heic .heif .avif .jxl .jp2 .psd .raw .dng .cr2 .nef".split())  # noqa: SIM905
PART_NAMES = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
}
# As people call the folders of parts: "Training", "test_set".
_PART = re.compile(
    rf"({'|'.join(PART_NAMES)})(?:ing)?(?:[-_ ]?(?:set|data|images))?", re.IGNORECASE
)
# Why a picture is left out that lies in no part: it is not of these data at all.
BESIDE = "beside the parts"
ODD_NAME = "its name is not UTF-8, or holds a carriage return: rename it"
_NOT_DATA = {"__macosx", "thumbs.db", "desktop.ini"}
_LAYOUT = """one sub-folder a class:
    {root}/
      cat/  1.jpg 2.jpg ...
      dog/  1.jpg 2.jpg ...
  or the same inside {root}/train/, {root}/val/ and {root}/test/"""

_natural = natsort_keygen()


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that is set aside, and the cause in plain words."""

    path: str
    cause: str


class Found(NamedTuple):
    """What may be a picture.

    Attributes:
        path: relative to the root, posix.
        label: the class, or what else it is to learn, as text.
        split: the given part, or None.
        group: pictures of one group stay on one side of the split; "" when none is given.
    """

    path: str
    label: str
    split: str | None
    group: str = ""


@dataclass(frozen=True)
class Listing:
    """The pictures of a source, in natural order.

    Attributes:
        root: what the paths are relative to: ``root / path`` has ``read_bytes()``.
        class_names: the labels that pictures have, in natural order, NFC-normalised.
        files: one entry a picture.
        set_aside: pictures that can't be used, with the cause.
        ignored: files that are no pictures, counted by extension.
        empty_classes: class folders without a single such file.
    """

    root: Traversable
    class_names: list[str]
    files: list[Found]
    set_aside: list[BadFile]
    ignored: dict[str, int]
    empty_classes: list[str]


def part_named(name: str) -> str | None:
    """The part that a folder or a split of this name is; None where it is none."""
    found = _PART.fullmatch(name)
    return PART_NAMES[found[1].lower()] if found else None


def unsupported(suffix: str) -> str | None:
    """Why a picture whose name ends so can't be read; None where it is worth a try."""
    if suffix.lower() not in UNSUPPORTED:
        return None
    return f"{suffix[1:].upper()} files can't be read: convert it to JPEG or PNG"


def natural_key(name: str) -> tuple:
    """The key that sorts ``img2`` before ``img10``; equal-looking names stay in a fixed order."""
    return _natural(unicodedata.normalize("NFC", name)), name


def list_folder(root: Path, *, least: int = 2) -> Listing:
    """List a folder that holds one sub-folder a class, at any depth below it.

    ``train/``, ``val|valid|validation|dev/`` and ``test/`` at the top are taken as parts when
    ``train`` holds folders and the top holds another part or nothing else. What lies beside them is
    set aside.

    Raises:
        DataError: no such folder, no permission, no class folders, or fewer than ``least`` classes.
    """
    root = Path(root)
    top = _folders_of(checked(root))
    ignored: Counter[str] = Counter()
    files: list[Found] = []
    outside = _pictures_in(root, root)
    set_aside = [BadFile(path, "not in a class folder") for path in outside]
    classes: set[str] = set()
    _refuse_flat_parts(root, top)
    parts = _parts(root, top)
    if parts[0][0] is not None:
        for name in top:
            if part_named(name) is None:
                set_aside += [BadFile(p, BESIDE) for p in _below(root / name, root)]
    for part, folder in parts:
        if part is not None:
            set_aside += [
                BadFile(path, "not in a class folder") for path in _pictures_in(folder, root)
            ]
        for name in _folders_of(folder) if part else top:
            label = unicodedata.normalize("NFC", shown(name))
            classes.add(label)
            for path in walk(folder / name):
                relative = path.relative_to(root).as_posix()
                suffix = path.suffix.lower()
                if (told := shown(relative)) != relative:
                    set_aside.append(BadFile(told, ODD_NAME))
                elif suffix in EXTENSIONS:
                    files.append(Found(relative, label, part))
                elif cause := unsupported(suffix):
                    set_aside.append(BadFile(relative, cause))
                else:
                    ignored[suffix or "(no extension)"] += 1
    files.sort(key=lambda file: natural_key(file.path))
    filled = {file.label for file in files}
    listing = Listing(
        root=root,
        class_names=sorted(filled, key=natural_key),
        files=files,
        set_aside=set_aside,
        ignored=dict(sorted(ignored.items())),
        empty_classes=sorted(classes - filled, key=natural_key),
    )
    return _enough(listing, least)


def checked(root: Path) -> Path:
    """The folder itself. Raises DataError when it is none, naming the nearest beside it."""
    if not root.exists():
        raise DataError(
            f"There is no folder {str(root)!r}.",
            where=root.absolute(),
            todo=folder_meant(root) or "check the spelling, or give another folder with --data",
        )
    if not root.is_dir():
        raise DataError(
            f"{str(root)!r} is a file, and a folder of pictures is needed.",
            where=root.absolute(),
            todo="give the folder that holds one sub-folder a class, or a table that ends in .csv",
        )
    return root


def folder_meant(missing: Path) -> str:
    """A question that names the nearest folder beside a misspelt one; "" where none is near."""
    try:
        with os.scandir(missing.absolute().parent) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        # Nothing can be suggested then.
        return ""
    near = get_close_matches(missing.name, names, n=1)
    return f"did you mean '{missing.with_name(near[0])}'?" if near else ""


def _enough(listing: Listing, least: int) -> Listing:
    if len(listing.class_names) >= max(1, least):
        return listing
    found = len(listing.class_names)
    empty = ", ".join(map(repr, listing.empty_classes[:5]))
    if found:
        what = f"Only one class with pictures was found ({listing.class_names[0]!r}); 2 are needed."
    elif listing.empty_classes:
        what = "No picture was found in any class folder."
    else:
        what = "The folder has no class sub-folders."
    causes = [bad.cause for bad in listing.set_aside]
    left_out = listing.ignored | Counter(causes)
    ignored = ", ".join(f"{count} x {kind}" for kind, count in left_out.items())
    causes = [f"no picture in: {empty}"] * bool(empty) + [f"left out: {ignored}"] * bool(ignored)
    raise DataError(
        what,
        where=listing.root.absolute(),
        cause="; ".join(causes) or "the folder is empty" if not found or causes else None,
        todo="lay the pictures out with " + _LAYOUT.format(root=listing.root.name or "data"),
    )


def _parts(root: Path, top: list[str]) -> list[tuple[str | None, Path]]:
    given = [(part, root / name) for name in top if (part := part_named(name)) is not None]
    holds_classes = any(part == "train" and _folders_of(folder) for part, folder in given)
    # A class may be called "train" too: alone among other classes it is one.
    if holds_classes and (len({part for part, _ in given}) > 1 or len(given) == len(top)):
        return given
    return [(None, root)]


def _refuse_flat_parts(root: Path, top: list[str]) -> None:
    parts = [name for name in top if part_named(name) is not None]
    flat = [name for name in parts if not _folders_of(root / name)]
    if len(parts) > 1 and len(parts) == len(top) and flat:
        raise DataError(
            f"The folder '{flat[0]}' holds no class folders.",
            where=(root / flat[0]).absolute(),
            todo="lay the pictures out with " + _LAYOUT.format(root=root.name or "data"),
        )


def _entries(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return [
                entry
                for entry in entries
                if not entry.name.startswith(".") and entry.name.lower() not in _NOT_DATA
            ]
    except PermissionError as error:
        raise DataError(
            f"No permission to read the folder {str(folder)!r}.",
            where=folder.absolute(),
            cause=error.strerror,
            todo="ask its owner for read access, or copy the pictures to a folder of your own",
        ) from error


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link round in a circle, or into a closed folder: read as a file, it tells its cause.
        return False


def _folders_of(folder: Path) -> list[str]:
    return sorted((entry.name for entry in _entries(folder) if _is_folder(entry)), key=natural_key)


def _files_of(folder: Path) -> list[str]:
    return [entry.name for entry in _entries(folder) if not _is_folder(entry)]


def walk(
    folder: Path, above: frozenset[str] = frozenset(), *, closed: bool = False
) -> Iterator[Path]:
    """All files below ``folder``. A link back to a folder above would go round for ever.

    Args:
        folder: where to begin.
        above: the real paths of the folders above it.
        closed: folders that may not be read stand for themselves.

    Raises:
        DataError: a folder may not be read, and they are not to stand for themselves.
    """
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = _entries(folder)
    except DataError:
        if not closed:
            raise
        yield folder
        return
    for entry in entries:
        if _is_folder(entry):
            yield from walk(folder / entry.name, above | {real}, closed=closed)
        else:
            yield folder / entry.name


def _pictures_in(folder: Path, root: Path) -> list[str]:
    """Pictures that lie in ``folder`` itself, as paths relative to ``root``."""
    return _pictures((folder / name for name in _files_of(folder)), root)


def _below(folder: Path, root: Path) -> list[str]:
    """The same at any depth; none where a folder may not be read."""
    try:
        return _pictures(walk(folder), root)
    except DataError:
        return []


def _pictures(paths: Iterable[Path], root: Path) -> list[str]:
    endings = EXTENSIONS | UNSUPPORTED
    found = (shown(p.relative_to(root).as_posix()) for p in paths if p.suffix.lower() in endings)
    return sorted(found, key=natural_key)
