"""Tells drawings and text from photographs."""

from __future__ import annotations

import numpy as np

from magn_cli.analysis.noise import as_gray
from magn_cli.images import Array

CROP_SIDE = 512
"""Side in pixels of the middle part that decides."""


def is_drawing(pixels: Array) -> bool:
    """Return whether a picture has too few colours for a photograph.

    It counts them in the middle 512 x 512 pixels. A colour drawing has at most 256 colours (fewer in small
    pictures) or one for every 256 pixels. In a gray drawing, one value covers more than half of the pixels.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``. Only uint8 can be a drawing.
    """
    if pixels.dtype != np.uint8:
        return False
    begin = [max(0, (side - CROP_SIDE) // 2) for side in pixels.shape[:2]]
    crop = as_gray(pixels[begin[0] : begin[0] + CROP_SIDE, begin[1] : begin[1] + CROP_SIDE])
    if crop.ndim == 2:
        return bool(np.bincount(crop.ravel(), minlength=256).max() > crop.size / 2)
    packed = crop.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    return len(np.unique(packed)) <= max(min(256, packed.size // 8), packed.size // 256)
