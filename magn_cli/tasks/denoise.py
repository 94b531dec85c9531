"""Gaussian noise: the degradation of Table II."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, ClassVar

import numpy as np

from magn_cli.analysis.noise import estimate_sigma
from magn_cli.camera import camera_noise, draw_camera, draw_sharpness
from magn_cli.errors import UsageError
from magn_cli.images import Photo
from magn_cli.tasks.base import FoundLevel, LevelScale, PairOptions, Pixels, Task, TrainingPair, ValidationCase

CAMERA_SIGMA = 0.6, 35.0
"""Lowest and highest noise of a camera in training, drawn evenly on a logarithmic scale."""

UNEVEN = 0.15
"""Standard deviation of the logarithm by which the noise of a crop may differ from that of its picture."""

CAMERA_CASES = 5, 10, 20
"""Sigma of the camera noise that training validates on."""


class Denoise(Task):
    """Remove noise; level: the standard deviation sigma in units of 255, 0-75."""

    name: ClassVar[str] = "denoise"
    scale: ClassVar[LevelScale | None] = LevelScale("sigma", 0, 75, offset=0.0, factor=1 / 75)
    paper_levels: ClassVar[tuple[float | None, ...]] = (15, 25, 50)
    control_levels: ClassVar[tuple[float, ...]] = (5, 15, 25, 50, 75)
    control_degraded_at: ClassVar[float] = 25

    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Add Gaussian noise of standard deviation ``level`` / 255, not clipped and not rounded."""
        if level is None:
            raise UsageError("denoise needs a sigma; give --level with a number from 0 to 75.")
        return clean + rng.standard_normal(clean.shape, np.float32) * np.float32(level / 255)

    def training_pair(self, clean: Pixels, rng: np.random.Generator, pairs: PairOptions) -> TrainingPair:
        """Draw white noise, or the noise of a camera.

        A crop with camera noise is told the noise that is in it, compression included, give or take a fifth: users
        know that of a picture, and noise is stronger in some places than in others.
        """
        if rng.random() >= pairs.camera:
            return super().training_pair(clean, rng, pairs)
        lowest, highest = CAMERA_SIGMA
        sigma = math.exp(rng.uniform(math.log(lowest), math.log(highest)))
        clean = draw_sharpness(clean, rng)
        degraded = camera_noise(clean, sigma, draw_camera(rng, sigma), rng, exact=False)
        found = 255 * float(np.sqrt(np.square(degraded - clean, dtype=np.float64).mean()))
        told = min(found * math.exp(UNEVEN * rng.standard_normal()), 75.0)
        return TrainingPair(clean, degraded, told, {})

    def validation_cases(self, pairs: PairOptions) -> tuple[ValidationCase, ...]:
        """Return the noise of cameras, where the network is trained on it."""
        if not pairs.camera:
            return ()
        return tuple(ValidationCase(f"camera_{sigma}", sigma, partial(_camera, sigma)) for sigma in CAMERA_CASES)

    def find_level(self, photo: Photo) -> FoundLevel:
        """Estimate sigma from the picture."""
        tables = photo.quantization
        halved = tables is not None and tables.subsampling not in ("4:4:4", "4:0:0")
        return FoundLevel(round(estimate_sigma(photo.pixels, halved), 1), "estimated from the picture")

    def strength(self, level: float) -> float:
        """Return 1 from sigma 2.5 up, then less, to 0 at 1.2.

        Of 126 clean photographs one in six is estimated higher than 1.2, one in 25 higher than 2.5. On pieces of
        photographs with noise of sigma 1.5, what is applied gains 0.7 dB in the median, at sigma 2 1.7; fine
        texture that is taken for noise loses at either.
        """
        return min(1.0, max(0.0, (level - 1.2) / 1.3))


def _camera(sigma: float, clean: Pixels, rng: np.random.Generator) -> Pixels:
    return camera_noise(clean, sigma, draw_camera(rng, sigma), rng)
