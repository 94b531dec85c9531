"""Estimates the strength of white noise in a picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from magn_cli.analysis.jpeg_blocks import BLOCKS, Grid, find_grid
from magn_cli.images import Array, to_float

Float = NDArray[np.float32]

BLOCK = 8
"""Side of a block of wavelet detail, which is 16 pixels of the picture."""

QUIET = 0.1, 0.875
QUIETEST = 0.01, 0.796
"""A share of the blocks, and the standard deviation that this share of them stays below for pure noise of sigma 1:
the root of that quantile of chi-squared with 64 degrees of freedom, divided by 64."""

UNEVEN = 0.65
"""Ratio between the estimate from the quietest hundredth of the blocks and that from the quietest tenth. Below
this ratio, the lower estimate is used.

Noise is everywhere, texture rarely is: noisy photographs saved as JPEG 4:2:0 have 0.78 to 0.92, and most
photographs whose texture is mistaken for noise have less than 0.45.
"""

MIN_BLOCKS = 16
"""Minimum number of blocks for which the quietest tenth is meaningful."""

MAX_BLOCKS = 16_384
"""Blocks above which only every second row of blocks is looked at, or every third, and so on. They are those of 4
megapixels."""

BLOCK_ROWS = 32
"""Rows of blocks that are processed together."""

PATCH = 8
MAX_PATCHES = 60_000
"""Side and maximum number of patches; the covariance of colour patches has 192 x 192 entries."""

NOT_WHITE = 0.2
"""Ratio of the two estimates below which real noise is not white."""

HALVED_CHROMA = 0.2
"""Ratio of fine to coarse detail in chroma. Below it, chroma was once stored at half the size.

