"""The journal in a folder of results: which result was made from which picture with which settings.

A line is written before a result gets its name and another one afterwards. However a run ends, existing results
can be recognized by their name or by their content. Lines are only appended.

A folder of pictures can come from a stranger, and so can a journal in it. A journal that is not a regular file
is never opened: a run that needs it is refused, others continue without a journal. Each line is signed with a
key of the user, which is kept outside of all such folders. A line without that signature is skipped before
anything parses it. So the user who made the results can resume, wherever the folder is moved to, and nobody
else can steer a run. File names are escaped, so that they mean nothing to a shell.

An object store appends nothing: there each result carries a note, which appears with it in one step and says how
it was made. The journal, which then has one line a result, is written in parts now and then; it saves asking for
the notes. Settings have lines of their own, to which the others refer.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Container, Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from magn_cli import files
from magn_cli.batch.journal_index import JournalEntry, JournalIndex, Origin, Settings, name_of
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import StoreError, checksum, structured, user_key
from magn_cli.files.store import MAX_NOTE

__all__ = ["Journal", "JournalEntry", "Origin", "Settings", "is_kept", "is_still", "locked", "results_in"]

log = logging.getLogger(__name__)

NAME = ".magn-journal.jsonl"
LOCK = ".magn-journal.lock"
SCHEMA = 2
"""Lines of 1 were not signed."""

REFERRING = 3
"""Schema of lines and notes that refer to settings."""

MAX_LINE = 1 << 16
"""Longest line in bytes. A name of 4,096 bytes takes at most 24,576. Longer lines, and all after them, are
ignored."""

_MAX_NUMBER = 2**63
# Escaped as in JSON, these characters mean nothing to a shell that reads the file.
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "$`!&|;<>()'*?~#\x7f"})

_SIGNED = b'{"signature": "'
_BEHIND = b'", '


class ForeignJournalError(ImageError):
    """The journal's path exists but is not a regular file."""


class NoKeyError(ImageError):
    """There is no key to sign a journal with."""


def is_still(
    origin: Origin, path: Path, store: files.Store = files.LOCAL, status: files.Status | None = None
) -> bool:
    """Return whether a file has the content of its origin.

    It is read only if its tag, or without one its modification time, differs. ``status``: what is known of it.
    """
    found = store.status(path) if status is None else status
    if found is None or found.kind != "file" or found.bytes != origin.bytes:
        return False
    same = found.tag == origin.tag if found.tag and origin.tag else found.changed_ns == origin.changed_ns
    return same or checksum.of_file(path, store) == origin.sha256


