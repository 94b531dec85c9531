"""Whether a picture that is no JPEG file was one once: its 8x8 blocks are still seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magn_cli.images import Array, to_float

SIDE = 8
"""Of JPEG's blocks."""

MIN_SIDE = 64
"""Pixels a side below which nothing can be said."""

NO_BLOCKS, BLOCKS = 1.035, 1.07
"""Contrast of the grid up to which a picture counts as clean, and from which on it surely was a JPEG."""

MAX_SIDE = 2048
"""Pixels a side that are looked at, in the middle of larger pictures."""


@dataclass(frozen=True)
class Grid:
    """The 8x8 grid that shows most."""

    corner: tuple[int, int]
    """Row and column, 0..7, at which its blocks begin; (0, 0) where nothing was cut off after compression."""

    contrast: float
    """How many times stronger the steps at its borders are than elsewhere: the mean over rows and columns.

    Of 24 clean pictures (12 of Kodak24, 9 of McMaster18, the example photos) none was above 1.034. Of the same as
    JPEG at quality 97 / 95 / 90 / 85 / 80 / 60 / 30, half are above 1.03 / 1.12 / 1.29 / 1.41 / 1.52 / 1.86 / 2.50
    and all above 1.01 / 1.01 / 1.03 / 1.07 / 1.15 / 1.42 / 1.87.
    """


def find_grid(pixels: Array) -> Grid | None:
    """Look for the grid in ``(H, W)`` or ``(H, W, 3)``, uint8, uint16, or floats 0..1; None: it is too small.

    The third difference across a border tells a step from a slope and from texture; the strongest tenth, which is
    edges, is cut off.
    """
    if min(pixels.shape[:2]) < MIN_SIDE:
        return None
    begin = [max(0, (side - MAX_SIDE) // 2) // SIDE * SIDE for side in pixels.shape[:2]]
    crop = to_float(pixels[begin[0] : begin[0] + MAX_SIDE, begin[1] : begin[1] + MAX_SIDE])
    luma = crop if crop.ndim == 2 else crop @ np.array([0.299, 0.587, 0.114], np.float32)
    (row, of_rows), (column, of_columns) = _phase(luma.T), _phase(luma)
    return Grid((row, column), float(np.sqrt(of_rows * of_columns)))


def _phase(luma: Array) -> tuple[int, float]:
    """Column, 0..7, at which blocks begin, and how much stronger the steps there are."""
    steps = np.abs(luma[:, 3:] - 3 * luma[:, 2:-1] + 3 * luma[:, 1:-2] - luma[:, :-3])
    steps = np.minimum(steps, np.quantile(steps[::4], 0.9)).mean(0)
    # Difference i lies between the columns i + 1 and i + 2.
    phase = (np.arange(len(steps)) + 2) % SIDE
    strengths = np.array([steps[phase == k].mean() for k in range(SIDE)])
    best = int(strengths.argmax())
    usual = float(np.median(np.delete(strengths, best)))
    return best, float(strengths[best]) / usual if usual > 0 else 1.0
