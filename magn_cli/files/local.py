"""The local disk."""

from __future__ import annotations

import errno
import glob
import io
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO

import psutil

from magn_cli.files import atomic, locking
from magn_cli.files.access import Access
from magn_cli.files.data import Data, copied, is_large
from magn_cli.files.store import START, AppendedLines, Lock, NotOrdinaryError, Status

# Windows knows none of these; opening a named pipe must not wait for a writer.
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_APPEND = (_READ & ~os.O_RDONLY) | os.O_RDWR | os.O_APPEND | _NO_FOLLOW
MAX_BYTES = 8 << 30
"""Of a file that is read as a whole: 500 megapixels of float RGB have 6 GB."""

_LINE_BY_LINE = 1 << 20


class LocalDisk:
    """Files by their paths; see :class:`~magn_cli.files.store.Store`."""

    def status(self, path: Path) -> Status | None:
        """Return what is there; None: nothing, or a link that leads nowhere or in a circle."""
        try:
            found = path.stat()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        return _status(found, path.is_symlink())

    def is_taken(self, path: Path) -> bool:
        """Whether something has this name."""
        return os.path.lexists(path)

    def identity(self, path: Path) -> Path:
        """Return the path with all links resolved."""
        return path.resolve()

    def open(self, path: Path) -> BinaryIO:
        """Open an ordinary file; links are followed, and the kind is that of what was opened."""
        return io.BufferedReader(_opened(path))

    def read(self, path: Path, check: Callable[[bytes], object] | None = None) -> tuple[bytes, Status]:
        """Return bytes and status, in one copy: the file may be as large as half of the memory."""
        with _opened(path) as file:
            if check is not None:
                check(file.read(START))
                file.seek(0)
            return _whole(file)

    def load(self, path: Path, check: Callable[[bytes], bool]) -> tuple[Data, Status]:
        """Do so, or copy it into a temporary file."""
        with _opened(path) as file:
            may_be_copied = check(file.read(START))
            file.seek(0)
            about = os.fstat(file.fileno())
            if may_be_copied and is_large(about.st_size) and about.st_size <= MAX_BYTES:
                return copied(file, about.st_size), _status(about)
            return _whole(file)

    def write(self, path: Path, data: Data, *, overwrite: bool = False, access: Access | None = None) -> None:
        """Write under a temporary name in the same folder, then give it its own."""
        atomic.write_bytes(path, data, overwrite=overwrite, access=access)

    def children(self, folder: Path) -> Iterator[Path]:
        """Yield what lies in a folder."""
        return iter(folder.iterdir())

    def matching(self, pattern: Path) -> list[Path]:
        """Return what a shell would make of a pattern."""
        # Path.glob takes no absolute patterns and finds hidden files.
        return sorted(Path(match) for match in glob.glob(str(pattern), recursive=True))  # noqa: PTH207

    def has_folders(self, path: Path) -> bool:
        """Yes."""
        return True

    def keeps_notes(self, path: Path) -> bool:
        """Not every disk can."""
        return False

    def note(self, path: Path) -> bytes | None:
        """Return none."""
        return None

    def make_folder(self, folder: Path, within: Path | None = None) -> None:
        """Make a folder and those above it, up to ``within``."""
        if within is None:
            folder.mkdir(parents=True, exist_ok=True)
            return
        # One by one, as parents that have just vanished would be made again.
        for name in folder.relative_to(within).parts:
            within = within / name
            within.mkdir(exist_ok=True)

    def is_writable(self, folder: Path) -> bool:
        """Whether permissions allow files in a folder."""
        return os.access(folder, os.W_OK)

    def remove_leftovers(self, folder: Path, names: Collection[str]) -> list[Path]:
        """Remove temporary files of processes that are gone."""
        return atomic.remove_leftovers(folder, names)

    def append_to(self, path: Path) -> AppendedLines:
        """Open a file of lines; a link is not followed, and a named pipe not waited for."""
        return _Appended(path)

    def lines_of(self, path: Path, longest: int) -> Iterator[bytes]:
        """Yield its lines; none where there is no such file."""
        _check_own(path)
        try:
            descriptor = os.open(path, _READ | _NO_FOLLOW)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _why(error, path) from error
        with io.FileIO(descriptor, "rb") as file:
            _check_plain(os.fstat(descriptor), path)
            yield from _lines(file, longest)

    def lock(self, path: Path) -> Lock:
        """Hold a lock that ends with the process."""
        return locking.lock(path, _opened_own(path))


