"""Finds the regions where two pictures differ most."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from magn_cli.images import Array, to_float


@dataclass(frozen=True)
class Region:
    """A rectangle in a picture, in pixels from its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    def of(self, pixels: Array) -> Array:
        """Return this region of ``(H, W)`` or ``(H, W, C)`` as a view."""
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]

    def around(self, side: int, width: int, height: int) -> Region:
        """Return a square of ``side`` pixels with this region in its middle.

        The square is moved into the picture of ``width`` x ``height`` pixels, and cut if the picture is smaller.
        """
        wide, high = min(side, width), min(side, height)
        x = min(max(self.x + (self.width - wide) // 2, 0), width - wide)
        y = min(max(self.y + (self.height - high) // 2, 0), height - high)
        return Region(x, y, wide, high)


def most_different(a: Array, b: Array, side: int, count: int = 1) -> list[Region]:
    """Return the squares with the largest mean squared difference, the largest first, without overlaps.

    Args:
        a: ``(H, W)`` or ``(H, W, 3)``, any depth.
        b: the same height and width, in gray or colour.
        side: side of the squares in pixels, limited by the sides of the picture.
        count: maximum number of squares. Squares without differences are not returned.
    """
    error = _squared_difference(a, b)
    height, width = (min(side, n) for n in error.shape)
    rows, columns = error.shape[0] - height + 1, error.shape[1] - width + 1
    means = cv2.boxFilter(error, cv2.CV_64F, (width, height), anchor=(0, 0), borderType=cv2.BORDER_REFLECT)
    means = np.ascontiguousarray(means[:rows, :columns])
    found: list[Region] = []
    while len(found) < count:
        y, x = (int(i) for i in np.unravel_index(means.argmax(), means.shape))
        # The running sums of the filter are not exactly zero for equal pictures.
        if means[y, x] < 1e-12:
            break
        found.append(Region(x, y, width, height))
        means[max(y - height + 1, 0) : y + height, max(x - width + 1, 0) : x + width] = 0
    return found


def _squared_difference(a: Array, b: Array) -> NDArray[np.float32]:
    values = [to_float(p) for p in (a, b)]
    if values[0].ndim != values[1].ndim:
        values = [v[..., None] if v.ndim == 2 else v for v in values]
    squared = np.square(values[0] - values[1])
    return np.asarray(squared.mean(axis=2) if squared.ndim == 3 else squared, np.float32)
