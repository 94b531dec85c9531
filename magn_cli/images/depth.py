"""Convert between sample types of files (uint8, uint16, float32) and floats."""

from typing import Any

import numpy as np
import numpy.typing as npt

from magn_cli.images.photo import Array

_PIECE = 16
_TOLERANCE = 0.1
"""Of the mean of a piece: more than noise of sigma 75 moves it by."""


def to_float(pixels: Array) -> npt.NDArray[np.float32]:
    """Samples on the scale 0..1 as float32: uint8 / 255, uint16 / 65535, float32 as it is.

    Any shape. Raises TypeError for another sample type.
    """
    if pixels.dtype == np.float32:
        return pixels
    return pixels.astype(np.float32) / np.float32(full_scale(pixels.dtype))


def from_float(values: Array, dtype: npt.DTypeLike) -> Array:
    """Samples of ``dtype`` from floats on the scale 0..1, any shape.

    uint8 and uint16 are rounded to the nearest step and clipped; float32 is neither. Raises TypeError
    for another sample type and ValueError where a value is not finite.
    """
    target = np.dtype(dtype)
    if target == np.float32:
        return values.astype(np.float32, copy=False)
    top = full_scale(target)
    if not np.isfinite(values).all():
        raise ValueError("cannot turn NaN or infinite values into pixels")
    return np.rint(np.clip(values, 0, 1) * np.float32(top)).astype(target)


def stretched(values: Array, white: int) -> Array:
    """Whole numbers 0..``white`` (below 65536) as uint8, or uint16 for a white above 255, on their full scale.

    Any shape. IndexError where a value is above ``white``.
    """
    dtype, top = (np.uint8, 255) if white < 256 else (np.uint16, 65535)
    if white == top:
        return values.astype(dtype)
    table: Array = np.rint(np.arange(white + 1) * (top / white)).astype(dtype)
    return table[values]


def change_depth(samples: Array, dtype: npt.DTypeLike) -> Array:
    """The same picture with samples of ``dtype`` (uint8, uint16, float32), rounded where they get coarser."""
    if samples.dtype == dtype:
        return samples
    return from_float(to_float(samples), dtype)


def is_beyond_range(pixels: Array) -> bool:
    """Whether floats, (H, W) or (H, W, 3), go beyond 0..1 by more than noise does: whole pieces of 16 x 16 do."""
    if pixels.dtype.kind != "f":
        return False
    rows, columns = (side // _PIECE for side in pixels.shape[:2])
    cut = pixels[: rows * _PIECE, : columns * _PIECE]
    pieces = cut.reshape(rows, _PIECE, columns, _PIECE, -1).mean(axis=(1, 3, 4)) if rows * columns else pixels
    return bool(pieces.min() < -_TOLERANCE or pieces.max() > 1 + _TOLERANCE)


def full_scale(dtype: np.dtype[Any]) -> int:
    """The sample value of full white (and of full opacity): 255, 65535, or 1 for float32.

    Raises TypeError for another sample type.
    """
    scales = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}
    if dtype not in scales:
        raise TypeError(f"pixels must be uint8, uint16 or float32, not {dtype}")
    return scales[dtype]
