"""Simulates a sensor: colour filters, exposure and noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

TYPICAL_MATRIX = np.array([[1.75, -0.65, -0.10], [-0.20, 1.50, -0.30], [0.00, -0.55, 1.55]])
"""Matrix from white-balanced camera colours to linear sRGB. Its rows sum to one, so that gray stays gray.

It is typical for the DNG colour matrices of common cameras. Brooks et al. print four of them ("Unprocessing Images
for Learned Raw Denoising", CVPR 2019).
"""


@dataclass(frozen=True)
class Sensor:
    """One exposure: colours, white balance and noise."""

    to_srgb: NDArray[np.float64]
    """``(3, 3)``, from white-balanced camera colours to linear sRGB."""

    balance: tuple[float, float, float]
    """White-balance gains of red, green and blue. Raw values are divided by these."""

    shot: float
    """Variance of the noise per unit of signal (Poisson)."""

    read: float
    """Variance of the noise without light (Gaussian)."""

    rows: float
    """Standard deviation of the noise that all pixels of a row share."""

    phase: tuple[int, int]
    """Row and column of red in the Bayer pattern, 0 or 1."""


def draw_sensor(rng: np.random.Generator, sigma: float) -> Sensor:
    """Draw a sensor whose noise in the developed picture is of the order of ``sigma``, in units of 255.

    Shot and read noise follow Brooks et al. 2019, section 3.1: their logarithms are on a line, with some spread.
    The gains of red and blue have a wider range than theirs, to include warm and cold light.
    """
    strength, jitter = rng.uniform(0.3, 1.0), rng.uniform(-0.15, 0.15, (3, 3))
    matrix = np.eye(3) + strength * (TYPICAL_MATRIX + jitter - np.eye(3))
    matrix /= matrix.sum(1, keepdims=True)
    shot = float(np.clip((max(sigma, 0.5) / 255) ** 2 * math.exp(rng.normal(-0.5, 0.5)), 1e-5, 0.05))
    read = math.exp(2.18 * math.log(shot) + 1.20 + rng.normal(0, 0.4))
    rows = math.sqrt(read) * rng.uniform(0.1, 0.5) if rng.random() < 0.15 else 0.0
    balance = rng.uniform(1.3, 2.6), 1.0, rng.uniform(1.2, 2.4)
    phase = int(rng.integers(2)), int(rng.integers(2))
    return Sensor(matrix, balance, shot, min(read, 2e-3), rows, phase)


def expose(linear: Float, sensor: Sensor, rng: np.random.Generator) -> tuple[Float, Float]:
    """Return the white-balanced mosaic ``(H, W)`` of linear sRGB ``(H, W, 3)``, without and with noise.

    Noisy values above white are clipped, as sensors saturate; values below black are kept.
    """
    colours = linear @ np.linalg.inv(sensor.to_srgb).T.astype(np.float32)
    np.clip(colours, 0, 1, out=colours)
    clean = mosaic(colours, sensor.phase)
    gain = np.empty_like(clean)
    for row, column, channel in sites(sensor.phase):
        gain[row::2, column::2] = sensor.balance[channel]
    # The raw value is the balanced value divided by its gain, which later multiplies the noise.
    deviation = np.sqrt(clean * (sensor.shot * gain) + sensor.read * gain**2)
    noise = rng.standard_normal(clean.shape, np.float32) * deviation
    if sensor.rows:
        noise += rng.standard_normal((len(clean), 1), np.float32) * np.float32(sensor.rows) * gain
    return clean, np.minimum(clean + noise, 1)


def sites(phase: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Return row, column and channel of the four sites in a Bayer pattern with red at ``phase``."""
    row, column = phase
    return [(row, column, 0), (row, 1 - column, 1), (1 - row, column, 1), (1 - row, 1 - column, 2)]


def mosaic(rgb: Float, phase: tuple[int, int]) -> Float:
    """Sample ``(H, W, 3)`` with a Bayer pattern; returns ``(H, W)``."""
    out = np.empty(rgb.shape[:2], np.float32)
    for row, column, channel in sites(phase):
        out[row::2, column::2] = rgb[row::2, column::2, channel]
    return out
