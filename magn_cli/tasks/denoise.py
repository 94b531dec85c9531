"""Gaussian noise: the degradation of Table II."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from magn_cli.errors import UsageError
from magn_cli.images import Photo, to_float
from magn_cli.tasks.base import FoundLevel, LevelScale, Pixels, Task


class Denoise(Task):
    """Remove noise; level: the standard deviation sigma in units of 255, 0-75."""

    name: ClassVar[str] = "denoise"
    scale: ClassVar[LevelScale | None] = LevelScale("sigma", 0, 75, offset=0.0, factor=1 / 75)

    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Add Gaussian noise of standard deviation ``level`` / 255, not clipped and not rounded."""
        if level is None:
            raise UsageError("denoise needs a sigma; give --level with a number from 0 to 75.")
        return clean + rng.standard_normal(clean.shape, np.float32) * np.float32(level / 255)

    def find_level(self, photo: Photo) -> FoundLevel:
        """Estimate sigma from the picture."""
        return FoundLevel(round(estimate_sigma(to_float(photo.pixels)), 1), "estimated from the picture")


BLOCK = 8
QUIET_SHARE = 0.1
QUIET_STD = 0.875
"""Where a tenth of the blocks lie below, for pure noise of sigma 1: the root of a tenth of chi-squared / 64."""


def estimate_sigma(pixels: Pixels) -> float:
    """Estimate the standard deviation of white noise, in units of 255; 0 for a picture below 2x2 pixels.

    The diagonal detail of a Haar wavelet (Donoho and Johnstone, Biometrika 1994), in its quietest blocks, since
    texture is detail as well; small pictures: the median of its absolute value. Mean over channels. Blocks near
    black and white are left out where there are others: clipping takes noise away.
    """
    size = [side // 2 for side in pixels.shape[:2]]
    even = pixels.reshape(*pixels.shape[:2], -1)[: 2 * size[0], : 2 * size[1]]
    if not even.size:
        return 0.0
    detail = (even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]) / 2
    blocks = size[0] // BLOCK, size[1] // BLOCK
    if blocks[0] * blocks[1] < 16:
        return float(np.median(np.abs(detail), axis=(0, 1)).mean()) * 255 / 0.6745
    power = _block_means(np.square(detail), blocks)
    light = _block_means(even[::2, ::2], blocks)
    usable = ((light > 0.06) & (light < 0.94)).all(-1)
    quiet = power[usable] if usable.sum() >= 16 else power.reshape(-1, power.shape[-1])
    return float(np.sqrt(np.quantile(quiet, QUIET_SHARE, axis=0)).mean()) * 255 / QUIET_STD


def _block_means(values: Pixels, blocks: tuple[int, int]) -> Pixels:
    """``(H, W, C)`` to the means of its blocks, ``(blocks[0], blocks[1], C)``."""
    cut = values[: blocks[0] * BLOCK, : blocks[1] * BLOCK]
    return cut.reshape(blocks[0], BLOCK, blocks[1], BLOCK, -1).mean((1, 3))
