"""How strong the noise of a photo is, white or coarse: a small network that looks at many pieces of it.

Noise of a camera cannot be read off the finest detail, as white noise can (:mod:`magn_cli.analysis.noise`): the
camera has smoothed it and JPEG has taken it away. What tells it from texture is that it is everywhere. The network
was trained on simulated cameras (``scripts/train_noise_estimator.py``); it needs no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from magn_cli.images import Array, to_float

Float = NDArray[np.float32]

TILE = 160
"""Pixels a side of the pieces that are looked at, as in training."""

MAX_TILES = 48
"""Pieces of a large picture that are looked at, evenly spread: 1.2 megapixels."""

MIN_SIDE = 48
"""Pixels a side below which nothing can be said."""

QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.85)
FLOOR = 1e-7
OFFSET = 0.3
"""As in training: of the blocks' energies, and what is added to them and to sigma before a logarithm is taken."""

QUIET_SHARE = 0.1
"""Share of the pieces that may be quieter than what counts as the floor."""


@dataclass(frozen=True)
class NoiseEstimate:
    """Of one picture, in units of 255."""

    noise: float
    """Root mean square of the noise that is in the picture, after any JPEG compression."""

    error: float
    """The same of noise and compression together: what separates the picture from a clean one."""

    floor: float
    """Noise of the quiet places. In a noisy picture it is not far below ``noise``; texture alone leaves some
    places without."""


def estimate_noise(pixels: Array) -> NoiseEstimate | None:
    """Look at ``(H, W)`` or ``(H, W, 3)``, uint8, uint16 or floats 0..1; None: it is too small to say.

    >>> import numpy as np
    >>> flat = np.full((160, 160), 0.5) + np.random.default_rng(0).normal(0, 10 / 255, (160, 160))
    >>> 9 < estimate_noise(flat.astype(np.float32)).noise < 11
    True
    """
    if min(pixels.shape[:2]) < MIN_SIDE:
        return None
    found = np.array([_estimate(to_float(tile)) for tile in _tiles(pixels)])
    noise, error = np.sqrt(np.square(found).mean(0))
    return NoiseEstimate(float(noise), float(error), float(np.quantile(found[:, 0], QUIET_SHARE)))


def _tiles(pixels: Array) -> list[Array]:
    """Pieces of :data:`TILE` pixels a side (or the whole picture), at most :data:`MAX_TILES`, evenly spread."""
    sides = pixels.shape[:2]
    counts = [max(1, side // TILE) for side in sides]
    if counts[0] * counts[1] > MAX_TILES:
        shrink = math.sqrt(MAX_TILES / (counts[0] * counts[1]))
        counts = [max(1, min(count, math.floor(count * shrink))) for count in counts]
    places = [
        np.linspace(0, max(0, side - TILE), count).round().astype(int)
        for side, count in zip(sides, counts, strict=True)
    ]
    return [pixels[row : row + TILE, column : column + TILE] for row in places[0] for column in places[1]]


@cache
def _weights() -> dict[str, Float]:
    file = resources.files(__package__).joinpath("noise.safetensors")
    return dict(safetensors.numpy.load(file.read_bytes()))


def _estimate(tile: Float) -> Float:
    """Noise and error of one piece."""
    weights = _weights()
    if tile.ndim == 2:
        tile = np.repeat(tile[..., None], 3, axis=2)
    features, level = [], tile
    for scale in range(3):
        if scale:
            level = _pooled(level, 2)
        energy = _pooled(np.square(_filtered(level, weights[f"filters.{scale}"])), 8 >> scale)
        logs = np.log(energy.reshape(-1, energy.shape[2]) + np.float32(FLOOR))
        features.append(np.quantile(logs, QUANTILES, axis=0).T.ravel())
    x = np.concatenate([*((f + 9) / 3 for f in features), tile.mean((0, 1))]).astype(np.float32)
    for layer in range(3):
        x = weights[f"layers.{layer}.weight"] @ x + weights[f"layers.{layer}.bias"]
        if layer < 2:
            x = np.maximum(x, 0)
    result: Float = np.maximum(np.exp(x) - np.float32(OFFSET), 0)
    return result


def _filtered(pixels: Float, filters: Float) -> Float:
    """``(H, W, 3)`` through filters ``(F, 3, 5, 5)``, without mean and of length one: ``(H - 4, W - 4, F)``."""
    filters = filters - filters.mean((2, 3), keepdims=True)
    flat = filters.reshape(len(filters), -1)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (5, 5), (0, 1))
    rows, columns = windows.shape[:2]
    out: Float = (windows.reshape(rows * columns, -1) @ flat.T).reshape(rows, columns, -1)
    return out


def _pooled(values: Float, size: int) -> Float:
    """``(H, W, C)`` to the means of its whole squares."""
    rows, columns = (side // size for side in values.shape[:2])
    cut = values[: rows * size, : columns * size]
    out: Float = cut.reshape(rows, size, columns, size, -1).mean((1, 3))
    return out
