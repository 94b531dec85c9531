"""Determines JPEG quality from quantization tables."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LUMA_DETAIL, CHROMA_DETAIL = (88.0, -1.41), (20.0, -1.34)
"""Standard deviation of a coefficient of photographs at distance 1 from the mean of its block, and the power of
the distance by which it falls. Fitted to the mean absolute coefficients of 60 photographs for training."""

CHROMA_WEIGHT = 1.9
"""What an error of both chroma channels adds to the mean square error of RGB, where one of luma adds 1."""


def nearest_quality(luma: NDArray[np.int_], chroma: NDArray[np.int_] | None = None) -> tuple[int, bool]:
    """Return the libjpeg quality (1-100) that is nearest to the tables, and whether it has the very tables.

    Tables of another encoder get the quality whose tables are expected to do a photograph as much harm, in mean
    square error.

    Args:
        luma: 8x8 table in natural order.
        chroma: the same for chroma; None if the file is gray.
    """
    own = [(_scaled(_LUMA, quality), _scaled(_CHROMA, quality)) for quality in range(1, 101)]
    for quality, (one, two) in enumerate(own, 1):
        if np.array_equal(luma, one) and (chroma is None or np.array_equal(chroma, two)):
            return quality, True
    given = _expected_error(luma, chroma)
    harm = [_expected_error(one, None if chroma is None else two) for one, two in own]
    return int(np.argmin(np.abs(np.log(harm) - np.log(given)))) + 1, False


def _expected_error(luma: NDArray[np.int_], chroma: NDArray[np.int_] | None) -> float:
    error = _laplacian_error(luma, LUMA_DETAIL)
    return error if chroma is None else error + CHROMA_WEIGHT * _laplacian_error(chroma, CHROMA_DETAIL)


def _laplacian_error(table: NDArray[np.int_], detail: tuple[float, float]) -> float:
    """Return the mean square error that a table does to coefficients with the distribution of Laplace.

    With density ``rate / 2 * exp(-rate * |x|)``, values below half a step become 0; each further step, rounded to
    its middle, has the error of the one before it times ``exp(-rate * step)``.
    """
    size, power = detail
    distance = np.hypot(*np.mgrid[:8, :8])
    distance[0, 0] = 1  # The mean of a block varies so much that its error is that of its step.
    rate = math.sqrt(2) / (size * distance**power)
    rate[0, 0] = 1e-3
    step = np.maximum(table, 1).astype(float)
    half = step / 2

    def beyond(value: NDArray[np.float64]) -> NDArray[np.float64]:
        """The integral of x^2 rate exp(-rate x) from a value on."""
        return np.exp(-rate * value) * (value**2 + 2 * value / rate + 2 / rate**2)

    first = beyond(np.zeros_like(half)) - beyond(half)
    others = (beyond(-half) - beyond(half)) / np.expm1(rate * step)
    return float((first + others).mean())


def _scaled(base: NDArray[np.int_], quality: int) -> NDArray[np.int_]:
    """Scale a table of Annex K as libjpeg does (jpeg_quality_scaling, baseline)."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((base * scale + 50) // 100, 1, 255)


# ITU-T T.81, Annex K, tables K.1 and K.2.
_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_CHROMA = np.full((8, 8), 99)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
