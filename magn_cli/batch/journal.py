"""What was made of which picture with which settings, kept in the folder of the results.

A line is written before a result gets its name and another one after it: however a run ends, a result that lies
there is either known by its name or recognised by its content. Lines are only ever added.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock

from magn_cli.errors import ImageError, UsageError

log = logging.getLogger(__name__)

NAME = ".magn-journal.jsonl"
LOCK = ".magn-journal.lock"
SCHEMA = 1

Settings = Mapping[str, Any]
"""Whatever decides what a result looks like, as JSON knows it."""


@dataclass(frozen=True)
class Origin:
    """A picture as it was when it was read."""

    bytes: int
    changed_ns: int
    """Time of the last change, in nanoseconds."""

    sha256: str

    @classmethod
    def of(cls, path: Path) -> Origin:
        """Look at a file. Raises OSError."""
        about = path.stat()
        return cls(about.st_size, about.st_mtime_ns, sha256(path))

    def is_still(self, path: Path) -> bool:
        """Whether a file has this content; it is only read where its time of change differs. Raises OSError."""
        about = path.stat()
        if about.st_size != self.bytes:
            return False
        return about.st_mtime_ns == self.changed_ns or sha256(path) == self.sha256


@dataclass(frozen=True)
class JournalEntry:
    """How a result was made."""

    result: str
    """Path below the folder of the journal, with ``/`` between the parts."""

    bytes: int
    sha256: str
    origin: Origin
    settings: Settings


class Journal:
    """The entries of one folder of results."""

    def __init__(self, folder: Path) -> None:
        """Read what is there; lines that were cut off or that another version wrote are passed over.

        Raises :class:`ImageError` where the file is there and cannot be read.
        """
        self.folder = folder
        self._written: dict[str, JournalEntry] = {}
        self._begun: dict[str, JournalEntry] = {}
        self._file: int | None = None
        self._lock = threading.Lock()
        for line in _lines(folder / NAME):
            self._take(line)

    def entry(self, result: str) -> JournalEntry | None:
        """Return how the file that now has this name was made; None: not by a run that is known here.

        Raises OSError.
        """
        begun, path = self._begun.get(result), self.folder / result
        if begun and path.is_file() and path.stat().st_size == begun.bytes and sha256(path) == begun.sha256:
            return begun
        return self._written.get(result)

    def results(self) -> frozenset[str]:
        """Return the names of all results, as in :attr:`JournalEntry.result`."""
        return frozenset(self._written) | frozenset(self._begun)

    def open(self) -> None:
        """Get ready to add entries. Raises OSError."""
        path = self.folder / NAME
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        size = os.fstat(self._file).st_size
        if size and path.read_bytes()[-1:] != b"\n":
            # The last line of a run that was killed.
            os.write(self._file, b"\n")

    def close(self) -> None:
        """End what :meth:`open` began."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def begin(self, entry: JournalEntry) -> None:
        """Note that a result is about to get its name. Raises OSError."""
        self._add({"schema": SCHEMA, "begun": asdict(entry)})

    def finish(self, entry: JournalEntry) -> None:
        """Note that it has it. Raises OSError."""
        self._add({"schema": SCHEMA, "written": entry.result})

    def _add(self, line: dict[str, Any]) -> None:
        # ASCII, since a file name may hold bytes that are no UTF-8.
        data = json.dumps(line).encode("ascii") + b"\n"
        with self._lock:
            assert self._file is not None
            if os.write(self._file, data) != len(data):
                # A disk that fills up takes the start of a line only.
                os.write(self._file, b"\n")

    def _take(self, line: bytes) -> None:
        try:
            document = json.loads(line)
            if document["schema"] != SCHEMA:
                return
            if "begun" in document:
                values = document["begun"]
                origin = Origin(**values.pop("origin"))
                self._begun[values["result"]] = JournalEntry(origin=origin, **values)
            else:
                self._written[document["written"]] = self._begun.pop(document["written"])
        except (ValueError, KeyError, TypeError, AttributeError):
            log.debug("a line of the journal in %s is passed over", self.folder)


def results_in(folder: Path) -> frozenset[str]:
    """Return the names that a folder's journal lists; none where there is no journal that can be read."""
    try:
        return Journal(folder).results()
    except ImageError:
        return frozenset()


def locked(folder: Path) -> filelock.BaseFileLock:
    """Return the held lock of a folder of results, to be released.

    Raises :class:`UsageError` while another process holds it, :class:`ImageError` where there can be none.
    """
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UsageError(
            f"another magn is at work in {folder}; wait until it is done, or give another --out."
        ) from None
    except OSError as error:
        raise ImageError(
            f"the folder {folder} cannot be written to ({error.strerror}); give another --out."
        ) from error
    return lock


def sha256(path: Path) -> str:
    """Return the digest of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}); change its permissions.") from error
