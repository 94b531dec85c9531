"""Estimates the remaining time of a run from megapixels."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from magn_cli import images
from magn_cli.files import LOCAL, Store

BYTES_A_PIXEL = 0.5
"""Assumed bytes of a file for each of its pixels, if no file of the run has a readable size."""

WARMING_UP = 5.0
"""Seconds before the first estimate."""


def megapixels(paths: Sequence[Path], store: Store = LOCAL) -> list[float]:
    """Return the megapixels of each picture from the start of its file, or else estimated from its length."""
    sizes = [_size(path, store) for path in paths]
    lengths = [_length(path, store) for path in paths]
    known = [(size[0] * size[1], length) for size, length in zip(sizes, lengths, strict=True) if size]
    pixels = sum(pixels for pixels, _ in known)
    bytes_a_pixel = sum(length for _, length in known) / pixels if pixels else BYTES_A_PIXEL
    return [
        (size[0] * size[1] if size else length / (bytes_a_pixel or BYTES_A_PIXEL)) / 1e6
        for size, length in zip(sizes, lengths, strict=True)
    ]


class Pace:
    """Tracks the megapixels of a run and estimates the remaining time."""

    def __init__(self, total: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Create a tracker for ``total`` megapixels. The clock starts with the first picture."""
        self.total, self._clock = total, clock
        self._began: float | None = None
        self._before = 0.0
        self._now: Hashable = None
        self._size = self._share = 0.0

    @property
    def worked(self) -> float:
        """Megapixels done, including the finished part of the current picture."""
        return self._before + self._share * self._size

    def work(self, picture: Hashable, megapixels: float, share: float) -> None:
        """Record the share (0..1) of a picture that is done. The previous picture then counts as done."""
        if self._began is None:
            self._began = self._clock()
        if picture != self._now:
            self._before += self._size
            self._now, self._size = picture, megapixels
        self._share = share

    def drop(self, picture: Hashable) -> None:
        """Record that the current picture failed. Ignored for earlier ones."""
        if picture == self._now:
            self.total -= self._size
            self._size = self._share = 0.0

    def seconds_left(self) -> float | None:
        """Return the remaining time in seconds at the current pace; None if it is too early to tell."""
        elapsed = 0.0 if self._began is None else self._clock() - self._began
        if elapsed < WARMING_UP or self.worked <= 0:
            return None
        return max(self.total - self.worked, 0.0) * elapsed / self.worked


def in_words(seconds: float) -> str:
    """Format a time in seconds, such as ``40 s``, ``12 min`` or ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _size(path: Path, store: Store) -> tuple[int, int] | None:
    try:
        with store.open(path) as file:
            return images.read_size(file)
    except (OSError, ValueError):
        return None


def _length(path: Path, store: Store) -> int:
    try:
        status = store.status(path)
    except OSError:
        return 0
    return 0 if status is None else status.bytes
