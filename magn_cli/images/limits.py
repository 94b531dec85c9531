"""The largest picture that is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import psutil

MAX_PIXELS = 500_000_000
"""The most pixels that are read unless told otherwise; beyond it a file is taken for a decompression bomb."""

_allowed: ContextVar[int | None] = ContextVar("allowed", default=None)


class RefusedError(Exception):
    """Why a file is not read, as the rest of a sentence that starts with the file's name."""


@contextmanager
def at_most(pixels: int | None) -> Iterator[None]:
    """Let :func:`check_size` pass so many pixels in this block; None: ``MAX_PIXELS``."""
    before = _allowed.set(pixels)
    try:
        yield
    finally:
        _allowed.reset(before)


def check_memory(needed: int) -> None:
    """Raise MemoryError for more bytes than the machine has left: systems promise them, and kill who uses them."""
    if needed > psutil.virtual_memory().available:
        raise MemoryError


def check_size(width: int, height: int) -> None:
    """Raises RefusedError for a picture without pixels or with too many."""
    if width <= 0 or height <= 0:
        raise RefusedError("has no pixels: its width or height is 0, so pick another file")
    most = _allowed.get() or MAX_PIXELS
    if width * height > most:
        raise RefusedError(
            f"has {width} x {height} pixels, more than the limit of {most:,} pixels: "
            "cut it into smaller pictures, or allow it with --max-pixels if you trust it"
        )
