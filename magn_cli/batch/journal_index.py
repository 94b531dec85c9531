"""What a journal says, in an index on the disk: a journal of ten million lines does not fit the memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PAGE = 1000

MAX_BEGUN = 10_000
"""Entries that were begun and not written yet, which are held in memory."""

Settings = Mapping[str, Any]
"""All settings that affect a result, as JSON values."""

_TABLE = """
CREATE TABLE entries (
    result BLOB, is_written INTEGER, bytes INTEGER, sha256 TEXT, origin_bytes INTEGER, origin_changed INTEGER,
    origin_sha256 TEXT, origin_tag TEXT, settings TEXT, generation INTEGER, PRIMARY KEY (result, is_written)
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class Origin:
    """State of a picture when it was read."""

    bytes: int
    changed_ns: int
    """Modification time in nanoseconds."""

    sha256: str
    tag: str = ""
    """See :attr:`magn_cli.files.Status.tag`."""


@dataclass(frozen=True)
class JournalEntry:
    """How a result was made."""

    result: str
    """Path relative to the folder of the journal, with ``/`` as separator."""

    bytes: int
    sha256: str
    origin: Origin
    settings: Settings


class JournalIndex:
    """Entries by the names of their results: those that were begun, and those that were written."""

    def __init__(self) -> None:
        # Only a folder that was used before needs it.
        import sqlite3

        # Without a name: a temporary database, which goes to the disk when it outgrows its cache.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        pragmas = ("journal_mode=OFF", "synchronous=OFF", "cache_size=-32768")
        for command in (*(f"PRAGMA {pragma}" for pragma in pragmas), _TABLE, "BEGIN"):
            self._database.execute(command)
        self._settings: dict[str, Settings] = {}
        self._last: tuple[Settings, str] = ({}, name_of({}))
        self._generation = 0
        # Almost all are written a few lines after they were begun.
        self._begun: dict[str, JournalEntry] = {}
        self._has_spilled = False

    def know(self, settings: Settings) -> str:
        """Return the name of settings, by which :meth:`named` finds them again."""
        if settings != self._last[0] or not self._settings:
            self._last = settings, name_of(settings)
            self._settings.setdefault(self._last[1], settings)
        return self._last[1]

    def named(self, name: str) -> Settings | None:
        """Return the settings of this name."""
        return self._settings.get(name)

    def begin(self, entry: JournalEntry) -> None:
        """Add an entry that was begun, in place of an earlier one."""
        self._begun[entry.result] = entry
        if len(self._begun) > MAX_BEGUN:
            for one in self._begun.values():
                self._insert(one, is_written=False)
            self._begun.clear()
            self._has_spilled = True

    def add(self, entry: JournalEntry) -> None:
        """Add an entry that was written, in place of an earlier one."""
        self._insert(entry, is_written=True)

    def _insert(self, entry: JournalEntry, is_written: bool) -> None:
        origin, name = entry.origin, self.know(entry.settings)
        about_origin = (origin.bytes, origin.changed_ns, origin.sha256, origin.tag)
        row = (_key(entry.result), is_written, entry.bytes, entry.sha256, *about_origin, name, self._generation)
        self._database.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def finish(self, result: str) -> None:
        """Turn the entry that was begun into one that was written. Raises KeyError where there is none."""
        begun = self._begun.pop(result, None)
        if begun is not None:
            self.add(begun)
            if self._has_spilled:
                self._database.execute("DELETE FROM entries WHERE result = ? AND is_written = 0", (_key(result),))
            return
        update = "UPDATE OR REPLACE entries SET is_written = 1 WHERE result = ? AND is_written = 0"
        if self._database.execute(update, (_key(result),)).rowcount == 0:
            raise KeyError(result)

    def doubt(self) -> None:
        """Take it that all entries so far may have been replaced: see :meth:`is_doubtful`."""
        self._generation += 1

    def entry(self, result: str, is_written: bool) -> JournalEntry | None:
        """Return an entry."""
        if not is_written and result in self._begun:
            return self._begun[result]
        row = self._row(result, is_written)
        if row is None:
            return None
        _, _, size, sha256, *origin, name, _ = row
        return JournalEntry(result, size, sha256, Origin(*origin), self._settings[name])

    def is_doubtful(self, result: str) -> bool:
        """Whether :meth:`doubt` was called since the entry was added."""
        row = self._row(result, True)
        return row is not None and row[-1] < self._generation

    def results(self) -> Iterator[str]:
        """Yield the names of all results, some of them twice."""
        yield from list(self._begun)
        last, select = (
            (b"", -1),
            "SELECT result, is_written FROM entries WHERE (result, is_written) > (?, ?) LIMIT ?",
        )
        while page := self._database.execute(select, (*last, PAGE)).fetchall():
            yield from (_result(row[0]) for row in page)
            last = page[-1]

    def __contains__(self, result: object) -> bool:
        return isinstance(result, str) and (result in self._begun or self._is_in_table(result))

    def _is_in_table(self, result: str) -> bool:
        return any(self._row(result, is_written) for is_written in (True, False))

    def _row(self, result: str, is_written: bool) -> tuple[Any, ...] | None:
        select = "SELECT * FROM entries WHERE result = ? AND is_written = ?"
        row: tuple[Any, ...] | None = self._database.execute(select, (_key(result), is_written)).fetchone()
        return row


def name_of(settings: Settings) -> str:
    """Return a sha256 that is the same for the same settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _key(result: str) -> bytes:
    # Names that are not UTF-8 are no text for a database.
    return result.encode("utf-8", "surrogatepass")


def _result(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")
