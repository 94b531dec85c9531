"""One bucket or host each, through a driver of fsspec: what they do alike, and what each does in its way."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace as changed
from datetime import datetime
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any, TypeVar

import fsspec
from fsspec.asyn import sync

from magn_cli.errors import UsageError
from magn_cli.files.remote import retrying
from magn_cli.files.remote.errors import no_bucket
from magn_cli.files.store import START, Listed, Status, StoreError
from magn_cli.files.urls import UrlPath, check_segments, secret_of

DRIVERS = {
    "s3": ("s3fs", "s3fs"),
    "gs": ("gcsfs", "gcsfs"),
    "az": ("adlfs", "adlfs"),
    "sftp": ("paramiko", "paramiko"),
    "https": ("aiohttp", "aiohttp"),
    "http": ("aiohttp", "aiohttp"),
}
"""The module that a driver needs, and the package to install."""

PAGE = 1000
"""Names asked for at once; no store gives more."""

CHECKED_FIRST = 1 << 20
"""Files of more bytes are looked at before they are read: that costs one more request."""

MAX_STREAM = 1 << 30
"""Bytes of a file of the web, whose server may not tell its size."""

NOTE = "magn"
"""Name of the metadata field that holds a note."""

T = TypeVar("T")


class Drive:
    """A bucket, container or host; all methods raise OSError in our words, and ask again where that may help."""

    keeps_notes = False

    def __init__(self, scheme: str, place: str) -> None:
        self.scheme, self.place = scheme, place
        self._filesystem: Any = None
        self._mutex = threading.Lock()
        self._has_answered = False
        self.ignores_conditions = False

    def status(self, path: UrlPath) -> Status | None:
        """Return what is there; None: nothing."""
        try:
            return _status(self.ask(path, lambda fs: fs.info(self.name(path))))
        except FileNotFoundError:
            return None

    def get(self, path: UrlPath, start: int | None = None, end: int | None = None) -> bytes:
        """Return the bytes of a file, or those from ``start`` to before ``end``."""
        return bytes(self.ask(path, lambda fs: fs.cat_file(self.name(path), start=start, end=end)))

    def file(self, path: UrlPath) -> Status:
        """Return the status of a file. Raises FileNotFoundError or IsADirectoryError where there is none."""
        found = self.status(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path))
        if found.kind == "folder":
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        return found

    def read(self, path: UrlPath, check: Callable[[bytes], object], limit: int) -> tuple[bytes, Status]:
        """Return a file and its status as of that reading.

        Args:
            path: its name.
            check: is given the first bytes; what it raises passes through.
            limit: MemoryError for more bytes than that.
        """
        for _ in range(3):
            found = self.file(path)
            if found.bytes > limit:
                raise MemoryError
            if found.bytes > CHECKED_FIRST:
                check(self.get(path, 0, START))
            data = self.get(path)
            # Some servers do not tell the size.
            if found.bytes in (len(data), 0):
                check(data[:START])
                return data, changed(found, bytes=len(data))
        raise OSError(errno.EIO, "it changes while it is read", str(path))

    def put(
        self, path: UrlPath, data: bytes, *, replace: bool, note: bytes | None = None, only: str | None = None
    ) -> None:
        """Make a file appear whole.

        Args:
            path: its name.
            data: its bytes.
            replace: a file of this name may be there.
            note: see :meth:`note`; only where the drive :attr:`keeps_notes`.
            only: replace only the file with this tag, where the store can.

        Raises FileExistsError where a file is there that is not to be replaced.
        """

        def put(fs: Any) -> None:
            self._put(fs, path, data, {} if replace else {"mode": "create"}, note, only)

        if not replace and self.ignores_conditions and self.status(path) is not None:
            raise FileExistsError(errno.EEXIST, "it exists already", str(path))
        try:
            self.ask(path, put)
        except FileExistsError:
            # The answer to an earlier try may have been lost: to one of ours, or one that aiohttp made on its own.
            if not self._is_there(path, data):
                raise

    def note(self, path: UrlPath) -> bytes | None:
        """Return the note of a file."""
        return None

    def remove(self, path: UrlPath) -> None:
        """Remove a file if it is there."""
        with suppress(FileNotFoundError):
            self.ask(path, lambda fs: fs.rm_file(self.name(path)))

    def make_folder(self, path: UrlPath) -> None:
        """Make a folder where the store has some."""

    def listing(self, folder: UrlPath, recursive: bool) -> Iterator[Listed]:
        """Yield files folder by folder: what is held at once are the names of one folder."""
        waiting = [self.name(folder)]
        while waiting:
            current = waiting.pop()
            for info in self.ask(folder, partial(_ls, name=current)):
                name = info["name"]
                if info["type"] == "directory":
                    if recursive and name.strip("/") != current.strip("/"):
                        waiting.append(name)
                elif info["type"] == "file":
                    yield from self._listed(folder, self.key(name), info)

    def name(self, path: UrlPath) -> str:
        """Return the driver's name for a path."""
        return f"{self.place}/{path.key}" if path.key else self.place

    def key(self, name: str) -> str:
        """Return what :attr:`UrlPath.key` is for the driver's name."""
        return name.lstrip("/").removeprefix(f"{self.place}/")

    def ask(self, path: UrlPath, work: Callable[[Any], T]) -> T:
        """Return what ``work`` makes of the driver."""
        patience = retrying.PATIENCE if self._has_answered else retrying.FIRST_PATIENCE
        answer = retrying.retrying(lambda: work(self._driver()), path, patience=patience, renew=self._renew)
        self._has_answered = True
        return answer

    def _put(
        self, fs: Any, path: UrlPath, data: bytes, how: dict[str, Any], note: bytes | None, only: str | None
    ) -> None:
        fs.pipe_file(self.name(path), data, **how)

    def _is_there(self, path: UrlPath, data: bytes) -> bool:
        found = self.status(path)
        return found is not None and found.bytes == len(data) and self.get(path) == data

    def _open(self) -> Any:
        return fsspec.filesystem(self.scheme, skip_instance_cache=True, use_listings_cache=False)

    def _driver(self) -> Any:
        with self._mutex:
            if self._filesystem is None:
                self._filesystem = self._open()
            return self._filesystem

    def _renew(self) -> None:
        with self._mutex:
            self._filesystem = None

    def _listed(self, folder: UrlPath, key: str, info: dict[str, Any]) -> Iterator[Listed]:
        # Consoles of stores mark an empty folder by an object of no bytes.
        if key.endswith("/") and not info.get("size"):
            return
        # A listing can name anything, also what lies elsewhere.
        base = f"{folder.key}/" if folder.key else ""
        problem = check_segments(key) if key.startswith(base) else "it lies in another folder"
        if problem is not None:
            yield Listed(folder, _status(info), f"{key!r} cannot be used as a path: {problem}")
        else:
            yield Listed(UrlPath(f"{self.scheme}:/{self.place}/{key}"), _status(info))


