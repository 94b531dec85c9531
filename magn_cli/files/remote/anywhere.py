"""The store of runs with URLs: each path goes to its drive, those of this machine to another store."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from fnmatch import translate
from pathlib import Path
from typing import BinaryIO

import psutil

from magn_cli.files import urls
from magn_cli.files.access import Access
from magn_cli.files.data import Data, in_memory
from magn_cli.files.local import LOCAL, MAX_BYTES
from magn_cli.files.remote import lines
from magn_cli.files.remote.drives import Drive, drive_of
from magn_cli.files.remote.locking import ObjectLock
from magn_cli.files.store import AppendedLines, Listed, Lock, Status, Store
from magn_cli.files.urls import UrlPath

_BLOCK = 4 << 20


class Anywhere:
    """Files by their paths and URLs; see :class:`~magn_cli.files.store.Store`. It can be pickled."""

    def __init__(self, here: Store = LOCAL) -> None:
        """``here``: the store of paths that are no URLs."""
        self.here = here

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (self.here, urls.secrets_put_aside())

    def status(self, path: Path) -> Status | None:
        """Return what is there."""
        return _drive(path).status(path) if isinstance(path, UrlPath) else self.here.status(path)

    def is_taken(self, path: Path) -> bool:
        """Whether something has this name."""
        return self.status(path) is not None if isinstance(path, UrlPath) else self.here.is_taken(path)

    def identity(self, path: Path) -> Hashable:
        """Return the URL, or what the other store says."""
        return path if isinstance(path, UrlPath) else self.here.identity(path)

    def open(self, path: Path) -> BinaryIO:
        """Open a file, which is read block by block."""
        if not isinstance(path, UrlPath):
            return self.here.open(path)
        return io.BufferedReader(_Ranges(_drive(path), path, _drive(path).file(path).bytes), _BLOCK)

    def read(self, path: Path, check: Callable[[bytes], object] | None = None) -> tuple[bytes, Status]:
        """Return bytes and status."""
        if not isinstance(path, UrlPath):
            return self.here.read(path, check)
        return _drive(path).read(path, check or _any, min(MAX_BYTES, psutil.virtual_memory().available))

    def load(self, path: Path, check: Callable[[bytes], bool]) -> tuple[Data, Status]:
        """Return bytes and status; an object comes into memory."""
        return self.read(path, check) if isinstance(path, UrlPath) else self.here.load(path, check)

    def write(
        self,
        path: Path,
        data: Data,
        *,
        overwrite: bool = False,
        access: Access | None = None,
        note: bytes | None = None,
    ) -> None:
        """Put an object, or write a file of this machine."""
        if isinstance(path, UrlPath):
            _drive(path).put(path, in_memory(data), replace=overwrite, note=note)
        elif access is None:
            self.here.write(path, data, overwrite=overwrite)
        else:
            self.here.write(path, data, overwrite=overwrite, access=access)

    def has_folders(self, path: Path) -> bool:
        """Whether folders around this path vanish or may be links."""
        return not isinstance(path, UrlPath) and self.here.has_folders(path)

    def keeps_notes(self, path: Path) -> bool:
        """Whether a file of this name can carry a note."""
        return _drive(path).keeps_notes if isinstance(path, UrlPath) else self.here.keeps_notes(path)

    def note(self, path: Path) -> bytes | None:
        """Return the note of a file."""
        return _drive(path).note(path) if isinstance(path, UrlPath) else self.here.note(path)

    def listing(self, folder: Path, recursive: bool) -> Iterator[Listed]:
        """Yield the files below a URL, page by page, in any order; nothing where there is no such folder."""
        assert isinstance(folder, UrlPath)
        return _drive(folder).listing(folder, recursive)

    def children(self, folder: Path) -> Iterator[Path]:
        """Yield what lies in a folder; of other machines, files only."""
        if not isinstance(folder, UrlPath):
            return self.here.children(folder)
        return (found.path for found in self.listing(folder, recursive=False) if found.problem is None)

    def matching(self, pattern: Path) -> list[Path]:
        """Return what matches a pattern."""
        if not isinstance(pattern, UrlPath):
            return self.here.matching(pattern)
        fixed, takes, recursive = parse_pattern(pattern)
        found = self.listing(fixed, recursive)
        return sorted(one.path for one in found if one.problem is None and takes(one.path))

    def make_folder(self, folder: Path, within: Path | None = None) -> None:
        """Make a folder where there are some; ``within`` is for this machine's only."""
        if isinstance(folder, UrlPath):
            _drive(folder).make_folder(folder)
        else:
            self.here.make_folder(folder, within)

    def is_writable(self, folder: Path) -> bool:
        """Whether files can be made; of other machines, only the web is known not to take any."""
        return folder.scheme not in urls.WEB if isinstance(folder, UrlPath) else self.here.is_writable(folder)

    def remove_leftovers(self, folder: Path, names: Collection[str]) -> list[Path]:
        """Remove what killed runs have left on this machine; a PUT leaves nothing."""
        return [] if isinstance(folder, UrlPath) else self.here.remove_leftovers(folder, names)

    def append_to(self, path: Path) -> AppendedLines:
        """Open a file of lines."""
        return lines.AppendedParts(_drive(path), path) if isinstance(path, UrlPath) else self.here.append_to(path)

    def lines_of(self, path: Path, longest: int) -> Iterator[bytes]:
        """Yield its lines."""
        if isinstance(path, UrlPath):
            return lines.lines_of(_drive(path), path, longest)
        return self.here.lines_of(path, longest)

    def lock(self, path: Path) -> Lock:
        """Hold a lock."""
        return ObjectLock(_drive(path), path) if isinstance(path, UrlPath) else self.here.lock(path)


