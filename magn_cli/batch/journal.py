"""The journal in a folder of results: which result was made from which picture with which settings.

A line is written before a result gets its name and another one afterwards. However a run ends, existing results
can be recognized by their name or by their content. Lines are only appended.

A folder of pictures can come from a stranger, and so can a journal in it. A journal that is not a regular file
is never opened: a run that needs it is refused, others continue without a journal. Each line is signed with a
key of the user, which is kept outside of all such folders. A line without that signature is skipped before
anything parses it. So the user who made the results can resume, wherever the folder is moved to, and nobody
else can steer a run. File names are escaped, so that they mean nothing to a shell.
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
from magn_cli.files import checksum, structured, user_key

log = logging.getLogger(__name__)

NAME = ".magn-journal.jsonl"
LOCK = ".magn-journal.lock"
SCHEMA = 2
"""Lines of 1 were not signed."""

MAX_LINE = 1 << 16
"""Longest line in bytes. A name of 4,096 bytes takes at most 24,576. Longer lines, and all after them, are
ignored."""

_MAX_NUMBER = 2**63
# Escaped as in JSON, these characters mean nothing to a shell that reads the file.
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "$`!&|;<>()'*?~#\x7f"})

Settings = Mapping[str, Any]
"""All settings that affect a result, as JSON values."""


_SIGNED = b'{"signature": "'
_BEHIND = b'", '


class ForeignJournalError(ImageError):
    """The journal's path exists but is not a regular file."""


class NoKeyError(ImageError):
    """There is no key to sign a journal with."""


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
        self._key: bytes | None = None
        self._foreign = 0
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

    @property
    def has_foreign_lines(self) -> bool:
        """Whether somebody else, or a magn before 0.2, has written to it."""
        return self._foreign > 0

    def results(self) -> frozenset[str]:
        """Return the names of all results, as in :attr:`JournalEntry.result`."""
        return frozenset(self._written) | frozenset(self._begun)

    def open(self) -> None:
        """Prepare to add entries. Raises OSError, or :class:`NoKeyError` if entries cannot be signed."""
        if self._key_of_user() is None:
            raise NoKeyError(f"{user_key.key_file()} cannot be kept or read, and journals are signed with it")
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
        key = self._key_of_user()
        with self._lock:
            assert self._file is not None and key is not None
            self._file.append(_SIGNED + user_key.signature(key, data) + _BEHIND + data[1:])

    def _key_of_user(self) -> bytes | None:
        if self._key is None:
            self._key = user_key.user_key()
        return self._key

    def _content(self, line: bytes) -> bytes | None:
        """Return what a line says; None where it is not signed by this user."""
        key, start = self._key_of_user(), len(_SIGNED) + user_key.DIGITS
        if key is None or not line.startswith(_SIGNED) or line[start : start + len(_BEHIND)] != _BEHIND:
            return None
        content = b"{" + line[start + len(_BEHIND) :]
        return content if user_key.is_signed(key, content, line[len(_SIGNED) : start]) else None

    def _take(self, line: bytes) -> None:
        content = self._content(line)
        if content is None:
            self._foreign += 1
            return
        try:
            document = structured.json_of(content)
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