class S3(Drive):
    """Amazon S3, and what speaks its protocol."""

    keeps_notes = True

    def _open(self) -> Any:
        # Tries are counted here: one that botocore makes on its own would hide that a PUT was answered twice.
        fs = fsspec.filesystem(
            "s3",
            skip_instance_cache=True,
            use_listings_cache=False,
            config_kwargs={"retries": {"total_max_attempts": 1}},
        )
        fs.retries = 1
        return fs

    def status(self, path: UrlPath) -> Status | None:
        """Return what is there: an object, or a name that others begin with."""
        unknown = None
        try:
            if path.key:
                found = self.ask(path, lambda fs: fs.call_s3("head_object", Bucket=self.place, Key=path.key))
                return _status({**found, "size": found["ContentLength"], "type": "file"})
        except FileNotFoundError:
            pass
        except (PermissionError, StoreError):
            raise
        except OSError as error:
            # An answer to HEAD has no body that says why, such as expired credentials. The next one has.
            unknown = error
        page = self._page(path, {"Prefix": _below(path), "MaxKeys": 1})
        if unknown is not None:
            raise unknown
        return Status("folder", 0, 0) if page.get("KeyCount") or not path.key else None

    def read(self, path: UrlPath, check: Callable[[bytes], object], limit: int) -> tuple[bytes, Status]:
        """Return an object and its status by one request."""
        data, status, problem = self.ask(path, lambda fs: sync(fs.loop, _get_object, fs, path, check, limit))
        if problem is not None:
            raise problem
        return data, status

    def note(self, path: UrlPath) -> bytes | None:
        """Return the note of an object."""
        try:
            found = self.ask(path, lambda fs: fs.call_s3("head_object", Bucket=self.place, Key=path.key))
        except FileNotFoundError:
            return None
        note = found.get("Metadata", {}).get(NOTE)
        return None if note is None else str(note).encode("ascii", "replace")

    def listing(self, folder: UrlPath, recursive: bool) -> Iterator[Listed]:
        """Yield objects page by page."""
        about: dict[str, Any] = {"Prefix": _below(folder), "MaxKeys": PAGE}
        if not recursive:
            about["Delimiter"] = "/"
        while True:
            page = self._page(folder, about)
            for found in page.get("Contents", ()):
                yield from self._listed(folder, found["Key"], {**found, "size": found["Size"], "type": "file"})
            if not page.get("IsTruncated"):
                return
            about["ContinuationToken"] = page["NextContinuationToken"]

    def _page(self, path: UrlPath, about: dict[str, Any]) -> dict[str, Any]:
        page: dict[str, Any] = self.ask(path, lambda fs: fs.call_s3("list_objects_v2", Bucket=self.place, **about))
        return page

    def _put(
        self, fs: Any, path: UrlPath, data: bytes, how: dict[str, Any], note: bytes | None, only: str | None
    ) -> None:
        if note is not None:
            how["Metadata"] = {NOTE: note.decode("ascii")}
        if only:
            how["IfMatch"] = only
        fs.pipe_file(self.name(path), data, **how)


