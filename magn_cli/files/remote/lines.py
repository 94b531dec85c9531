"""A file of lines where nothing can be appended: numbered parts, each of which appears whole."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from magn_cli.files.remote.drives import Drive
from magn_cli.files.urls import UrlPath

PARTS = ".parts"
"""At the end of the folder's name: parts of ``journal`` are in ``journal.parts/``."""

MAX_PART = 4 << 20
"""Bytes after which a part is written."""

MAX_SECONDS = 60.0
"""Age of the oldest line that is kept back, at which the next line takes it along."""

MAX_READ = 64 << 20
"""Larger parts are not magn's and are ignored."""

_NAME = re.compile(r"([0-9]{10})-[0-9a-f]{12}")


def lines_of(drive: Drive, path: UrlPath, longest: int) -> Iterator[bytes]:
    """Yield the lines of a file that came from a disk, then those of the parts in the order of their numbers."""
    found = drive.status(path)
    if found is not None and found.kind == "file" and found.bytes <= MAX_READ:
        yield from _lines(drive.get(path), longest)
    for _, part in _parts(drive, path):
        yield from _lines(drive.get(part), longest)


class AppendedParts:
    """Lines that are written as further parts."""

    def __init__(self, drive: Drive, path: UrlPath) -> None:
        """Raises OSError."""
        self._drive, self._folder = drive, _folder(path)
        self._next = max((number for number, _ in _parts(drive, path)), default=0) + 1
        self._waiting: list[bytes] = []
        self._bytes, self._since = 0, 0.0
        self._mutex = threading.Lock()
        drive.make_folder(self._folder)

    def append(self, line: bytes, later: bool = False) -> None:
        """Add a line; those that were kept back go with it."""
        with self._mutex:
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting.append(line)
            self._bytes += len(line) + 1
            if not later or self._bytes >= MAX_PART or time.monotonic() - self._since >= MAX_SECONDS:
                self._flush()

    def close(self) -> None:
        """Write what is left."""
        with self._mutex:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        part = self._folder / f"{self._next:010}-{secrets.token_hex(6)}"
        self._drive.put(part, b"\n".join(self._waiting) + b"\n", replace=False)
        self._next += 1
        self._waiting.clear()
        self._bytes = 0


def _parts(drive: Drive, path: UrlPath) -> list[tuple[int, UrlPath]]:
    folder, found = _folder(path), []
    try:
        for one in drive.listing(folder, recursive=False):
            match = _NAME.fullmatch(one.path.name)
            if match and one.problem is None and one.status.bytes <= MAX_READ and isinstance(one.path, UrlPath):
                found.append((int(match[1]), one.path))
    except FileNotFoundError:
        return []
    return sorted(found)


def _folder(path: UrlPath) -> UrlPath:
    return path.with_name(path.name + PARTS)


def _lines(data: bytes, longest: int) -> Iterator[bytes]:
    for line in data.split(b"\n"):
        if len(line) > longest:
            return
        if line:
            yield line


def is_part(path: Path) -> bool:
    """Whether a path is that of a part."""
    return path.parent.name.endswith(PARTS) and _NAME.fullmatch(path.name) is not None
