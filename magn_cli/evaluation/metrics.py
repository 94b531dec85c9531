"""PSNR, SSIM with both windows of the field, PSNR-B: in float64, on values 0..1.

SSIM differs by up to 0.02 between its two windows, and papers rarely say which one they used: every function
here is named after its window.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

BLOCK = 8
"""Side of a JPEG block, for PSNR-B."""


def psnr(restored: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels together; infinity where they are equal.

    Args:
        restored, reference: ``(H, W)`` or ``(H, W, C)``, 0..1.

    Raises:
        ValueError: the shapes differ.
    """
    return _decibel(float(np.square(_difference(restored, reference)).mean()))


def ssim_uniform(restored: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Structural similarity with a uniform 8x8 window over the valid region: the SSIM of Table III.

    K1 0.01, K2 0.03; the mean over channels. Arguments as :func:`psnr`; NaN below 8x8 pixels.
    """
    return _ssim(restored, reference, np.full(8, 1 / 8))


def ssim_gaussian(restored: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Structural similarity with a Gaussian window, 11x11 and sigma 1.5, over the valid region (Wang et al. 2004).

    The SSIM of Tables II and IV and of newer papers. K1 0.01, K2 0.03; the mean over channels. Arguments as
    :func:`psnr`; NaN below 11x11 pixels.
    """
    window = np.exp(-np.square(np.arange(11) - 5.0) / (2 * 1.5**2))
    return _ssim(restored, reference, window / window.sum())


def psnr_b(restored: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """PSNR lowered by the steps at the borders of 8x8 blocks, in dB (Yim and Bovik, IEEE TIP 2011).

    The blocking effect is that of ``restored``, the mean over channels. Arguments as :func:`psnr`.
    """
    error = float(np.square(_difference(restored, reference)).mean())
    return _decibel(error + blocking_effect(restored))


def blocking_effect(picture: NDArray[np.floating]) -> float:
    """Blocking effect factor: how much larger squared steps are at block borders than elsewhere, at least 0."""
    values = np.asarray(picture, np.float64)
    shortest = min(values.shape[:2])
    if shortest <= BLOCK:
        return 0.0
    border, inner = [], []
    for axis in (0, 1):
        steps = np.square(np.diff(values, axis=axis))
        at_border = np.arange(1, values.shape[axis]) % BLOCK == 0
        border.append(np.compress(at_border, steps, axis).reshape(-1))
        inner.append(np.compress(~at_border, steps, axis).reshape(-1))
    excess = np.concatenate(border).mean() - np.concatenate(inner).mean()
    return float(max(excess, 0.0) * math.log2(BLOCK) / math.log2(shortest))


def _difference(restored: NDArray[np.floating], reference: NDArray[np.floating]) -> Values:
    if restored.shape != reference.shape:
        raise ValueError(f"the pictures differ in shape: {restored.shape} and {reference.shape}")
    return np.asarray(restored, np.float64) - np.asarray(reference, np.float64)


def _decibel(error: float) -> float:
    return math.inf if error == 0 else -10 * math.log10(error)


def _ssim(restored: NDArray[np.floating], reference: NDArray[np.floating], window: Values) -> float:
    _difference(restored, reference)
    if min(restored.shape[:2]) < len(window):
        return math.nan
    pictures = (np.asarray(p, np.float64).reshape(*p.shape[:2], -1) for p in (restored, reference))
    channels = zip(*(np.moveaxis(p, 2, 0) for p in pictures), strict=True)
    return float(np.mean([_ssim_of_channel(a, b, window) for a, b in channels]))


def _ssim_of_channel(a: Values, b: Values, window: Values) -> float:
    mean_a, mean_b = _local_mean(a, window), _local_mean(b, window)
    variances = _local_mean(a * a, window) - mean_a**2 + _local_mean(b * b, window) - mean_b**2
    covariance = _local_mean(a * b, window) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(np.mean(similarity / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))))


def _local_mean(values: Values, window: Values) -> Values:
    """Weighted mean over the window, at the positions where it fits wholly into the picture."""
    blurred = cv2.sepFilter2D(np.ascontiguousarray(values), cv2.CV_64F, window, window)
    before, size = len(window) // 2, len(window) - 1
    return np.asarray(blurred[before : before + values.shape[0] - size, before : before + values.shape[1] - size])