126 training photographs with full chroma have 0.21 and more. With noise of sigma 10 or 25, then JPEG 4:2:0 of
quality 95, nine in ten have less.
"""

TEXTURE = 10
"""Sigma that texture alone never reaches: by detail, none of those photographs is estimated above it."""

MAX_SIDE = 2048
"""Largest side of the part whose chroma is analysed, in the middle of the picture, in pixels."""

CLIPPED = 30
"""Sigma above which clipping at black and white affects most patches."""


def estimate_sigma(
    pixels: Array, halved_chroma: bool = False, grid: Callable[[], Grid | None] | None = None
) -> float:
    """Estimate the standard deviation of white noise.

    Returns the lower of two estimates, because each mistakes some texture for noise: one from wavelet detail
    (:func:`sigma_of_detail`) and one from patches (:func:`sigma_of_patches`). Patches show no noise if chroma was
    stored at half the size, as in most JPEG files. If this is known or visible, the quietest blocks decide.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``; uint8, uint16, or floats 0..1.
        halved_chroma: True if chroma is known to have been stored at half the size.
        grid: returns the 8x8 grid of these pixels; None to find it here if it is needed.

    Returns:
        Sigma in units of 255; 0 for a picture below 2x2 pixels.

    Example:
        >>> import numpy as np
        >>> flat = np.full((160, 160), 0.5) + np.random.default_rng(0).normal(0, 10 / 255, (160, 160))
        >>> 9.5 < estimate_sigma(flat.astype(np.float32)) < 10.5
        True
    """
    pixels = as_gray(pixels)
    sigma, least = sigma_of_detail(pixels)
    if min(pixels.shape[:2]) < 4 * PATCH or not 0 < sigma < CLIPPED:
        return sigma
    if not halved_chroma:
        white = sigma_of_patches(pixels, sigma)
        if (
            white >= NOT_WHITE * sigma
            or pixels.ndim == 2
            or not (sigma > TEXTURE or _shows_halved_chroma(pixels, grid))
        ):
            return min(sigma, white)
    return least if least < UNEVEN * sigma else sigma


def as_gray(pixels: Array) -> Array:
    """Return ``(H, W)`` if all channels of ``(H, W, 3)`` are equal, else the pixels unchanged."""
    if pixels.ndim == 2:
        return pixels
    # A few pixels are enough to recognize most colour pictures.
    for some in (pixels[::37, ::37], pixels):
        if (some != some[..., :1]).any():
            return pixels
    return pixels[..., 0]


def sigma_of_detail(pixels: Array) -> tuple[float, float]:
    """Estimate sigma from the diagonal detail of a Haar wavelet; pixels as for :func:`estimate_sigma`.

    This follows Donoho and Johnstone (Biometrika 1994), but in the quietest blocks, because texture is detail as
    well. Small pictures use the median of the absolute detail; of large ones, some rows of blocks are skipped. The
    result is the median over channels. Blocks in which clipping at black and white removed noise are ignored if
    there are others.

    Returns:
        Two estimates in units of 255: from the quietest tenth of the blocks, and from the quietest hundredth.
    """
    size = [side // 2 for side in pixels.shape[:2]]
    if not size[0] * size[1]:
        return 0.0, 0.0
    blocks = size[0] // BLOCK, size[1] // BLOCK
    if blocks[0] * blocks[1] < MIN_BLOCKS:
        detail, _ = _halved(pixels)
        sigma = float(np.median(np.median(np.abs(detail), axis=(0, 1)))) * 255 / 0.6745
        return sigma, sigma
    step = -(-blocks[0] * blocks[1] // MAX_BLOCKS)
    rows = pixels[: 2 * BLOCK * blocks[0]].reshape(blocks[0], 2 * BLOCK, *pixels.shape[1:])[::step]
    power, light = [], []
    for first in range(0, len(rows), BLOCK_ROWS):
        detail, corner = _halved(np.concatenate(rows[first : first + BLOCK_ROWS]))
        power.append(_block_means(np.square(detail)).reshape(-1, detail.shape[2]))
        light.append(_block_means(corner).reshape(-1, detail.shape[2]))
    channels = list(zip(np.concatenate(power).T, np.concatenate(light).T, strict=True))
    tenth, hundredth = (
        255 * float(np.median([_sigma_of_blocks(*channel, *quiet) for channel in channels]))
        for quiet in (QUIET, QUIETEST)
    )
    return tenth, hundredth


def _sigma_of_blocks(power: Array, light: Array, share: float, std: float) -> float:
    """Return sigma on the scale 0..1 from the blocks of one channel: their mean squared detail and their mean."""
    margin, sigma = 0.06, 0.0
    # The stronger the noise, the farther from black and white it is clipped.
    for _ in range(3):
        usable = (light > margin) & (light < 1 - margin)
        if usable.sum() < MIN_BLOCKS:
            break
        sigma = float(np.sqrt(np.quantile(power[usable], share))) / std
        margin = max(0.06, min(2 * sigma, 0.4))
    return sigma or float(np.sqrt(np.quantile(power, share))) / std


def sigma_of_patches(pixels: Array, about: float) -> float:
    """Estimate sigma from the flat directions in the space of 8x8 patches over all channels.

    This is the method of Chen, Zhu and Heng (ICCV 2015): texture fills few directions of that space, noise fills
    all of them equally.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``, at least 32 pixels a side.
        about: first estimate in units of 255, used to exclude patches that are affected by clipping.

    Returns:
        Sigma in units of 255.
    """
    channelled = pixels[..., None] if pixels.ndim == 2 else pixels
    height, width, channels = channelled.shape
    step = int(np.ceil(((height - PATCH + 1) * (width - PATCH + 1) / MAX_PATCHES) ** 0.5))
    # An odd step covers all phases of an 8x8 grid.
    step += step % 2 == 0
    windows = np.lib.stride_tricks.sliding_window_view(channelled, (PATCH, PATCH), (0, 1))[::step, ::step]
    patches = to_float(windows.reshape(-1, channels * PATCH * PATCH)).astype(np.float64)
    margin = max(0.01, min(2 * about / 255, 0.4))
    means = patches.reshape(len(patches), channels, -1).mean(-1)
    usable = ((means > margin) & (means < 1 - margin)).all(-1)
    if usable.sum() >= 16 * patches.shape[1]:
        patches = patches[usable]
    patches -= patches.mean(0)
    values = np.linalg.eigvalsh(patches.T @ patches / len(patches))
    for count in range(len(values), 0, -1):
        flat = values[:count].mean()
        if (values[:count] > flat).sum() >= (values[:count] < flat).sum():
            break
    return 255 * float(np.sqrt(max(flat, 0.0)))


def _shows_halved_chroma(pixels: Array, find: Callable[[], Grid | None] | None) -> bool:
    begin = [max(0, (side - MAX_SIDE) // 2) for side in pixels.shape[:2]]
    crop = to_float(pixels[begin[0] : begin[0] + MAX_SIDE, begin[1] : begin[1] + MAX_SIDE])
    red, green, blue = np.moveaxis(crop, -1, 0)
    chroma = np.stack([red - blue, red - 2 * green + blue], -1)
    rows, columns = (side // 2 for side in chroma.shape[:2])
    smaller = chroma[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, 2).mean((1, 3))
    fine, coarse = (np.square(_halved(values)[0]).mean((0, 1)) for values in (chroma, smaller))
    if (fine < HALVED_CHROMA * coarse).all():
        return True
    grid = find() if find is not None else find_grid(pixels)
    return grid is not None and grid.contrast > BLOCKS


def _halved(pixels: Array) -> tuple[Float, Float]:
    """Return the diagonal detail and every second pixel, both ``(H / 2, W / 2, C)``."""
    rows, columns = (side // 2 * 2 for side in pixels.shape[:2])
    even = to_float(pixels[:rows, :columns]).reshape(rows, columns, -1)
    detail = even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]
    return detail * np.float32(0.5), even[::2, ::2]


def _block_means(values: Float) -> Float:
    """Return the means of the complete blocks of ``(H, W, C)``."""
    rows, columns = (side // BLOCK for side in values.shape[:2])
    cut = values[: rows * BLOCK, : columns * BLOCK]
    return cut.reshape(rows, BLOCK, columns, BLOCK, -1).mean((1, 3))