class Journal:
    """The journal of one folder of results."""

    def __init__(self, folder: Path, store: files.Store = files.LOCAL, *, read: bool = True) -> None:
        """Read the journal if it exists. Lines in another format than magn's are ignored.

        Args:
            folder: the folder of results.
            store: where it is.
            read: False for a journal that is only written to.

        Raises:
            ImageError: the file exists and cannot be read.
            ForeignJournalError: it is not a regular file.
        """
        self.folder, self.store = folder, store
        self._index = JournalIndex()
        self._file: files.AppendedLines | None = None
        self._lock = threading.Lock()
        self._key: bytes | None = None
        self._foreign = 0
        self.has_notes = store.keeps_notes(folder)
        path = folder / NAME
        try:
            for line in store.lines_of(path, MAX_LINE) if read else ():
                self._take(line)
        except (files.NotOrdinaryError, IsADirectoryError) as error:
            raise ForeignJournalError(
                f"{path} is no journal of magn ({error.strerror}); remove it, or choose another --out."
            ) from error
        except StoreError as error:
            raise ImageError(f"{path} cannot be read: {error.strerror}.") from error
        except OSError as error:
            raise ImageError(f"{path} cannot be read ({error.strerror}); change its permissions.") from error

    def entry(self, result: str, status: files.Status | None = None) -> JournalEntry | None:
        """Return how the file of this name was made; None if it was not made by a run in this journal.

        ``status``: what is known of the file. Raises OSError.
        """
        begun = self._index.entry(result, is_written=False)
        if begun is not None:
            path = self.folder / result
            status = self.store.status(path) if status is None else status
            may_be = status and status.kind == "file" and status.bytes == begun.bytes
            if may_be and checksum.of_file(path, self.store) == begun.sha256:
                return begun
        written = self._index.entry(result, is_written=True)
        if self.has_notes and (written is None or self._index.is_doubtful(result)):
            return self._noted(result)
        return written

    @property
    def has_foreign_lines(self) -> bool:
        """Whether somebody else, or a magn before 0.2, has written to it."""
        return self._foreign > 0

    def results(self) -> Iterator[str]:
        """Yield the names of all results, as in :attr:`JournalEntry.result`, some of them twice."""
        return self._index.results()

    def __contains__(self, result: object) -> bool:
        return result in self._index

    def know(self, settings: Settings) -> None:
        """Let notes refer to settings that the journal may have lost."""
        self._index.know(settings)

    def open(self, settings: Settings | None = None, overwrite: bool = False) -> None:
        """Prepare to add entries.

        Args:
            settings: those of the entries to come.
            overwrite: these entries may replace others.

        Raises OSError, or :class:`NoKeyError` if entries cannot be signed.
        """
        if self._key_of_user() is None:
            raise NoKeyError(f"{user_key.key_file()} cannot be kept or read, and journals are signed with it")
        self._file = self.store.append_to(self.folder / NAME)
        if self.has_notes and settings is not None:
            if overwrite:
                self._add({"schema": REFERRING, "replacing": True}, later=True)
            self._add({"schema": REFERRING, "settings": dict(settings)})

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                # The results are known by their notes or contents.
                log.warning("the journal in %s misses its last lines: %s.", self.folder, error.strerror)
            self._file = None

    def begin(self, entry: JournalEntry) -> bytes | None:
        """Record that a result is about to get its name, or return the note that it is to carry.

        Raises OSError.
        """
        if self.has_notes:
            about = self._referring(entry)
            name = checksum.of_bytes(about.pop("result").encode("utf-8", "surrogatepass"))
            note = self._signed({"schema": REFERRING, "note": {"name": name, **about}})
            return note if len(note) <= MAX_NOTE else None
        self._add({"schema": SCHEMA, "begun": _plain(entry)})
        return None

    def finish(self, entry: JournalEntry) -> None:
        """Record that a result got its name. Raises OSError."""
        if self.has_notes:
            self._add({"schema": REFERRING, "made": self._referring(entry)}, later=True)
        else:
            self._add({"schema": SCHEMA, "written": entry.result}, later=True)

    def _add(self, line: dict[str, Any], later: bool = False) -> None:
        data = self._signed(line)
        with self._lock:
            assert self._file is not None
            self._file.append(data, later)

    def _signed(self, line: dict[str, Any]) -> bytes:
        # ASCII, because file names can contain bytes that are not UTF-8.
        data, key = json.dumps(line).translate(_ESCAPES).encode("ascii"), self._key_of_user()
        assert key is not None
        return _SIGNED + user_key.signature(key, data) + _BEHIND + data[1:]

    def _referring(self, entry: JournalEntry) -> dict[str, Any]:
        return {**_plain(entry), "settings": name_of(entry.settings)}

    def _noted(self, result: str) -> JournalEntry | None:
        """Return what the note of a result says."""
        note = self.store.note(self.folder / result)
        content = None if note is None else self._content(note)
        if content is None:
            return None
        try:
            about = structured.json_of(content)["note"]
            if about.pop("name") != checksum.of_bytes(result.encode("utf-8", "surrogatepass")):
                return None
            return self._entry({"result": result, **about})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def _entry(self, values: Any) -> JournalEntry:
        name = values["settings"]
        settings = self._index.named(name)
        return _entry({**values, "settings": {"settings": name} if settings is None else settings})

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
            match document:
                case {"schema": 2, "begun": begun}:
                    self._index.begin(_entry(begun))
                case {"schema": 2, "written": str(result)}:
                    self._index.finish(result)
                case {"schema": 3, "settings": dict(settings)}:
                    self._index.know(settings)
                case {"schema": 3, "replacing": True}:
                    self._index.doubt()
                case {"schema": 3, "made": made}:
                    self._index.add(self._entry(made))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            log.debug("a line of the journal in %s is passed over", self.folder)


def _entry(values: Any) -> JournalEntry:
    """Parse a line. Raises ValueError, KeyError, TypeError or AttributeError unless magn wrote it."""
    origin = Origin(**values.pop("origin"))
    entry = JournalEntry(origin=origin, **values)
    if not isinstance(origin.tag, str):
        raise TypeError("a tag is text")
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


def _plain(entry: JournalEntry) -> dict[str, Any]:
    values = asdict(entry)
    if not entry.origin.tag:
        del values["origin"]["tag"]
    return values


def results_in(folder: Path, store: files.Store = files.LOCAL) -> Container[str]:
    """Return the names that a folder's journal lists; empty if there is no readable journal."""
    try:
        return Journal(folder, store)
    except ImageError:
        return ()


def is_kept(folder: Path, store: files.Store = files.LOCAL) -> bool:
    """Whether a folder has a journal. Raises OSError."""
    path = folder / NAME
    if store.status(path) is not None:
        return True
    return not store.has_folders(folder) and next(store.lines_of(path, MAX_LINE), None) is not None


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
    except TimeoutError as error:
        # On a network it is known who.
        who = f" ({error.strerror})" if str(error.strerror).startswith("held by process") else ""
        raise UsageError(
            f"another magn is at work in {folder}{who}; wait until it is done, or give another --out."
        ) from None
    except (files.NotOrdinaryError, IsADirectoryError):
        raise
    except StoreError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror}.") from error
    except OSError as error:
        raise ImageError(
            f"the folder {folder} cannot be written to ({error.strerror}); give another --out."
        ) from error
