"""A plan of any number of pictures, in a temporary database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar, overload

from magn_cli import images
from magn_cli.batch.plan import Refusal
from magn_cli.batch.targets import Job
from magn_cli.files import Status, Store, UrlPath

PAGE = 1000

_SCHEMA = """
CREATE TABLE found (
    n INTEGER PRIMARY KEY, source INTEGER, path BLOB, root BLOB, identity BLOB UNIQUE, stem BLOB, is_raw INTEGER,
    bytes INTEGER, changed INTEGER, tag TEXT, is_dropped INTEGER DEFAULT 0
);
CREATE TABLE there (path BLOB PRIMARY KEY, bytes INTEGER, changed INTEGER, tag TEXT) WITHOUT ROWID;
CREATE TABLE jobs (
    state INTEGER, n INTEGER, source BLOB, target BLOB, folder BLOB, name BLOB, key BLOB UNIQUE, megapixels REAL,
    reason TEXT, PRIMARY KEY (state, n)
) WITHOUT ROWID;
"""

_DROP = "UPDATE found SET is_dropped = 1 WHERE"

T = TypeVar("T")


class State(IntEnum):
    """What is to be done with a picture."""

    TO_DO = 0
    KEPT = 1
    REFUSED = 2


@dataclass(frozen=True)
class FoundRow:
    """A picture that was found."""

    path: Path
    root: Path
    status: Status


class PlanTable:
    """Pictures, existing outputs, and jobs. Used by one thread at a time."""

    def __init__(self) -> None:
        # Without a name: it goes to the disk when it outgrows its cache, and vanishes with the process.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for command in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536"):
            self._database.execute(f"PRAGMA {command}")
        self._database.executescript(_SCHEMA)
        self._database.execute("BEGIN")
        self._counts = dict.fromkeys(State, 0)

    def add_found(
        self, source: int, path: Path, root: Path, status: Status, identity: Hashable | None = None
    ) -> None:
        """Add a picture, unless it is there under another name."""
        names = (_encoded(path), _encoded(root), _key(str(identity or path)), _key(str(path.with_suffix(""))))
        is_raw = path.suffix.lower() in images.RAW_SUFFIXES
        row = (source, *names, is_raw, status.bytes, status.changed_ns, status.tag)
        self._database.execute("INSERT OR IGNORE INTO found VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", row)

    def add_there(self, path: Path, status: Status) -> None:
        """Add a file that may be an output."""
        row = (_encoded(path), status.bytes, status.changed_ns, status.tag)
        self._database.execute("INSERT OR REPLACE INTO there VALUES (?, ?, ?, ?)", row)

    def add_job(self, job: Job, key: str, state: State, megapixels: float, reason: str) -> None:
        """Add a job; ``key`` is what two outputs must not have in common."""
        places = (_encoded(job.source), _encoded(job.target), _encoded(job.folder), _key(job.name))
        row = (state, self._counts[state], *places, _key(key), megapixels, reason)
        self._database.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._counts[state] += 1

    def found(self) -> Iterator[FoundRow]:
        """Yield the pictures, in the order in which they were found."""
        fields = "n, path, root, bytes, changed, tag"
        select = f"SELECT {fields} FROM found WHERE n > ? AND NOT is_dropped ORDER BY n LIMIT ?"  # noqa: S608
        last = 0
        while page := self._database.execute(select, (last, PAGE)).fetchall():
            for _, path, root, size, changed, tag in page:
                yield FoundRow(_decoded(path), _decoded(root), Status("file", size, changed, tag=tag))
            last = page[-1][0]

    def has_found(self, at_least: int = 1, source: int | None = None) -> bool:
        """Whether there are so many pictures, of one source or of all."""
        which = "" if source is None else "AND source = ?"
        select = f"SELECT 1 FROM found WHERE NOT is_dropped {which} LIMIT 1 OFFSET ?"  # noqa: S608
        return self._one(select, *([] if source is None else [source]), at_least - 1) is not None

    def there(self, path: Path) -> Status | None:
        """Return what was listed under this name."""
        row = self._one("SELECT bytes, changed, tag FROM there WHERE path = ?", _encoded(path))
        return None if row is None else Status("file", row[0], row[1], tag=row[2])

    def source_of_key(self, key: str) -> Path | None:
        """Return the picture whose output has this key."""
        row = self._one("SELECT source FROM jobs WHERE key = ?", _key(key))
        return None if row is None else _decoded(row[0])

    def input(self, path: Path, identity: Hashable) -> Path | None:
        """Return the picture that is this file."""
        row = self._one("SELECT path FROM found WHERE identity = ? AND NOT is_dropped", _key(str(identity)))
        return None if row is None else _decoded(row[0])

    def drop(self, paths: Iterable[Path], source: int) -> None:
        """Leave pictures of a source out."""
        # The identity of a URL is the URL.
        rows = ((_encoded(path), source) for path in paths)
        self._database.executemany(f"{_DROP} identity = substr(?, 2) AND source = ?", rows)

    def drop_mosaics(self, source: int, only: bool) -> None:
        """Leave out raw files beside a developed picture; with ``only`` all others, if there are raw ones."""
        of_source = "source = ? AND NOT is_dropped"
        if self._one(f"SELECT 1 FROM found WHERE {of_source} AND is_raw LIMIT 1", source) is None:  # noqa: S608
            return
        if only:
            self._database.execute(f"{_DROP} {of_source} AND NOT is_raw", (source,))
            return
        self._index_stems()
        twin = "other.stem = found.stem AND NOT other.is_raw AND NOT other.is_dropped"
        exists = f"EXISTS (SELECT 1 FROM found AS other WHERE {twin})"  # noqa: S608
        self._database.execute(f"{_DROP} {of_source} AND is_raw AND {exists}", (source,))

    def results_beside(self, source: int, ending: str) -> Iterator[Path]:
        """Yield the pictures whose name is that of another one with an ending."""
        self._index_stems()
        tail, last = _key(ending), 0
        select = (
            "SELECT n, path FROM found WHERE n > ? AND source = ? AND substr(stem, -?) = ? AND EXISTS "
            "(SELECT 1 FROM found AS other WHERE other.stem = substr(found.stem, 1, length(found.stem) - ?)) "
            "ORDER BY n LIMIT ?"
        )
        while True:
            values = (last, source, len(tail), tail, len(tail), PAGE)
            page = self._database.execute(select, values).fetchall()
            if not page:
                return
            yield from (_decoded(row[1]) for row in page)
            last = page[-1][0]

    def jobs(self, state: State, store: Store) -> Sequence[Job]:
        """Return the jobs of a state."""
        return self._of(state, "source, target, folder, name", lambda row: _job(row, store))

    def refusals(self, store: Store) -> Sequence[Refusal]:
        """Return the jobs whose outputs exist, with the reasons."""
        fields = "source, target, folder, name, reason"
        return self._of(State.REFUSED, fields, lambda row: Refusal(_job(row, store), row[5]))

    def megapixels(self) -> Sequence[float]:
        """Return the sizes of the jobs that are to be done."""
        return self._of(State.TO_DO, "megapixels", lambda row: float(row[1]))

    def _of(self, state: State, fields: str, make: Callable[[tuple[Any, ...]], T]) -> Sequence[T]:
        select = f"SELECT n, {fields} FROM jobs WHERE state = ? AND n > ? ORDER BY n LIMIT ?"  # noqa: S608
        return _Rows(self._database, self._counts[state], select, (int(state),), make)

    def _index_stems(self) -> None:
        self._database.execute("CREATE INDEX IF NOT EXISTS stems ON found (stem)")

    def _one(self, select: str, *values: object) -> Any:
        return self._database.execute(select, values).fetchone()


class _Rows(Sequence[T]):
    """Rows of a table as a sequence that reads them page by page."""

    def __init__(
        self,
        database: sqlite3.Connection,
        count: int,
        select: str,
        values: tuple[object, ...],
        make: Callable[[tuple[Any, ...]], T],
    ) -> None:
        self._database, self._count, self._select = database, count, select
        self._values, self._make = values, make

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        return self._from(-1)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(self._count))]
        at = index + self._count if index < 0 else index
        if not 0 <= at < self._count:
            raise IndexError(index)
        return next(self._from(at - 1))

    def _from(self, last: int) -> Iterator[T]:
        while page := self._database.execute(self._select, (*self._values, last, PAGE)).fetchall():
            for row in page:
                yield self._make(row)
            last = page[-1][0]


def _job(row: tuple[Any, ...], store: Store) -> Job:
    folder = None if row[3] is None else _decoded(row[3])
    return Job(_decoded(row[1]), _decoded(row[2]), folder, row[4].decode("utf-8", "surrogatepass"), store)


def _encoded(path: Path | None) -> Any:
    if path is None:
        return None
    return (b"u" if isinstance(path, UrlPath) else b"p") + str(path).encode("utf-8", "surrogatepass")


def _decoded(data: bytes) -> Path:
    text = data[1:].decode("utf-8", "surrogatepass")
    return UrlPath(text) if data[:1] == b"u" else Path(text)


def _key(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")
