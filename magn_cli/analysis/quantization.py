"""Determines JPEG quality from quantization tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nearest_quality(luma: NDArray[np.int_], chroma: NDArray[np.int_] | None = None) -> tuple[int, bool]:
    """Return the libjpeg quality (1-100) with the nearest tables, and whether they are equal.

    The distance compares the logarithms of the steps, so a table of another encoder gets a quality of similar
    coarseness.

    Args:
        luma: 8x8 table in natural order.
        chroma: the same for chroma; None if the file is gray.
    """
    tables = [(luma, _LUMA), (chroma, _CHROMA)] if chroma is not None else [(luma, _LUMA)]
    distances = [
        sum(
            float(np.abs(np.log(np.maximum(given, 1)) - np.log(_scaled(base, quality))).sum())
            for given, base in tables
        )
        for quality in range(1, 101)
    ]
    best = int(np.argmin(distances))
    return best + 1, distances[best] == 0


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
