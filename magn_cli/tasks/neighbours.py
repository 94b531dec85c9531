"""Lowest and highest values in the input around each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magn_cli.runtime.lazy import LazyModule
from magn_cli.tasks.base import Pixels

if TYPE_CHECKING:
    import cv2
    import numpy as np
    from numpy.typing import NDArray

    from magn_cli import images
else:
    cv2, np, images = LazyModule("cv2"), LazyModule("numpy"), LazyModule("magn_cli.images")

REACH = 2
"""Distance in pixels of the farthest neighbours: in a Bayer mosaic, every 5x5 square has all three colours."""


def lowest_and_highest(
    network_input: NDArray[Any], start: int, count: int, *, joint: bool
) -> tuple[Pixels, Pixels]:
    """Return the extremes of the squares of 5x5 around the pixels of some rows.

    Args:
        network_input: the whole ``(H, W, 3)``, of any sample type.
        start: the first of the rows.
        count: how many rows.
        joint: of the largest channel, in the shape ``(count, W, 1)``; otherwise each channel has its own,
            ``(count, W, 3)``.
    """
    above = min(start, REACH)
    around = network_input[start - above : start + count + REACH]
    samples = images.to_float(around.max(axis=-1, keepdims=True) if joint else around)
    square, rows = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8), slice(above, above + count)
    # OpenCV drops the axis of a single channel.
    lowest, highest = (find(samples, square).reshape(samples.shape)[rows] for find in (cv2.erode, cv2.dilate))
    return np.asarray(lowest, np.float32), np.asarray(highest, np.float32)