class _Appended:
    def __init__(self, path: Path) -> None:
        self._file, self._path = _opened_own(path), path
        try:
            size = os.fstat(self._file).st_size
            os.lseek(self._file, max(size - 1, 0), os.SEEK_SET)
            # The last line of a run that was killed.
            if size and os.read(self._file, 1) != b"\n":
                os.write(self._file, b"\n")
        except BaseException:
            os.close(self._file)
            raise

    def append(self, line: bytes, later: bool = False) -> None:
        if sys.platform != "win32" and os.fstat(self._file).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "it was removed meanwhile", str(self._path))
        data = line + b"\n"
        if os.write(self._file, data) != len(data):
            # A disk that fills up takes the start of a line only.
            os.write(self._file, b"\n")

    def close(self) -> None:
        os.close(self._file)


def _opened(path: Path) -> io.FileIO:
    # Before it is opened: with some devices that alone does something.
    _check_ordinary(path.stat(), path)
    descriptor = os.open(path, _READ)
    try:
        _check_ordinary(os.fstat(descriptor), path)
        return io.FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _whole(file: io.FileIO) -> tuple[bytes, Status]:
    about = os.fstat(file.fileno())
    # A sparse file takes no room on the disk and all of it in memory.
    if about.st_size > min(MAX_BYTES, psutil.virtual_memory().available):
        raise MemoryError
    # No more than that, should it grow meanwhile.
    reader = io.BufferedReader(file)
    try:
        return reader.read(about.st_size), _status(about)
    finally:
        # Else it would close the file on its own, with a warning.
        reader.detach()


def _check_ordinary(found: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise NotOrdinaryError(errno.EINVAL, "it is not an ordinary file", str(path))


def _opened_own(path: Path) -> int:
    """Open a file of magn's own to append to it, made if need be; return the descriptor."""
    _check_own(path)
    try:
        descriptor = os.open(path, _APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise _why(error, path) from error
    try:
        _check_plain(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_own(path: Path) -> None:
    """What came with somebody's pictures must not lead to another file."""
    try:
        found = path.lstat()
    except OSError:
        return
    _check_plain(found, path)


def _check_plain(found: os.stat_result, path: Path) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise NotOrdinaryError(errno.ELOOP, "it is a link", str(path))
    _check_ordinary(found, path)
    if found.st_nlink > 1 and sys.platform != "win32":
        raise NotOrdinaryError(errno.EMLINK, "the file has a second name elsewhere", str(path))


def _why(error: OSError, path: Path) -> OSError:
    if error.errno in (errno.ELOOP, errno.ENXIO):
        return NotOrdinaryError(error.errno, "it is not an ordinary file", str(path))
    return error


def _lines(file: io.FileIO, longest: int) -> Iterator[bytes]:
    rest = b""
    while block := file.read(_LINE_BY_LINE):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            if len(line) > longest:
                return
            yield line
        if len(rest) > longest:
            return
    if rest:
        yield rest


def _status(found: os.stat_result, is_link: bool = False) -> Status:
    access = Access.of(found)
    kind = "file" if stat.S_ISREG(found.st_mode) else "folder" if stat.S_ISDIR(found.st_mode) else "other"
    return Status(kind, found.st_size, found.st_mtime_ns, is_link, access)  # type: ignore[arg-type]


LOCAL = LocalDisk()
