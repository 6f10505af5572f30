"""Which augmentation teaches a network to bear which alteration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tlpipe.data.presets import PRESETS, A, preset
from tlpipe.words import listed

_TEACHES: dict[str, tuple[type, ...]] = {
    "rotation": (A.Affine, A.Rotate, A.SafeRotate, A.ShiftScaleRotate),
    "scale": (A.RandomResizedCrop, A.Affine, A.RandomScale, A.ShiftScaleRotate),
    "translation": (A.RandomResizedCrop, A.Affine, A.RandomCrop, A.ShiftScaleRotate),
    "brightness": (A.RandomBrightnessContrast, A.ColorJitter),
    "contrast": (A.RandomBrightnessContrast, A.ColorJitter, A.CLAHE, A.RandomGamma),
    "noise": (A.GaussNoise, A.ISONoise, A.MultiplicativeNoise),
    "blur": (A.GaussianBlur, A.Blur, A.MotionBlur, A.MedianBlur, A.Defocus),
    "JPEG": (A.ImageCompression,),
    "gray": (A.ToGray, A.ChannelDropout),
}


def taught_by(transforms: Iterable[object]) -> frozenset[str]:
    """The alterations that albumentations' transforms (and compositions of them) show."""
    flat = list(_flat(transforms))
    return frozenset(
        name
        for name, kinds in _TEACHES.items()
        if any(isinstance(transform, kinds) for transform in flat)
    )


def remedy(weak: Sequence[str], known: frozenset[str], strength: float, channels: int) -> str:
    """What to do so that the network learns to bear what it does not: one sentence, or "".

    Args:
        weak: names of alterations.
        known: those that the run's augmentation already shows.
        strength: of the run's augmentation.
        channels: of the pictures.
    """
    shows = {name: taught_by(preset(name, 224, channels=channels)) for name in PRESETS}
    most = frozenset().union(*shows.values())
    seen = [name for name in weak if name in known]
    new = [name for name in weak if name not in known and name in most]
    own = [name for name in weak if name not in known and name not in most]
    said = []
    if new:
        mildest = next(name for name in PRESETS if shows[name] >= set(new))
        said.append(f"train again with `--augment {mildest}`, which shows {listed(new)}")
    if seen:
        more = f"`--set prepare.strength={min(2.0, 1.5 * strength):g}`"
        how = f"try {more}" if strength < 2 else "more varied pictures are needed"
        said.append(f"{listed(seen)}: in the augmentation already, {how}")
    if own:
        said.append(f"{listed(own)}: in no preset, write a pipeline file (`--augment FILE`)")
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if text else ""


def _flat(transforms: Iterable[object]) -> Iterator[object]:
    for transform in transforms:
        inner = getattr(transform, "transforms", None)
        if inner is None:
            yield transform
        else:
            yield from _flat(inner)
