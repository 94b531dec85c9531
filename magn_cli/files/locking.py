"""Locks of folders: those of the operating system, which end with the process; lock files where it has none."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from magn_cli.files.store import Lock

if sys.platform == "win32":
    import filelock
else:
    import fcntl

NO_LOCKS = (errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL)
"""What network disks answer that have no locks: SMB, CIFS and some NFS."""

HELD = ".held"
"""At the end of the name of the file that takes the place of such a lock."""

MAX_HOURS = 48
"""After so long, a lock file of another machine is taken for one that was left behind."""

_MAX_BYTES = 1024


def lock(path: Path, descriptor: int) -> Lock:
    """Return the held lock of an open file, which is closed with it; TimeoutError while another process holds it.

    Where the disk has no locks, a file beside it takes their place. It says which process made it, so that one
    that was killed holds nobody up. Raises OSError.
    """
    if sys.platform == "win32":
        os.close(descriptor)
        held = filelock.FileLock(path)
        try:
            held.acquire(timeout=0)
        except filelock.Timeout as error:
            raise _is_held(path) from error
        return _WindowsLock(held)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _is_held(path) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return _LockFile(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return _SystemLock(descriptor)


class _WindowsLock:
    def __init__(self, held: Any) -> None:
        self._held = held

    def release(self) -> None:
        self._held.release()

    def check(self) -> None:
        pass


class _SystemLock:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)

    def check(self) -> None:
        pass


class _LockFile:
    """A file that exists as long as the lock is held."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._file, self._descriptor = path.with_name(path.name + HELD), descriptor
        for _ in range(2):
            try:
                self._make()
                return
            except FileExistsError:
                if not _is_left_behind(self._file):
                    raise _is_held(self._file) from None
                with suppress(FileNotFoundError):
                    self._file.unlink()
        raise _is_held(self._file)

    def release(self) -> None:
        with suppress(OSError):
            self._file.unlink()
        os.close(self._descriptor)

    def check(self) -> None:
        pass

    def _make(self) -> None:
        file = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            os.write(file, f"{socket.gethostname()}\n{os.getpid()}\n".encode())
        finally:
            os.close(file)


def _is_left_behind(path: Path) -> bool:
    """Whether the process that made a lock file is gone, as far as can be told from here."""
    try:
        found = path.lstat()
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        try:
            host, process, *_ = os.read(file, _MAX_BYTES).decode("utf-8", "replace").split("\n")
        finally:
            os.close(file)
        if host == socket.gethostname():
            return not psutil.pid_exists(int(process))
    except (OSError, ValueError, OverflowError):
        # Not written by this module, or not whole yet.
        return path.is_symlink() or not path.exists() or time.time() - path.lstat().st_mtime > 60
    return time.time() - found.st_mtime > MAX_HOURS * 3600


def _is_held(path: Path) -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, "held by another process", str(path))
