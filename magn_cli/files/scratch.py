"""Arrays that lie in a temporary file where they are too large for memory."""

from __future__ import annotations

import math
import mmap
import os
import sys
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

LARGE = 400 << 20
"""Smallest array in bytes for which a file is used."""


def is_large(size: int) -> bool:
    """Return whether an array of ``size`` bytes comes into a file if the disk has room."""
    return sys.platform == "linux" and size >= LARGE


def scratch_array(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array with undefined values, on Linux in a temporary file if it is large and the disk has room.

    The file is in the folder that ``TMPDIR`` names, without a name of its own, so it goes with the array.

    >>> scratch_array((2, 3), np.uint8).shape
    (2, 3)
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if sys.platform == "linux" and is_large(size):
        try:
            with tempfile.TemporaryFile(prefix="magn-") as file:
                # Without its blocks, a full disk would kill the process when a page is first written.
                os.posix_fallocate(file.fileno(), 0, size)
                mapped = mmap.mmap(file.fileno(), size)
            return np.frombuffer(mapped, dtype).reshape(shape)
        except OSError:
            pass
    return np.empty(shape, dtype)


def let_go(array: npt.NDArray[Any]) -> None:
    """Take the pages of a scratch file out of this process's memory; does nothing for other arrays.

    ``array``: of :func:`scratch_array`, or a part of one. Its values stay, and are read again when needed.
    """
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    held = base.obj if isinstance(base, memoryview) else base
    if sys.platform == "linux" and isinstance(held, mmap.mmap):
        held.madvise(mmap.MADV_DONTNEED)