class Bucket(Drive):
    """A store whose driver answers alike for a missing file and a missing bucket: Azure, and Google's."""

    _is_there_itself = False

    def status(self, path: UrlPath) -> Status | None:
        """Return what is there. Raises StoreError if there is not even the bucket, which is asked for once."""
        found = super().status(path)
        if found is None and not self._is_there_itself:
            try:
                # Who may read objects may not be allowed to see the bucket.
                with suppress(PermissionError):
                    self.ask(path, lambda fs: fs.info(self.place))
            except FileNotFoundError:
                raise no_bucket(path) from None
        self._is_there_itself = True
        return found


class Gcs(Bucket):
    """Google Cloud Storage."""

    keeps_notes = True

    def note(self, path: UrlPath) -> bytes | None:
        """Return the note of an object."""
        try:
            found = self.ask(path, lambda fs: fs.info(self.name(path)))
        except FileNotFoundError:
            return None
        note = (found.get("metadata") or {}).get(NOTE)
        return None if note is None else str(note).encode("ascii", "replace")

    def _put(
        self, fs: Any, path: UrlPath, data: bytes, how: dict[str, Any], note: bytes | None, only: str | None
    ) -> None:
        if note is not None:
            how["metadata"] = {NOTE: note.decode("ascii")}
        fs.pipe_file(self.name(path), data, **how)


class Web(Drive):
    """Files of the web, which can only be read."""

    def status(self, path: UrlPath) -> Status | None:
        """Return what is there, without its size where the server does not tell."""
        try:
            return _status({**self.ask(path, lambda fs: fs.info(self.name(path))), "type": "file"})
        except FileNotFoundError:
            return None

    def put(
        self, path: UrlPath, data: bytes, *, replace: bool, note: bytes | None = None, only: str | None = None
    ) -> None:
        """Raise StoreError."""
        raise StoreError(errno.EROFS, f"{self.scheme}:// URLs are read-only, so give another --out", str(path))

    def listing(self, folder: UrlPath, recursive: bool) -> Iterator[Listed]:
        """Raise StoreError."""
        raise StoreError(errno.ENOTDIR, f"{self.scheme}:// has no folders, so name a picture", str(folder))

    def get(self, path: UrlPath, start: int | None = None, end: int | None = None) -> bytes:
        """Return bytes; MemoryError for a stream that does not end."""
        if start is not None or end is not None:
            return super().get(path, start, end)

        def stream(fs: Any) -> bytes:
            blocks, total = [], 0
            with fs.open(self.name(path), block_size=0) as file:
                while block := file.read(1 << 20):
                    blocks.append(block)
                    total += len(block)
                    if total > MAX_STREAM:
                        raise MemoryError
            return b"".join(blocks)

        return self.ask(path, stream)

    def name(self, path: UrlPath) -> str:
        """Return the whole address, with its query."""
        return secret_of(path) or str(path)


class Memory(Drive):
    """Files in the memory of this process, for trying things out."""

    def name(self, path: UrlPath) -> str:
        """Return the name with a slash in front."""
        return f"/{super().name(path)}"

    def listing(self, folder: UrlPath, recursive: bool) -> Iterator[Listed]:
        """Yield files; a folder that is not there has none."""
        with suppress(FileNotFoundError):
            yield from super().listing(folder, recursive)


