"""The one interface through which files are found, read and written: a disk, object stores, other machines."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, runtime_checkable

from magn_cli.files.access import Access
from magn_cli.files.data import Data

MAX_NOTE = 1536
"""Bytes of a note: S3 takes 2 KB for names and values of all metadata of an object."""

START = 64
"""Bytes at the start of a file by which its format is known."""


@dataclass(frozen=True)
class Status:
    """What a store says of a file or folder, links followed."""

    kind: Literal["file", "folder", "other"]
    """``other``: a named pipe, a device, a socket."""

    bytes: int
    changed_ns: int
    """Time of the last change, in nanoseconds."""

    is_link: bool = False
    access: Access | None = None
    """Who may read and write it; None: the store does not know."""

    tag: str = ""
    """What changes with the content, as an entity tag does; empty: the store has none."""


@dataclass(frozen=True)
class Listed:
    """A file in a listing."""

    path: Path
    status: Status
    problem: str | None = None
    """Why its name cannot be used, as the end of a sentence; then ``path`` is the folder. None: it can."""


class AppendedLines(Protocol):
    """A file of lines that only grows. Each method raises OSError."""

    def append(self, line: bytes, later: bool = False) -> None:
        """Add a line, which has no line break in it, whole or as a line of its own that is cut off.

        ``later``: it may be kept back for a while, where each line costs a request. What is kept back is lost with
        the process.
        """

    def close(self) -> None:
        """Release the file."""


class Lock(Protocol):
    """A folder that is held."""

    def release(self) -> None:
        """Let others have it."""

    def check(self) -> None:
        """Raise TimeoutError if it was lost to another process, which can happen on a network only."""


class Store(Protocol):
    """Where bytes come from and go to.

    Paths are names here: whoever uses a store joins, cuts and compares them, and leaves to the store whatever
    touches a disk or a network. Methods raise OSError as the functions of ``os`` do, and ValueError for what
    cannot be a name.
    """

    def status(self, path: Path) -> Status | None:
        """Return what is there; None: nothing, or a link that leads nowhere."""

    def is_taken(self, path: Path) -> bool:
        """Whether something has this name, a link that leads nowhere included."""

    def identity(self, path: Path) -> Hashable:
        """Return what is the same for two names of one file."""

    def open(self, path: Path) -> BinaryIO:
        """Open an ordinary file to read it; other kinds raise IsADirectoryError or :class:`NotOrdinaryError`."""

    def read(self, path: Path, check: Callable[[bytes], object] | None = None) -> tuple[bytes, Status]:
        """Return the bytes of an ordinary file, and its status as of that very reading.

        ``check`` is given the first :data:`START` bytes before the rest is read; what it raises passes through.
        """

    def load(self, path: Path, check: Callable[[bytes], bool]) -> tuple[Data, Status]:
        """Do as :meth:`read`, but where ``check`` returns True, a large file may come into a temporary one."""

    def write(self, path: Path, data: Data, *, overwrite: bool = False, access: Access | None = None) -> None:
        """Make a file appear whole or not at all; raise FileExistsError where one is and is not to be replaced.

        That holds for a file that appears during the writing, too. ``access``: who may read it;
        None: as usual. A file that is replaced stays closed to whom it was closed. Where the store
        :meth:`keeps_notes`, it also takes a keyword ``note``, up to :data:`MAX_NOTE` bytes of ASCII that appear
        with the file.
        """

    def has_folders(self, path: Path) -> bool:
        """Whether folders around this path are made, vanish and may be links; else names only look like that."""

    def keeps_notes(self, path: Path) -> bool:
        """Whether a file of this name can carry a note."""

    def note(self, path: Path) -> bytes | None:
        """Return the note that a file carries; None: none, or there is no such file."""

    def children(self, folder: Path) -> Iterator[Path]:
        """Yield what lies in a folder, in any order."""

    def matching(self, pattern: Path) -> list[Path]:
        """Return what matches a pattern (``*``, ``?``, ``[]``, ``**``), sorted, without hidden names."""

    def make_folder(self, folder: Path, within: Path | None = None) -> None:
        """Make a folder, with those above it, where it is not there yet.

        ``within``: the folder, or one above it, that must exist. Raises FileNotFoundError if it does not.
        """

    def is_writable(self, folder: Path) -> bool:
        """Whether files can be made in a folder, as far as that can be told without trying."""

    def remove_leftovers(self, folder: Path, names: Collection[str]) -> list[Path]:
        """Remove, and return, what killed runs have left of writing files of these names."""

    def append_to(self, path: Path) -> AppendedLines:
        """Open a file of lines, made if need be; :class:`NotOrdinaryError` for what may lead to another file."""

    def lines_of(self, path: Path, longest: int) -> Iterator[bytes]:
        """Yield the lines of such a file, without their ends; stop at the first that is longer than ``longest``.

        None where there is no file. Raises :class:`NotOrdinaryError` as :meth:`append_to` does.
        """

    def lock(self, path: Path) -> Lock:
        """Hold a lock file, made if need be; TimeoutError while another process holds it."""


@runtime_checkable
class Lists(Protocol):
    """A store with pages of names, which costs less than to look at each file."""

    def listing(self, folder: Path, recursive: bool) -> Iterator[Listed]:
        """Yield the files below a URL, in any order; nothing where there is no such folder."""


class StoreError(OSError):
    """A store on another machine cannot be used: other files of it would fail in the same way.

    ``strerror`` says what is wrong and what to do, as a part of a sentence.
    """


def is_hopeless(error: BaseException | None) -> bool:
    """Return whether other files would fail in the same way, as on a full disk or in a lost store."""
    while error is not None:
        if isinstance(error, StoreError):
            return True
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            return True
        error = error.__cause__
    return False


class NotOrdinaryError(OSError):
    """A link where none is followed, a named pipe, a device, a file with a second name."""
