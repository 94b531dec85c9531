"""Estimates noise, white or coarse, with a small network that reads statistics of the picture.

The noise of a camera has been demosaiced, smoothed and compressed. Little of it is left in the finest detail,
where :mod:`magn_cli.analysis.noise` looks for white noise. What distinguishes it from texture is that it is
everywhere. The network was trained on simulated cameras by ``scripts/train_noise_estimator.py``. It runs in NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from magn_cli.analysis.noise import as_gray
from magn_cli.analysis.noise_features import noise_features
from magn_cli.images import Array

SOFT = 0.3
"""Sigma that is combined with the noise before the logarithm is taken, so that tiny noise counts as none."""

MOST = 0.6
"""Share of the error from which noise counts as dominant. On ten photos saved at JPEG quality 95, removing
artifacts gained 0.2 dB more at a share of 0.64, and denoising 0.5 dB more at 0.77."""

MIN_SIDE = 64
"""Smallest side of a picture that can be analysed, in pixels."""


@dataclass(frozen=True)
class Noise:
    """Noise of a picture, in units of 255."""

    sigma: float
    """Root mean square of the noise as it is in the picture, after any compression."""

    error: float
    """Root mean square of noise and compression together: the distance to a clean picture."""

    dominance: float
    """Probability, 0..1, that noise is what shows most: that ``sigma`` is at least :data:`MOST` of ``error``."""


def estimate_noise(pixels: Array, quality: float | None = None) -> Noise | None:
    """Estimate the noise of a picture, whatever its colour.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``; uint8, uint16 or floats 0..1.
        quality: quality of the JPEG file that the picture is from; None if it is from another format.

    Returns:
        The noise; None if the picture is smaller than 64 pixels a side.

    Example:
        >>> import numpy as np
        >>> flat = np.full((160, 160, 3), 0.5) + np.random.default_rng(0).normal(0, 10 / 255, (160, 160, 3))
        >>> 8 < estimate_noise(flat).sigma < 12
        True
    """
    if min(pixels.shape[:2]) < MIN_SIDE:
        return None
    weights = _weights()
    values = ((noise_features(as_gray(pixels), quality) - weights["mean"]) / weights["spread"]).clip(-6, 6)
    for layer in range(2):
        values = np.maximum(weights[f"{layer}.weight"] @ values + weights[f"{layer}.bias"], 0)
    values = weights["2.weight"] @ values + weights["2.bias"]
    sigma, error = np.sqrt(np.maximum(np.exp(2 * values[:2]) - SOFT**2, 0))
    return Noise(float(sigma), float(max(sigma, error)), float(1 / (1 + np.exp(-values[4]))))


@cache
def _weights() -> dict[str, NDArray[np.float32]]:
    data = resources.files("magn_cli.analysis").joinpath("noise.safetensors").read_bytes()
    return {name: tensor.astype(np.float32) for name, tensor in safetensors.numpy.load(data).items()}
