"""Convert colour to gray as the paper's test sets do (Matlab's two conversions)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def luma(rgb: Float) -> Float:
    """Matlab's ``rgb2ycbcr`` luma (BT.601, 16-235), rounded to 8 bit. Gray of the JPEG sets (Table III).

    Args:
        rgb: ``(..., 3)``, 0..1.

    Returns:
        ``(...)``, 0..1.
    """
    return _rounded(16 + rgb @ np.array([65.481, 128.553, 24.966]))


def gray(rgb: Float) -> Float:
    """Matlab's ``rgb2gray``, rounded to 8 bit. Gray of the denoising sets (Table II). Shapes as :func:`luma`."""
    return _rounded(255 * (rgb @ np.array([0.2989, 0.5870, 0.1140])))


def _rounded(values: NDArray[np.float64]) -> Float:
    # Matlab rounds halves up, numpy to even.
    return (np.floor(values + 0.5) / 255).astype(np.float32)
