"""Pictures with the finest detail there is (halftones, dithering, one-pixel stripes, noise), and the softest.

A network that has only seen photographs amplifies such detail without bound: after 8,000 steps on photographs, a
checkerboard of single pixels came out with values from -10,900 to 5,000 where white is 1. Screenshots, scanned
print and dithered pictures hold such detail, so a small share of the training pairs does as well. Soft, vivid
colours, as on a toy or a flower out of focus, are rare in photographs, too.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from magn_cli.tasks import Pixels

LARGEST_CELL = 6
"""Largest period of a repeated pattern, in pixels."""

NOISE_SIGMA = (5 / 255, 1.0)
"""Range of the standard deviation of noise, where white is 1."""


def draw_pattern(photo: Pixels, rng: np.random.Generator, noise: bool = True) -> Pixels:
    """Draw a pattern, which covers the photo or a rectangle of it.

    Args:
        photo: ``(H, W, 3)``, 0..1.
        rng: draws the kind of pattern, its colours and its contrast.
        noise: whether patterns can be noise. For a network that removes noise, they cannot.

    Returns:
        ``(H, W, 3)``, 0..1.

    Example:
        >>> import numpy as np
        >>> photo = np.full((48, 64, 3), 0.5, np.float32)
        >>> draw_pattern(photo, np.random.default_rng(0)).shape
        (48, 64, 3)
    """
    kinds = [_repeated, _checkered, _dithered, _soft, _vivid]
    if noise:
        kinds += [_noisy, _random]
    pattern = kinds[int(rng.integers(len(kinds)))](photo, rng)
    if rng.random() < 0.5:
        contrast = rng.uniform(0.1, 1.0)
        pattern = photo.mean() + (pattern - photo.mean()) * np.float32(contrast)
    pattern = np.clip(pattern, 0, 1).astype(np.float32)
    if rng.random() < 0.5:
        return pattern
    mixed = photo.copy()
    (top, bottom), (left, right) = (np.sort(rng.integers(0, side + 1, 2)) for side in photo.shape[:2])
    mixed[top:bottom, left:right] = pattern[top:bottom, left:right]
    return mixed


def _repeated(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Repeat a small random cell: stripes, checkerboards, halftones, grids."""
    largest = int(rng.integers(2, LARGEST_CELL + 1))
    rows, columns = (int(n) for n in rng.integers(1, largest + 1, 2))
    cell = _values((rows, columns), rng)
    return _coloured(_tiled(cell, photo), rng)


def _checkered(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Alternate two values, often black and white: a checkerboard or stripes of 1 to 3 pixels.

    A random cell is seldom one of these, which networks answer worst.
    """
    side, (height, width) = int(rng.integers(1, 4)), photo.shape[:2]
    rows, columns = np.arange(height)[:, None] // side, np.arange(width)[None] // side
    way = int(rng.integers(4))
    plane = (rows * (way != 0) + columns * (way != 1)) % 2 == int(rng.integers(2))
    dark, bright = (0.0, 1.0) if rng.random() < 0.5 else np.sort(rng.random(2))
    return _coloured(np.where(plane, bright, dark).astype(np.float32)[..., None], rng)


def _dithered(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Reduce the photo to black and white, or to eight colours, by random or ordered thresholds."""
    if rng.random() < 0.3:
        photo = np.repeat(photo.mean(axis=-1, keepdims=True), 3, axis=-1)
    if rng.random() < 0.5:
        thresholds = rng.random((*photo.shape[:2], 1), np.float32)
    else:
        side = int(rng.integers(2, 9))
        order = ((rng.permutation(side * side) + 0.5) / side**2).reshape(side, side, 1).astype(np.float32)
        thresholds = _tiled(order, photo)
    return (photo > thresholds).astype(np.float32)


def _soft(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Blend random colours over tens of pixels, many at black or at full strength in a channel."""
    rows, columns = (max(2, side // int(rng.integers(12, 64))) for side in photo.shape[:2])
    colours = rng.random((rows, columns, 3), np.float32)
    if rng.random() < 0.7:
        colours = np.clip(0.5 + (colours - 0.5) * np.float32(rng.uniform(1.5, 6.0)), 0, 1)
    size = photo.shape[1], photo.shape[0]
    return np.asarray(cv2.resize(colours, size, interpolation=cv2.INTER_CUBIC), np.float32)


def _vivid(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Strengthen the photo's colours until channels clip, mostly out of focus."""
    gray = photo.mean(axis=-1, keepdims=True)
    colours = np.clip(gray + (photo - gray) * np.float32(rng.uniform(2.0, 8.0)), 0, 1)
    radius = rng.uniform(0.5, 8.0)
    return colours if rng.random() < 0.3 else np.asarray(cv2.GaussianBlur(colours, (0, 0), radius), np.float32)


def _noisy(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Add white noise to the photo, in colour or in gray."""
    lowest, highest = (math.log(sigma) for sigma in NOISE_SIGMA)
    channels = 3 if rng.random() < 0.7 else 1
    noise = rng.standard_normal((*photo.shape[:2], channels), np.float32)
    return photo + noise * np.float32(math.exp(rng.uniform(lowest, highest)))


def _random(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a random value for each pixel or each square of up to 3 pixels a side."""
    side = int(rng.integers(1, 4))
    height, width = photo.shape[:2]
    values = _values((-(-height // side), -(-width // side)), rng)
    return _coloured(values.repeat(side, axis=0).repeat(side, axis=1)[:height, :width], rng)


def _tiled(cell: NDArray[np.float32], photo: Pixels) -> NDArray[np.float32]:
    """Repeat a cell over the area of a photo."""
    (height, width), (rows, columns) = photo.shape[:2], cell.shape[:2]
    return np.tile(cell, (-(-height // rows), -(-width // columns), 1))[:height, :width]


def _values(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return values 0..1 of one or three channels: two levels, or any."""
    values = rng.random((*shape, 3 if rng.random() < 0.5 else 1), np.float32)
    return (values > 0.5).astype(np.float32) if rng.random() < 0.6 else values


def _coloured(values: NDArray[np.float32], rng: np.random.Generator) -> Pixels:
    """Place values 0..1 between black and white, or between two random colours: ``(H, W, 3)``."""
    if rng.random() < 0.6:
        return np.broadcast_to(values, (*values.shape[:2], 3))
    first, second = rng.random((2, 3), np.float32)
    return first + values * (second - first)