def store_for(paths: Iterable[Path], here: Store = LOCAL) -> Anywhere:
    """Return the store for a run with these URLs. Raises UsageError where a driver is missing."""
    for path in paths:
        if isinstance(path, UrlPath):
            _drive(path)
    return Anywhere(here)


def parse_pattern(pattern: UrlPath) -> tuple[UrlPath, Callable[[Path], bool], bool]:
    """Return the folder before the first wildcard, whether a path below it matches, and whether it goes deeper.

    ``*``, ``?`` and ``[]`` match within a name, ``**`` any number of folders, as in a shell.
    """
    depth = next(n for n, part in enumerate(pattern.parts) if n > 1 and is_magic(part))
    fixed, rest = UrlPath(*pattern.parts[:depth]), pattern.parts[depth:]
    regex = ""
    for number, part in enumerate(rest):
        if part == "**":
            regex += "(?:[^/]+/)*" if number < len(rest) - 1 else ".*"
        else:
            one = translate(part).removeprefix("(?s:").removesuffix(r")\Z").replace(".*", "[^/]*")
            regex += one.replace(r"\Z", "") + ("/" if number < len(rest) - 1 else "")
    whole = re.compile(regex, re.DOTALL)
    return (
        fixed,
        lambda path: whole.fullmatch("/".join(path.parts[depth:])) is not None,
        len(rest) > 1 or "**" in rest,
    )


def is_magic(part: str) -> bool:
    """Whether a part of a path has wildcards."""
    return any(character in part for character in "*?[")


class _Ranges(io.RawIOBase):
    """The bytes of a file, asked for where they are read."""

    def __init__(self, drive: Drive, path: UrlPath, size: int) -> None:
        self._drive, self._path, self._size, self._at = drive, path, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        data = self._drive.get(self._path, self._at, end)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _any(start: bytes) -> None:
    """Take any file."""


def _drive(path: UrlPath) -> Drive:
    return drive_of(path.scheme, path.place)


def _rebuilt(here: Store, secrets: dict[str, str]) -> Anywhere:
    urls.remember_secrets(secrets)
    return Anywhere(here)
