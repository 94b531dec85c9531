"""Gaussian noise: the degradation of Table II."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from magn_cli.errors import UsageError
from magn_cli.images import Array, Photo, to_float
from magn_cli.tasks.base import FoundLevel, LevelScale, Pixels, Task


class Denoise(Task):
    """Remove noise; level: the standard deviation sigma in units of 255, 0-75."""

    name: ClassVar[str] = "denoise"
    scale: ClassVar[LevelScale | None] = LevelScale("sigma", 0, 75, offset=0.0, factor=1 / 75)
    paper_levels: ClassVar[tuple[float | None, ...]] = (15, 25, 50)

    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Add Gaussian noise of standard deviation ``level`` / 255, not clipped and not rounded."""
        if level is None:
            raise UsageError("denoise needs a sigma; give --level with a number from 0 to 75.")
        return clean + rng.standard_normal(clean.shape, np.float32) * np.float32(level / 255)

    def find_level(self, photo: Photo) -> FoundLevel:
        """Estimate sigma from the picture."""
        return FoundLevel(round(estimate_sigma(photo.pixels), 1), "estimated from the picture")

    def strength(self, level: float) -> float:
        """Return 1 from sigma 2.5 up, then less, to 0 at 1.

        Clean photographs are estimated at 0.4 to 1.1 (two of seven higher, with grain or fine texture). On
        pieces of seven photographs with noise of sigma 1, the bundled weights at full strength lose up to 4 dB,
        at sigma 2 they gain 0.2 to 5.5.
        """
        return min(1.0, max(0.0, (level - 1) / 1.5))


BLOCK = 8
QUIET_SHARE = 0.1
QUIET_STD = 0.875
"""Where a tenth of the blocks lie below, for pure noise of sigma 1: the root of a tenth of chi-squared / 64."""


ROWS = 512
"""Rows looked at together; a multiple of two blocks' height."""


def estimate_sigma(pixels: Array) -> float:
    """Estimate the standard deviation of white noise, in units of 255; 0 for a picture below 2x2 pixels.

    Takes ``(H, W)`` or ``(H, W, C)``; uint8, uint16, or floats 0..1. The diagonal detail of a Haar wavelet
    (Donoho and Johnstone, Biometrika 1994), in its quietest blocks, since texture is detail as well; small
    pictures: the median of its absolute value. Mean over channels. Blocks near black and white are left out
    where there are others: clipping takes noise away.
    """
    size = [side // 2 for side in pixels.shape[:2]]
    if not size[0] * size[1]:
        return 0.0
    blocks = size[0] // BLOCK, size[1] // BLOCK
    if blocks[0] * blocks[1] < 16:
        detail, _ = _halved(pixels)
        return float(np.median(np.abs(detail), axis=(0, 1)).mean()) * 255 / 0.6745
    power, light = [], []
    for top in range(0, 2 * BLOCK * blocks[0], ROWS):
        detail, corner = _halved(pixels[top : min(top + ROWS, 2 * BLOCK * blocks[0])])
        power.append(_block_means(np.square(detail)))
        light.append(_block_means(corner))
    all_power, all_light = np.concatenate(power), np.concatenate(light)
    usable = ((all_light > 0.06) & (all_light < 0.94)).all(-1)
    quiet = all_power[usable] if usable.sum() >= 16 else all_power.reshape(-1, all_power.shape[-1])
    return float(np.sqrt(np.quantile(quiet, QUIET_SHARE, axis=0)).mean()) * 255 / QUIET_STD


def _halved(pixels: Array) -> tuple[Pixels, Pixels]:
    """Diagonal detail, and every second pixel: ``(H / 2, W / 2, C)`` both."""
    rows, columns = (side // 2 * 2 for side in pixels.shape[:2])
    even = to_float(pixels[:rows, :columns]).reshape(rows, columns, -1)
    detail = even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]
    return detail * np.float32(0.5), even[::2, ::2]


def _block_means(values: Pixels) -> Pixels:
    """``(H, W, C)`` to the means of its whole blocks."""
    rows, columns = (side // BLOCK for side in values.shape[:2])
    cut = values[: rows * BLOCK, : columns * BLOCK]
    return cut.reshape(rows, BLOCK, columns, BLOCK, -1).mean((1, 3))
