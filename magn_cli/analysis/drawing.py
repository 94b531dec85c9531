"""Whether a picture is a drawing or text and no photograph."""

from __future__ import annotations

import numpy as np

from magn_cli.analysis.noise import as_gray
from magn_cli.images import Array

CROP_SIDE = 512
"""Pixels a side, in the middle, by which drawings are known."""


def is_drawing(pixels: Array) -> bool:
    """Whether 8-bit ``(H, W)`` or ``(H, W, 3)`` has too few colours for a photograph.

    In the middle 512 x 512 pixels: no more than 256 (fewer in small pictures), or one for 256 pixels; in gray, one
    that most pixels have.
    """
    if pixels.dtype != np.uint8:
        return False
    begin = [max(0, (side - CROP_SIDE) // 2) for side in pixels.shape[:2]]
    crop = as_gray(pixels[begin[0] : begin[0] + CROP_SIDE, begin[1] : begin[1] + CROP_SIDE])
    if crop.ndim == 2:
        return bool(np.bincount(crop.ravel(), minlength=256).max() > crop.size / 2)
    packed = crop.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    return len(np.unique(packed)) <= max(min(256, packed.size // 8), packed.size // 256)
