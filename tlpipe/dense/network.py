"""A classifier that gives a map of scores, and which part of the picture each of them is for."""

from __future__ import annotations

from dataclasses import dataclass

import keras


@dataclass(frozen=True)
class DenseNetwork:
    """A fully convolutional network: every place of its map is one window of the picture.

    Attributes:
        model: pictures as the classifier takes them, (b, height, width, 3) of any size that
            ``fit`` gives, to scores, float32 (b, rows, columns, classes).
        size: height and width of a window in pixels: the classifier's input.
        stride: pixels from one window to the next, down and across. The first begins at the
            picture's top left corner.
        grid: height and width of a picture are ``size`` plus a multiple of this.
        padded: layers pad with zeros.
        squeezed: the first of the layers inside that pool a whole map (squeeze-excitation); empty
            when there is none.
    """

    model: keras.Model
    size: tuple[int, int]
    stride: int
    grid: int
    padded: bool = False
    squeezed: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """In what way the map is not what the windows, one by one, would give."""
        found = []
        if self.padded:
            found.append(
                "the network pads with zeros: near its edges a window sees its neighbours in the "
                "larger picture, where it sees zeros when it is cut out"
            )
        if self.squeezed:
            found.append(
                f"the network pools the whole larger picture ('{self.squeezed}'): what is said of "
                "a window depends on what is outside it, and with --output-stride the scores "
                "differ a little from those of the coarse map"
            )
        return tuple(found)

    def fit(self, height: int, width: int, side: int) -> tuple[int, int]:
        """The size nearest to a picture of height x width with its short side at ``side``.

        The shape is kept but for the rounding down to the grid; never below one window.
        """
        scale = side / min(height, width)
        wanted = round(height * scale), round(width * scale)
        return tuple(
            window + max(0, length - window) // self.grid * self.grid
            for length, window in zip(wanted, self.size, strict=True)
        )

    def map_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the map of a picture that ``fit`` gave."""
        return tuple(
            (length - window) // self.stride + 1
            for length, window in zip((height, width), self.size, strict=True)
        )

    def window(self, row: int, column: int) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of the pixels that a place of the map is the score of."""
        top, left = row * self.stride, column * self.stride
        return top, left, top + self.size[0], left + self.size[1]
