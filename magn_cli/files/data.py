"""The bytes of a file, in memory, or in a temporary file where they are many."""

from __future__ import annotations

import io
import mmap
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import psutil

LARGE = 400 << 20
"""Smallest number of bytes for which a temporary file is used."""

Data = bytes | mmap.mmap
"""The bytes of a file, in memory or in a temporary file without a name. A slice is ``bytes`` in either case."""

_BLOCK = 16 << 20


def is_large(size: int) -> bool:
    """Return whether so many bytes come into a temporary file if the disk has room."""
    return sys.platform == "linux" and size >= LARGE


def in_memory(data: Data) -> bytes:
    """Return bytes in memory, for those who take nothing else."""
    return data if isinstance(data, bytes) else bytes(data)


def let_go_of(data: object) -> None:
    """Take the pages of a temporary file out of this process's memory; does nothing for bytes in memory.

    What they hold stays, and is read again when needed.
    """
    if sys.platform == "linux" and isinstance(data, mmap.mmap):
        data.madvise(mmap.MADV_DONTNEED)


def blocks(data: Data) -> Iterator[bytes]:
    """Yield all bytes: in one piece where they are in memory, else in several that are let go of again."""
    if isinstance(data, bytes):
        yield data
        return
    for start in range(0, len(data), _BLOCK):
        yield data[start : start + _BLOCK]
        let_go_of(data)


class ScratchFile:
    """Bytes that are written one after the other: in a temporary file where many are expected, else in memory.

    Where the disk is full, memory takes them if it has room.

    Example:
        >>> file = ScratchFile(expected=10)
        >>> file.write(b"size: ?"), file.write(b"; data")
        (7, 6)
        >>> file.replace(6, b"4")
        >>> file.content()
        b'size: 4; data'
    """

    def __init__(self, expected: int) -> None:
        """``expected``: about how many bytes there will be."""
        self.expected = expected
        self._file: BinaryIO = io.BytesIO()
        if is_large(expected):
            with suppress(OSError):
                self._file = tempfile.TemporaryFile(prefix="magn-", buffering=0)  # noqa: SIM115 - closed by content()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Append bytes; return how many. Raises MemoryError where neither disk nor memory has room."""
        try:
            self._write(data)
        except OSError:
            self._to_memory()
            self._write(data)
        self.size += len(data)
        return len(data)

    def replace(self, position: int, data: bytes) -> None:
        """Write over what is there already."""
        self._file.seek(position)
        self._write(data)
        self._file.seek(self.size)

    def content(self) -> Data:
        """Return what was written; nothing can be written any more."""
        with self._file as file:
            if isinstance(file, io.BytesIO):
                return file.getvalue()
            return mmap.mmap(file.fileno(), self.size) if self.size else b""

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _to_memory(self) -> None:
        if self.expected > psutil.virtual_memory().available:
            raise MemoryError
        memory = io.BytesIO()
        with self._file as file:
            file.seek(0)
            while memory.tell() < self.size:
                memory.write(file.read(min(_BLOCK, self.size - memory.tell())))
        self._file = memory


def copied(file: io.RawIOBase, size: int) -> Data:
    """Return the next bytes of an open file, ``size`` at most, in a temporary file if they are many.

    The file itself is not mapped: should somebody shorten it, the system would kill this process.
    """
    copy = ScratchFile(size)
    while copy.size < size and (block := file.read(min(_BLOCK, size - copy.size))):
        copy.write(block)
    return copy.content()
