"""The journal in a folder of results: which result was made from which picture with which settings.

A line is written before a result gets its name and another one afterwards. However a run ends, existing results
can be recognized by their name or by their content. Lines are only appended.

A folder of pictures can come from a stranger, and so can a journal in it. A journal that is not a regular file is
never opened: a run that needs it is refused, others continue without a journal. Lines in another format than
magn's are ignored, and valid ones can only make magn skip a file. File names are escaped, so that they cannot
forge lines and mean nothing to a shell.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from magn_cli import files
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import checksum

log = logging.getLogger(__name__)

NAME = ".magn-journal.jsonl"
LOCK = ".magn-journal.lock"
SCHEMA = 1

MAX_LINE = 1 << 16
"""Longest line in bytes. A name of 4,096 bytes takes at most 24,576. Longer lines, and all after them, are
ignored."""

_MAX_NUMBER = 2**63
# Escaped as in JSON, these characters mean nothing to a shell that reads the file.
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "$`!&|;<>()'*?~#\x7f"})

Settings = Mapping[str, Any]
"""All settings that affect a result, as JSON values."""


class ForeignJournalError(ImageError):
    """The journal's path exists but is not a regular file."""


@dataclass(frozen=True)
class Origin:
    """State of a picture when it was read."""

    bytes: int
    changed_ns: int
    """Modification time in nanoseconds."""

    sha256: str

    def is_still(self, path: Path, store: files.Store = files.LOCAL) -> bool:
        """Return whether a file has this content; reads it only if its modification time differs."""
        status = store.status(path)
        if status is None or status.kind != "file" or status.bytes != self.bytes:
            return False
        return status.changed_ns == self.changed_ns or checksum.of_file(path, store) == self.sha256


@dataclass(frozen=True)
class JournalEntry:
    """How a result was made."""

    result: str
    """Path relative to the folder of the journal, with ``/`` as separator."""

    bytes: int
    sha256: str
    origin: Origin
    settings: Settings


class Journal:
    """The journal of one folder of results."""

    def __init__(self, folder: Path, store: files.Store = files.LOCAL) -> None:
        """Read the journal if it exists. Lines in another format than magn's are ignored.

        Raises:
            ImageError: the file exists and cannot be read.
            ForeignJournalError: it is not a regular file.
        """
        self.folder, self.store = folder, store
        self._written: dict[str, JournalEntry] = {}
        self._begun: dict[str, JournalEntry] = {}
        self._file: files.AppendedLines | None = None
        self._lock = threading.Lock()
        path = folder / NAME
        try:
            for line in store.lines_of(path, MAX_LINE):
                self._take(line)
        except (files.NotOrdinaryError, IsADirectoryError) as error:
            raise ForeignJournalError(
                f"{path} is no journal of magn ({error.strerror}); remove it, or choose another --out."
            ) from error
        except OSError as error:
            raise ImageError(f"{path} cannot be read ({error.strerror}); change its permissions.") from error

    def entry(self, result: str) -> JournalEntry | None:
        """Return how the file of this name was made; None if it was not made by a run in this journal.

        Raises OSError.
        """
        begun, path = self._begun.get(result), self.folder / result
        status = self.store.status(path) if begun else None
        may_be = begun and status and status.kind == "file" and status.bytes == begun.bytes
        if begun and may_be and checksum.of_file(path, self.store) == begun.sha256:
            return begun
        return self._written.get(result)

    def results(self) -> frozenset[str]:
        """Return the names of all results, as in :attr:`JournalEntry.result`."""
        return frozenset(self._written) | frozenset(self._begun)

    def open(self) -> None:
        """Open the file to add entries. Raises OSError."""
        self._file = self.store.append_to(self.folder / NAME)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def begin(self, entry: JournalEntry) -> None:
        """Record that a result is about to get its name. Raises OSError."""
        self._add({"schema": SCHEMA, "begun": asdict(entry)})

    def finish(self, entry: JournalEntry) -> None:
        """Record that a result got its name. Raises OSError."""
        self._add({"schema": SCHEMA, "written": entry.result})

    def _add(self, line: dict[str, Any]) -> None:
        # ASCII, because file names can contain bytes that are not UTF-8.
        data = json.dumps(line).translate(_ESCAPES).encode("ascii")
        with self._lock:
            assert self._file is not None
            self._file.append(data)

    def _take(self, line: bytes) -> None:
        try:
            document = json.loads(line)
            if document["schema"] != SCHEMA:
                return
            if "begun" in document:
                entry = _entry(document["begun"])
                self._begun[entry.result] = entry
            else:
                self._written[document["written"]] = self._begun.pop(document["written"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            log.debug("a line of the journal in %s is passed over", self.folder)


def _entry(values: Any) -> JournalEntry:
    """Parse a line. Raises ValueError, KeyError, TypeError or AttributeError unless magn wrote it."""
    origin = Origin(**values.pop("origin"))
    entry = JournalEntry(origin=origin, **values)
    for number in (entry.bytes, origin.bytes, origin.changed_ns):
        if type(number) is not int or not -_MAX_NUMBER <= number < _MAX_NUMBER:
            raise ValueError("a number of bytes, or a time")
    if not all(isinstance(text, str) for text in (entry.result, entry.sha256, origin.sha256)):
        raise TypeError("a name or a digest is text")
    path = PurePosixPath(entry.result)
    if path.is_absolute() or ".." in path.parts or "\0" in entry.result:
        raise ValueError("a result lies below the folder of its journal")
    if not isinstance(entry.settings, dict):
        raise TypeError("settings have names")
    return entry


def results_in(folder: Path, store: files.Store = files.LOCAL) -> frozenset[str]:
    """Return the names that a folder's journal lists; empty if there is no readable journal."""
    try:
        return Journal(folder, store).results()
    except ImageError:
        return frozenset()


def locked(folder: Path, store: files.Store = files.LOCAL) -> files.Lock:
    """Lock a folder of results and return the lock.

    Raises:
        UsageError: another process holds the lock.
        ImageError: the folder cannot be locked.
        IsADirectoryError, NotOrdinaryError: the lock's path is not a regular file.
    """
    path = folder / LOCK
    try:
        return store.lock(path)
    except TimeoutError:
        raise UsageError(
            f"another magn is at work in {folder}; wait until it is done, or give another --out."
        ) from None
    except (files.NotOrdinaryError, IsADirectoryError):
        raise
    except OSError as error:
        raise ImageError(
            f"the folder {folder} cannot be written to ({error.strerror}); give another --out."
        ) from error