class Sftp(Drive):
    """A machine that is reached by SSH; only hosts whose keys are known."""

    def __init__(self, scheme: str, place: str) -> None:
        super().__init__(scheme, place)
        self._one_at_a_time = threading.RLock()

    def name(self, path: UrlPath) -> str:
        """Return the path from the root of that machine."""
        return f"/{path.key}"

    def key(self, name: str) -> str:
        """Return the path without the slash in front."""
        return name.lstrip("/")

    def ask(self, path: UrlPath, work: Callable[[Any], T]) -> T:
        """Return what ``work`` makes of the driver, for one thread at a time."""
        with self._one_at_a_time:
            return super().ask(path, work)

    def remove(self, path: UrlPath) -> None:
        """Remove a file if it is there."""
        with suppress(FileNotFoundError):
            self.ask(path, lambda fs: fs.ftp.remove(self.name(path)))

    def make_folder(self, path: UrlPath) -> None:
        """Make a folder, with those above it."""
        self.ask(path, lambda fs: fs.makedirs(self.name(path), exist_ok=True))

    def _put(
        self, fs: Any, path: UrlPath, data: bytes, how: dict[str, Any], note: bytes | None, only: str | None
    ) -> None:
        name = self.name(path)
        head, _, tail = name.rpartition("/")
        temporary = f"{head}/.{tail[:50]}.{threading.get_ident():x}.tmp"
        try:
            with fs.ftp.open(temporary, "wb") as file:
                file.set_pipelined(True)
                file.write(data)
            if "mode" not in how:
                fs.ftp.posix_rename(temporary, name)
            else:
                self._rename_to_free_name(fs, temporary, name)
        except BaseException:
            with suppress(OSError):
                fs.ftp.remove(temporary)
            raise

    def _rename_to_free_name(self, fs: Any, temporary: str, name: str) -> None:
        try:
            # In version 3 of the protocol, this fails where the name is taken.
            fs.ftp.rename(temporary, name)
        except OSError:
            if fs.exists(name):
                raise FileExistsError(name) from None
            raise

    def _open(self) -> Any:
        user, _, host = self.place.rpartition("@")
        host, _, port = host.partition(":")
        about: dict[str, Any] = {"username": user} if user else {}
        if port.isdigit():
            about["port"] = int(port)
        password = secret_of(UrlPath(f"sftp:/{self.place}/"))
        if password is not None:
            about["password"] = password
        return fsspec.filesystem(
            "sftp", skip_instance_cache=True, host=host, host_key_policy=_known_hosts_only(), **about
        )


def _known_hosts_only() -> Any:
    import paramiko

    class KnownHostsOnly(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        """The driver itself would trust whoever answers first, and reads no list of known hosts."""

        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            known = paramiko.SSHClient()
            known.load_system_host_keys()
            if not known._system_host_keys.check(hostname, key):
                says = f"the key of {hostname} is not in ~/.ssh/known_hosts, so connect by ssh once to check it"
                raise StoreError(errno.EACCES, says)

    return KnownHostsOnly()


_CLASSES: dict[str, type[Drive]] = {
    "s3": S3,
    "gs": Gcs,
    "az": Bucket,
    "sftp": Sftp,
    "https": Web,
    "http": Web,
    "memory": Memory,
}


@lru_cache(maxsize=64)
def drive_of(scheme: str, place: str) -> Drive:
    """Return the drive of a bucket or host, one for the whole process. Raises as :func:`check_driver`."""
    check_driver(scheme)
    return _CLASSES.get(scheme, Drive)(scheme, place)


def check_driver(scheme: str) -> None:
    """Raise :class:`UsageError` unless the driver for a scheme is installed."""
    module, package = DRIVERS.get(scheme, ("fsspec", "fsspec"))
    if find_spec(module) is None:
        raise UsageError(f"{scheme}:// needs the driver {package}: run pip install {package}.")


async def _get_object(
    fs: Any, path: UrlPath, check: Callable[[bytes], object], limit: int
) -> tuple[bytes, Status, Exception | None]:
    """Return an object, or what ``check`` raised: that is no error of the store, which would be tried again."""
    found = await fs._call_s3("get_object", Bucket=path.place, Key=path.key)
    status = _status({**found, "size": found["ContentLength"], "type": "file"})
    async with found["Body"] as body:
        if status.bytes > limit:
            raise MemoryError
        start = await body.read(START)
        try:
            check(start)
        except Exception as error:
            return b"", status, error
        return start + await body.read(), status, None


def _ls(fs: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = fs.ls(name, detail=True)
    return found


def _below(path: UrlPath) -> str:
    return f"{path.key}/" if path.key else ""


def _status(info: dict[str, Any]) -> Status:
    """Return what a driver tells of a file or folder, under the names that drivers have for it."""
    if info.get("type") == "directory":
        return Status("folder", 0, 0)
    changed = next(
        (
            info[name]
            for name in ("LastModified", "updated", "last_modified", "mtime", "created")
            if info.get(name)
        ),
        None,
    )
    tag = next((info[name] for name in ("ETag", "etag", "md5Hash", "content_md5") if info.get(name)), "")
    tag = tag.hex() if isinstance(tag, bytes | bytearray) else str(tag).strip('"')
    kind = "file" if info.get("type") == "file" else "other"
    return Status(kind, int(info.get("size") or 0), _nanoseconds(changed), tag=tag)  # type: ignore[arg-type]


def _nanoseconds(time: object) -> int:
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            return 0
    if isinstance(time, datetime):
        return round(time.timestamp() * 1_000_000) * 1000
    return round(time * 1_000_000) * 1000 if isinstance(time, int | float) else 0
