"""Artefacts to plant in pictures: each takes uint8 RGB (s, s, 3) and a source of chance."""

import cv2
import numpy as np


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
