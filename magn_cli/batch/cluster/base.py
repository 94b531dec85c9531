"""What all workers have: a name, the driver's folder and log level, and messages that go to the driver."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from magn_cli.batch import events
from magn_cli.batch.cluster.messages import Refused, Started, Told, WorkerSetup
from magn_cli.errors import MagnError
from magn_cli.files import Status
from magn_cli.runtime.allocator import keep_freed_memory
from magn_cli.runtime.waiting import spin_little
from magn_cli.version import __version__


class BaseWorker:
    """Runs in a process of its own on a node. Needs no Ray."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._common = setup
        self.name = f"{socket.gethostname()}/{os.getpid()}"
        self._log = _Collected()

    def start(self) -> Started | Refused:
        """Get ready to work."""
        logging.getLogger("magn_cli").handlers = [self._log]
        logging.getLogger("magn_cli").setLevel(self._common.log_level)
        spin_little()
        keep_freed_memory()
        try:
            # Relative paths mean the same as on the driver, if its folder is on a shared file system.
            if self._common.folder.is_dir():
                os.chdir(self._common.folder)
            weights = self.prepare()
            return Started(self.name, __version__, weights, self.facts(), told=self._log.take(None))
        except MagnError as error:
            return Refused(on_worker(self.name, error), ends_run=True)

    def prepare(self) -> dict[str, str]:
        """Load what the work needs, and return the sha256 of weights by task. Raises :class:`MagnError`."""
        return {}

    def facts(self) -> Any:
        """Return what the driver has to know of what was loaded."""

    def see(self, paths: list[Path]) -> list[Status | str | None]:
        """Return what is at these paths, seen from here; for those that cannot be looked at, why."""
        found: list[Status | str | None] = []
        for path in paths:
            try:
                found.append(self._common.store.status(path))
            except OSError as error:
                found.append(error.strerror or type(error).__name__)
        return found

    @contextmanager
    def about(self, source: Path) -> Iterator[list[Told]]:
        """Yield the list of what is logged about a picture, which is filled in at the end."""
        told: list[Told] = []
        token = events.picture.set(source)
        try:
            yield told
        finally:
            events.picture.reset(token)
            told += self._log.take(source)


class _Collected(logging.Handler):
    """Keeps messages until the answer that takes them to the driver."""

    def __init__(self) -> None:
        super().__init__()
        self._told: list[Told] = []
        self._mutex = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        with self._mutex:
            self._told.append(Told(record.levelno, record.getMessage(), events.picture.get()))

    def take(self, source: Path | None) -> list[Told]:
        """Return and forget what is about a picture, or about none."""
        with self._mutex:
            taken = [told for told in self._told if told.source in (source, None)]
            self._told = [told for told in self._told if told.source not in (source, None)]
        return taken


def on_worker(name: str, error: MagnError) -> MagnError:
    """Return an error that names the worker on which it happened."""
    return type(error)(f"on the worker {name}: {error}")
