"""How long it will still take, by megapixels and not by pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from magn_cli import images
from magn_cli.files import LOCAL, Store

BYTES_A_PIXEL = 0.5
"""Of a file whose header does not tell its size and beside which there is none that does."""

WARMING_UP = 5.0
"""Seconds before there is anything to be believed."""


def megapixels(paths: Sequence[Path], store: Store = LOCAL) -> list[float]:
    """Return the size of each picture, from the start of its file; where that does not tell, from its length."""
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
    """Megapixels done and left, and the time that the rest will take."""

    def __init__(self, total: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``total``: megapixels in all. The clock starts with the first picture."""
        self.total, self._clock = total, clock
        self._began: float | None = None
        self._before = 0.0
        self._now: Hashable = None
        self._size = self._share = 0.0

    @property
    def worked(self) -> float:
        """Megapixels that are done, the part of the picture in work included."""
        return self._before + self._share * self._size

    def work(self, picture: Hashable, megapixels: float, share: float) -> None:
        """Say which share (0..1) of a picture is done; the one before it is then done as a whole."""
        if self._began is None:
            self._began = self._clock()
        if picture != self._now:
            self._before += self._size
            self._now, self._size = picture, megapixels
        self._share = share

    def drop(self, picture: Hashable) -> None:
        """Say that the picture in work has failed; nothing happens for one before it."""
        if picture == self._now:
            self.total -= self._size
            self._size = self._share = 0.0

    def seconds_left(self) -> float | None:
        """Return the time that is left at the pace so far; None: nothing can be said yet."""
        elapsed = 0.0 if self._began is None else self._clock() - self._began
        if elapsed < WARMING_UP or self.worked <= 0:
            return None
        return max(self.total - self.worked, 0.0) * elapsed / self.worked


def in_words(seconds: float) -> str:
    """Return a time as people say it: ``40 s``, ``12 min``, ``3 h 20 min``."""
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
