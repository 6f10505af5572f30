"""Receptive fields: which pixels a position of a feature map can see.

After Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks"
(Distill, 2019, https://distill.pub/2019/computing-receptive-fields), one axis at a time. Pixels
and positions are counted from 0; the centre of pixel 0 lies at 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class Axis:
    """One axis of a feature map.

    Position i sees the pixels from ``low + i * jump`` to ``high + i * jump``, both included; what
    lies outside the picture is padding.

    Attributes:
        low, high: the pixels that position 0 reaches to.
        jump: pixels from one position to the next.
        length: how many positions there are.
        zeros_after: how many of the last positions are padding.
    """

    low: Fraction
    high: Fraction
    jump: Fraction
    length: int
    zeros_after: int = 0

    @classmethod
    def of_picture(cls, length: int) -> Axis:
        """The picture itself: every pixel sees itself."""
        return cls(Fraction(0), Fraction(0), Fraction(1), length)

    @property
    def size(self) -> Fraction:
        """Pixels that one position sees."""
        return self.high - self.low + 1

    @property
    def centre(self) -> Fraction:
        """Where the middle of position 0's field lies; -1/2 is the picture's edge."""
        return (self.low + self.high) / 2

    def window(self, kernel: int, stride: int, dilation: int, padding: str) -> tuple[Axis, int]:
        """A convolution or pooling along this axis.

        ``same`` is TensorFlow's: as much padding as the length needs, the odd one at the end.

        Returns:
            The new axis, and how many positions at the end no window reaches: rows of the picture
            that are lost, not rows of padding, and not those a stride wider than the window skips.
        """
        extent = (kernel - 1) * dilation + 1
        if padding == "same":
            length = -(-self.length // stride)
            before = max((length - 1) * stride + extent - self.length, 0) // 2
            unseen = 0
        else:
            length, before = max((self.length - extent) // stride + 1, 0), 0
            unseen = self.length - ((length - 1) * stride + extent) - self.zeros_after
        low = self.low - before * self.jump
        high = self.high + (extent - 1 - before) * self.jump
        lost = max(unseen, 0) if extent >= stride else 0
        return Axis(low, high, self.jump * stride, length), lost

    def spread(self, kernel: int, stride: int, before: int, length: int) -> Axis:
        """A transposed convolution or an upsampling: the most that any position can see."""
        step = self.jump / stride
        low = self.low + (before - kernel + 1) * step
        return Axis(low, self.high + before * step, step, length)

    def pad(self, before: int, after: int) -> Axis:
        """Padding with zeros; negative numbers crop."""
        return replace(
            self,
            low=self.low - before * self.jump,
            high=self.high - before * self.jump,
            length=self.length + before + after,
            zeros_after=max(self.zeros_after + after, 0),
        )

    def every(self, start: int, step: int, length: int) -> Axis:
        """The slice ``[start::step]``."""
        moved = self.pad(-start, 0)
        return replace(moved, jump=self.jump * step, length=length, zeros_after=0)

    def union(self, other: Axis) -> Axis:
        """What a position sees through either of two branches. Their jumps must agree."""
        return replace(
            self,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            zeros_after=min(self.zeros_after, other.zeros_after),
        )


@dataclass(frozen=True)
class View:
    """What a tensor's positions see.

    Attributes:
        axes: rows and columns, by local operations alone; None where there are no positions.
        whole: whether some path, such as global pooling, sees everything.
        unknown: the layer from which on it can't be told; empty when it can.
    """

    axes: tuple[Axis, Axis] | None
    whole: bool = False
    unknown: str = ""

    @classmethod
    def of_picture(cls, height: int, width: int) -> View:
        """The view of the input."""
        return cls((Axis.of_picture(height), Axis.of_picture(width)))


def merge(views: list[View], layer: str) -> tuple[View, str]:
    """What is seen where branches meet: the largest extent.

    Returns:
        The view, and a sentence when the branches' jumps disagree (the view is unknown then).
    """
    whole = any(view.whole for view in views)
    unknown = next((view.unknown for view in views if view.unknown), "")
    local = [view.axes for view in views if view.axes]
    if unknown or not local:
        return View(None, whole, unknown), ""
    most = max(axis.length for axes in local for axis in axes)
    wide = [axes for axes in local if most == 1 or any(axis.length > 1 for axis in axes)]
    # A single position laid over many is seen from everywhere, as by global pooling.
    whole = whole or len(wide) < len(local)
    merged = wide[0]
    for axes in wide[1:]:
        pairs = list(zip(merged, axes, strict=True))
        if any(a.jump != b.jump and a.length > 1 for a, b in pairs):
            jumps = f"{float(merged[0].jump):g} and {float(axes[0].jump):g}"
            return View(None, whole, layer), f"branches of different stride meet ({jumps} pixels)"
        merged = tuple(a.union(b) for a, b in pairs)
    return View(merged, whole), ""
