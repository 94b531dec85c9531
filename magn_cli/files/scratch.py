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

from magn_cli.files.data import is_large, let_go_of

_ROWS = 256


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


def contiguous(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array if its values lie one after the other, else such a copy: a :func:`scratch_array`.

    >>> contiguous(np.arange(6).reshape(2, 3).T).flags.c_contiguous
    True
    """
    if array.flags.c_contiguous:
        return array
    copy = scratch_array(array.shape, array.dtype)
    for start in range(0, len(array), _ROWS):
        copy[start : start + _ROWS] = array[start : start + _ROWS]
        let_go(copy)
        let_go(array)
    return copy


def is_scratch(array: npt.NDArray[Any]) -> bool:
    """Return whether an array, or what it is a part of, lies in a temporary file."""
    return isinstance(_base(array), mmap.mmap)


def let_go(array: npt.NDArray[Any]) -> None:
    """Take the pages of a scratch file out of this process's memory; does nothing for other arrays.

    ``array``: of :func:`scratch_array`, or a part of one. Its values stay, and are read again when needed.
    """
    let_go_of(_base(array))


def _base(array: npt.NDArray[Any]) -> object:
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base.obj if isinstance(base, memoryview) else base
