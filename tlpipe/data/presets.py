"""The named augmentation pipelines: what each does, and how ``strength`` scales it."""

from __future__ import annotations

import os

# Set before the import: albumentations asks the network for its newest version otherwise.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
import cv2

PRESETS = ("none", "light", "medium", "strong")


def preset(
    name: str, size: int, strength: float = 1.0, channels: int = 3
) -> list[A.BasicTransform | A.BaseCompose]:
    """The transforms of preset ``name``, the random crop first.

    Args:
        name: one of ``PRESETS``.
        size: side of the square that the crop delivers, in pixels.
        strength: multiplies every range (crop, angles, shifts, colour, noise), in (0, 2].
            Probabilities stay as they are.
        channels: of the pictures; only those of three have a hue and a saturation.
    """
    s, colour = strength, channels == 3
    if name == "light":
        return [
            _crop(size, 0.3 * s),
            *_flips(),
            _light(0.1 * s, p=0.5),
        ]
    if name == "medium":
        return [
            _crop(size, 0.5 * s),
            *_flips(),
            _affine(shift=0.06 * s, degrees=10 * s, zoom=0.1 * s, p=0.5),
            _jitter(light=0.2 * s, hue=0.02 * s, p=0.5) if colour else _light(0.2 * s, p=0.5),
        ]
    if name == "strong":
        return [
            _crop(size, 0.65 * s),
            *_flips(vertical=True),
            _affine(shift=0.1 * s, degrees=30 * s, zoom=0.2 * s, p=0.7),
            _jitter(light=0.4 * s, hue=0.05 * s, p=0.7) if colour else _light(0.4 * s, p=0.7),
            *([A.ToGray(p=0.1)] if colour else []),
            A.GaussNoise(std_range=(0.01 * s, 0.06 * s), per_channel=False, p=0.2),
            A.OneOf(
                [
                    A.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 0.3 + 1.0 * s), p=1.0),
                    A.CoarseDropout(
                        num_holes_range=(1, 4),
                        hole_height_range=(0.05, 0.05 + 0.1 * s),
                        hole_width_range=(0.05, 0.05 + 0.1 * s),
                        p=1.0,
                    ),
                ],
                p=0.25,
            ),
        ]
    return []


def _crop(size: int, lost: float) -> A.RandomResizedCrop:
    # Below 8 % of the picture a crop rarely shows its subject (the usual ImageNet bound).
    least = max(0.08, 1 - lost)
    # A crop of nearly the whole square can't be oblong: such a draw would be thrown away.
    ratio = max(3 / 4, least)
    return A.RandomResizedCrop(
        size=(size, size), scale=(least, 1.0), ratio=(ratio, 1 / ratio), p=1.0
    )


def _flips(vertical: bool = False) -> list[A.BasicTransform]:
    return [A.HorizontalFlip(p=0.5)] + ([A.VerticalFlip(p=0.5)] if vertical else [])


def _affine(*, shift: float, degrees: float, zoom: float, p: float) -> A.Affine:
    # Mirrored borders: a black wedge would tell the network how far the picture was turned.
    return A.Affine(
        translate_percent=(-shift, shift),
        rotate=(-degrees, degrees),
        scale=(1 - zoom, 1 + zoom),
        border_mode=cv2.BORDER_REFLECT_101,
        p=p,
    )


def _light(limit: float, p: float) -> A.RandomBrightnessContrast:
    return A.RandomBrightnessContrast(limit, limit, p=p)


def _jitter(*, light: float, hue: float, p: float) -> A.ColorJitter:
    around = (1 - light, 1 + light)
    return A.ColorJitter(
        brightness=around, contrast=around, saturation=around, hue=(-hue, hue), p=p
    )
