"""Statistics of a picture from which its noise is estimated.

Noise is everywhere, texture and edges are not. So the statistics are the quantiles of the detail in small blocks:
in luma and chroma, at three scales, because noise of cameras is coarse, and by brightness, because it is uneven.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from magn_cli.analysis.jpeg_blocks import steps_by_column
from magn_cli.images import Array, to_float
from magn_cli.runtime.lazy import LazyModule

if TYPE_CHECKING:
    import cv2
else:
    # OpenCV takes a while to import, and changes the environment.
    cv2 = LazyModule("cv2")

Float = NDArray[np.float32]

TILE = 256
"""Side of the tiles of a large picture, in pixels; a multiple of JPEG's 8x8 blocks."""

TILES_A_SIDE = 4
"""Tiles along each side of a large picture."""

SCALES = {1: 8, 2: 8, 4: 4}
"""Factors by which the picture is reduced, and the side of the blocks in the reduced picture."""

QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.8)
QUIET = (0.05, 0.35)
"""Quantiles between which blocks count as quiet, where the shape of the distribution is measured."""

DARK_TO_LIGHT = (48, 96, 176)
"""Borders between the ranges of brightness, 0..255."""

MIN_BLOCKS = 8
"""Minimum number of blocks for which a statistic is meaningful."""

ZERO = 0.01
"""Mean square of the detail below which JPEG has left nothing of it, in squared units of 255."""

SOFT = 0.1
"""Value added before each logarithm, in units of 255."""

_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
_DIAGONAL = np.array([[1, -1], [-1, 1]], np.float32) / 2
_SECOND = np.array([[1, -2, 1]], np.float32) / np.float32(6**0.5)

COUNT = 155
"""Number of statistics."""


def noise_features(pixels: Array, quality: float | None = None) -> Float:
    """Return the statistics of a picture.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``, at least 64 pixels a side; uint8, uint16 or floats 0..1. Of pictures
            above 1 megapixel, 16 tiles are measured.
        quality: quality of the JPEG file that the picture is from; None if it is from another format.

    Returns:
        ``(155,)``.

    Example:
        >>> import numpy as np
        >>> noise_features(np.zeros((64, 64, 3), np.uint8)).shape
        (155,)
    """
    blocks: dict[tuple[int, int], list[dict[str, Float]]] = defaultdict(list)
    steps = []
    for tile in _tiles(pixels):
        channels = _channels(tile)
        steps.append(_steps_by_phase(channels[0]))
        for (index, channel), (scale, side) in product(enumerate(channels), SCALES.items()):
            blocks[index, scale].append(_measured(_reduced(channel, scale), side))
    features: list[float] = []
    for index, scale in product(range(3), SCALES):
        if (index, scale) not in blocks:
            features += [float(np.log(SOFT))] * (3 * len(QUANTILES))
            continue
        found = {
            name: np.concatenate([part[name] for part in blocks[index, scale]]) for name in blocks[index, scale][0]
        }
        for kind in ("diagonal", "weaker", "stronger"):
            features += _log(np.quantile(found[kind], QUANTILES)).tolist()
        if index == 0 and scale < 4:
            features += _of_luma(found, finest=scale == 1)
    profile = np.mean(steps, axis=0) + 0.02
    features += [float(np.log(phases.max() / np.median(phases))) for phases in profile]
    features += [0.0, 0.0] if quality is None else [1.0, (100 - quality) / 50]
    features.append(float(pixels.ndim == 2))
    return np.array(features, np.float32)


def _tiles(pixels: Array) -> list[Array]:
    if pixels.shape[0] * pixels.shape[1] <= (TILE * TILES_A_SIDE) ** 2:
        return [pixels]
    rows, columns = (
        sorted({int(n) // 8 * 8 for n in np.linspace(0, max(side - TILE, 0), TILES_A_SIDE)})
        for side in pixels.shape[:2]
    )
    return [pixels[y : y + TILE, x : x + TILE] for y, x in product(rows, columns)]


def _channels(tile: Array) -> list[Float]:
    """Return luma and, for colour, Cb and Cr, each ``(H, W)`` in units of 255."""
    values = np.ascontiguousarray(to_float(tile), np.float32)
    if values.ndim == 2:
        return [values * 255]
    return [np.asarray(c, np.float32) for c in cv2.split(cv2.transform(values, _TO_YCC) * 255)]


def _reduced(channel: Float, factor: int) -> Float:
    """Return the means of squares of ``factor`` pixels a side, without an incomplete rest."""
    height, width = (side // factor for side in channel.shape)
    whole = channel[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _measured(channel: Float, side: int) -> dict[str, Float]:
    """Return the mean square of the detail of each block, and of luma what else is needed, each ``(blocks,)``."""
    detail = cv2.filter2D(channel, -1, _DIAGONAL)[1:, 1:]
    diagonal = _reduced(np.square(detail), side)
    across = _reduced(np.square(cv2.filter2D(channel, -1, _SECOND)[1:-1, 1:-1]), side)
    down = _reduced(np.square(cv2.filter2D(channel, -1, _SECOND.T)[1:-1, 1:-1]), side)
    rows, columns = diagonal.shape
    return {
        "diagonal": diagonal.ravel(),
        "weaker": np.minimum(across, down).ravel(),
        "stronger": np.maximum(across, down).ravel(),
        "absolute": _reduced(np.abs(detail), side).ravel(),
        "brightness": _reduced(channel, side)[:rows, :columns].ravel(),
    }


def _of_luma(found: dict[str, Float], finest: bool) -> list[float]:
    """Return how Gaussian the quiet blocks are, and the quiet detail in each range of brightness."""
    energy = found["diagonal"]
    low, high = np.quantile(energy, QUIET)
    quiet = (energy >= low) & (energy <= high) & (energy > 0.02)
    ratio = found["absolute"][quiet] / np.sqrt(energy[quiet])
    features = [float(ratio.mean()) if quiet.sum() > 4 else 0.8]
    usual = _log(np.quantile(energy, 0.1))
    of = np.digitize(found["brightness"], DARK_TO_LIGHT)
    for index in range(len(DARK_TO_LIGHT) + 1):
        count = int((of == index).sum())
        features.append(float(_log(np.quantile(energy[of == index], 0.1)) - usual) if count >= MIN_BLOCKS else 0.0)
        if finest:
            features.append(count / of.size)
    return [*features, float((energy < ZERO).mean())] if finest else features


def _steps_by_phase(luma: Float) -> Float:
    """Return ``(2, 8)``: mean third difference at each column and row of JPEG's 8x8 grid, without edges."""
    return np.array([steps_by_column(luma), steps_by_column(luma.T)], np.float32)


def _log(energy: ArrayLike) -> NDArray[np.float64]:
    return np.log(np.sqrt(np.maximum(np.asarray(energy), 0)) + SOFT)
