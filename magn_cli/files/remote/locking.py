"""Locks of folders on other machines: an object that says who holds it, and is renewed as long as that runs."""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import socket
import threading
import time

import psutil

from magn_cli.files import structured
from magn_cli.files.printable import printable
from magn_cli.files.remote.drives import Drive
from magn_cli.files.store import StoreError
from magn_cli.files.urls import UrlPath

BEAT = 30.0
"""Seconds between two renewals."""

EXPIRY = 180.0
"""Seconds without a renewal after which a lock counts as left behind."""

_MAX_BYTES = 4096

log = logging.getLogger(__name__)


class ObjectLock:
    """A held lock; TimeoutError while another process holds it. Raises OSError."""

    def __init__(self, drive: Drive, path: UrlPath) -> None:
        self._drive, self._path, self._id = drive, path, secrets.token_hex(8)
        self._is_lost = False
        self._tag = ""
        drive.make_folder(path.parent)
        for _ in range(3):
            try:
                drive.put(path, self._says(), replace=False)
                break
            except FileExistsError:
                if self._take_over():
                    break
        if self._holder() != self._id:
            raise TimeoutError(errno.ETIMEDOUT, "held by another process", str(path))
        self._probe()
        self._tag = self._current_tag()
        self._stop = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="magn-lock", daemon=True)
        self._beating.start()

    def check(self) -> None:
        """Raise TimeoutError where another process has taken the lock over."""
        if self._is_lost:
            raise TimeoutError(errno.ETIMEDOUT, "taken over by another process", str(self._path))

    def release(self) -> None:
        """Let others have it."""
        self._stop.set()
        # A renewal may be waiting for a store that does not answer.
        self._beating.join(5.0)
        try:
            if not self._is_lost and self._holder() == self._id:
                self._drive.remove(self._path)
        except OSError as error:
            log.info("the lock %s stays for %.0f s: %s.", self._path, EXPIRY, error.strerror)

    def _says(self) -> bytes:
        about = {"id": self._id, "host": socket.gethostname(), "process": os.getpid(), "time": int(time.time())}
        return json.dumps(about).encode()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            try:
                if self._holder() != self._id:
                    self._is_lost = True
                    return
                self._drive.put(self._path, self._says(), replace=True, only=self._tag)
                self._tag = self._current_tag()
            except FileExistsError:
                self._is_lost = True
                return
            except OSError as error:
                # The next one may get through; the lock lasts for several.
                log.debug("the lock %s was not renewed: %s", self._path, error.strerror)

    def _probe(self) -> None:
        """Find out whether the store keeps what exists: some that speak the protocol of S3 do not."""
        try:
            self._drive.put(self._path, b"not " + self._says(), replace=False)
        except FileExistsError:
            return
        self._drive.put(self._path, self._says(), replace=True)
        if not self._drive.ignores_conditions:
            self._drive.ignores_conditions = True
            log.warning(
                "%s://%s cannot refuse to replace a file: one that appears while magn writes it would be lost.",
                self._path.scheme,
                self._path.place,
            )

    def _take_over(self) -> bool:
        """Take a lock that was left behind. Raises TimeoutError if it was not."""
        found = self._drive.status(self._path)
        if found is None:
            return False
        about = self._read()
        host, process = str(about.get("host", "another machine")), about.get("process")
        is_here = host == socket.gethostname()
        is_gone = (
            is_here and isinstance(process, int) and not (0 <= process < 2**31 and psutil.pid_exists(process))
        )
        if not is_gone and time.time() - found.changed_ns / 1e9 < EXPIRY:
            who = printable(f"process {process} on {host}")
            raise TimeoutError(errno.ETIMEDOUT, f"held by {who}", str(self._path))
        try:
            self._drive.put(self._path, self._says(), replace=True, only=found.tag)
        except FileExistsError:
            return False
        return True

    def _read(self) -> dict[str, object]:
        try:
            about = structured.json_of(self._drive.get(self._path, 0, _MAX_BYTES))
        except (StoreError, PermissionError):
            raise
        except (OSError, ValueError):
            return {}
        return about if isinstance(about, dict) else {}

    def _holder(self) -> object:
        return self._read().get("id")

    def _current_tag(self) -> str:
        found = self._drive.status(self._path)
        return "" if found is None else found.tag
