"""The one interface through which files are found, read and written: a disk today, other stores later."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from magn_cli.files.access import Access

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


class AppendedLines(Protocol):
    """A file of lines that only grows. Each method raises OSError."""

    def append(self, line: bytes) -> None:
        """Add a line, which has no line break in it, whole or as a line of its own that is cut off."""

    def close(self) -> None:
        """Release the file."""


class Lock(Protocol):
    """A folder that is held."""

    def release(self) -> None:
        """Let others have it."""


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

    def read(self, path: Path, check: Callable[[bytes], None] | None = None) -> tuple[bytes, Status]:
        """Return the bytes of an ordinary file, and its status as of that very reading.

        ``check`` is given the first :data:`START` bytes before the rest is read; what it raises passes through.
        """

    def write(self, path: Path, data: bytes, *, overwrite: bool = False, access: Access | None = None) -> None:
        """Make a file appear whole or not at all; raise FileExistsError where one is and is not to be replaced.

        That holds for a file that appears during the writing, too. ``access``: who may read it;
        None: as usual. A file that is replaced stays closed to whom it was closed.
        """

    def children(self, folder: Path) -> Iterator[Path]:
        """Yield what lies in a folder, in any order."""

    def matching(self, pattern: Path) -> list[Path]:
        """Return what matches a pattern (``*``, ``?``, ``[]``, ``**``), sorted, without hidden names."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder, with those above it, where it is not there yet."""

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


class NotOrdinaryError(OSError):
    """A link where none is followed, a named pipe, a device, a file with a second name."""
