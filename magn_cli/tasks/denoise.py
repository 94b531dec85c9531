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
    title: ClassVar[str] = "remove noise"
    scale: ClassVar[LevelScale | None] = LevelScale("sigma", 0, 75, offset=0.0, factor=1 / 75)

    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Add Gaussian noise of standard deviation ``level`` / 255, not clipped and not rounded."""
        if level is None:
            raise UsageError("denoise needs a sigma; give --level with a number from 0 to 75.")
        return clean + rng.standard_normal(clean.shape, np.float32) * np.float32(level / 255)

    def find_level(self, photo: Photo) -> FoundLevel:
        """Estimate sigma from the picture."""
        return FoundLevel(round(estimate_sigma(to_float(photo.pixels)), 1), "estimated from the picture")


def estimate_sigma(pixels: Pixels) -> float:
    """Estimate the standard deviation of white noise, in units of 255.

    The median of the diagonal detail of a Haar wavelet over 0.6745 (Donoho and Johnstone, Biometrika 1994),
    the mean over channels. Fine texture counts as noise. 0 for a picture of a single row or column.
    """
    even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
    detail = (even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]) / 2
    if not detail.size:
        return 0.0
    return float(np.mean(np.median(np.abs(detail), axis=(0, 1)))) * 255 / 0.6745
