"""Make photos of arrays that come from no file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from magn_cli.errors import UsageError
from magn_cli.images.photo import Metadata, Photo


def photo_of(array: NDArray[Any]) -> Photo:
    """Wrap an array ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)`` of uint8, uint16, or floats 0..1.

    Raises :class:`UsageError` for other shapes and types and for values that are not finite.
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise UsageError(f"an array must be (H, W) or (H, W, 3), not {array.shape}.")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype in (np.float64, np.float16):
        array = array.astype(np.float32)
    if array.dtype not in (np.uint8, np.uint16, np.float32):
        raise UsageError(f"an array must hold uint8, uint16 or floats, not {array.dtype}.")
    if array.dtype == np.float32 and not np.isfinite(array).all():
        raise UsageError("the array holds values that are not finite; clean it first.")
    return Photo(array, None, Metadata(), None, "array")
