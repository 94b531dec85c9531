"""A worker: reads, restores and writes on its own; only the journal is left to the driver. Needs no Ray."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from magn_cli.batch import events, files
from magn_cli.batch.cluster.messages import Refused, Restored, Started, Told, WorkerSetup, Written
from magn_cli.batch.failing import is_hopeless, sentence
from magn_cli.batch.targets import Job
from magn_cli.errors import MagnError, WeightsError
from magn_cli.files import Status, checksum, sentences
from magn_cli.inference.restored_photo import RestoredPhoto
from magn_cli.runtime.allocator import keep_freed_memory
from magn_cli.runtime.waiting import spin_little
from magn_cli.version import __version__


class Worker:
    """Holds the network, and the results between their restoration and their writing.

    Several threads call it: while one picture is in the network, the next is read and the last encoded. The
    network has a thread of its own.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        self.setup = setup
        self.name = f"{socket.gethostname()}/{os.getpid()}"
        self._thread = ThreadPoolExecutor(1, "magn-network")
        self._held: dict[Path, tuple[bytes, int | None]] = {}
        self._log = _Collected()

    def start(self) -> Started | Refused:
        """Load the network."""
        logging.getLogger("magn_cli").handlers = [self._log]
        logging.getLogger("magn_cli").setLevel(self.setup.log_level)
        spin_little()
        keep_freed_memory()
        try:
            # Relative paths mean the same as on the driver, if its folder is on a shared file system.
            if self.setup.folder.is_dir():
                os.chdir(self.setup.folder)
            loader = self.setup.loader()
            weights = {task: found.sha256 for task, found in loader.weights.items()}
            self._network = self._thread.submit(loader.load).result()
            return Started(self.name, __version__, weights, told=self._log.take(None))
        except MagnError as error:
            return Refused(_on(self.name, error), ends_run=True)

    def see(self, paths: list[Path]) -> list[Status | None]:
        """Return what is at these paths, seen from here."""
        found: list[Status | None] = []
        for path in paths:
            try:
                found.append(self.setup.store.status(path))
            except OSError:
                found.append(None)
        return found

    def restore(self, job: Job) -> Restored | Refused:
        """Read and restore a picture, and keep the bytes of the result until :meth:`write` or :meth:`drop`."""
        began = time.perf_counter()
        with self._about(job) as told:
            try:
                loaded = files.load(job, self.setup.max_pixels, self._network.mosaics)
                restored = self._thread.submit(self._in_network, loaded).result()
                data = files.content(loaded.needed_for(restored), restored, self.setup.options)
                self._held[job.target] = data, loaded.mode
                height, width = loaded.photo.pixels.shape[:2]
                return Restored(
                    len(data),
                    checksum.of_bytes(data),
                    loaded.origin,
                    replace(restored, pixels=np.empty((0, 0), restored.pixels.dtype)),
                    height * width / 1e6,
                    time.perf_counter() - began,
                    told=told,
                )
            except WeightsError as error:
                # The network is loaded when a photo first needs it; its errors are not the photo's fault.
                return Refused(_on(self.name, error), ends_run=True, told=told)
            except Exception as error:
                return _refused(job, error, told)

    def write(self, job: Job, again: bool = False) -> Written | Refused:
        """Write the result of a picture. ``again``: a worker that was lost may have written it, too."""
        began = time.perf_counter()
        with self._about(job) as told:
            try:
                data, mode = self._held.pop(job.target)
                files.make_folder(job.target.parent, job.store)
                with sentences.writing(job.target):
                    try:
                        files.put(job, data, mode, self.setup.overwrite)
                    except FileExistsError:
                        if not again or job.store.read(job.target)[0] != data:
                            raise
                return Written(time.perf_counter() - began, told=told)
            except Exception as error:
                return _refused(job, error, told)

    def drop(self, job: Job) -> None:
        """Forget a result."""
        self._held.pop(job.target, None)

    def _in_network(self, loaded: files.LoadedPhoto) -> RestoredPhoto:
        token = events.picture.set(loaded.job.source)
        try:
            return self._network.restore(loaded.photo, self.setup.level)
        finally:
            events.picture.reset(token)

    @contextmanager
    def _about(self, job: Job) -> Iterator[list[Told]]:
        """Yield the list of what is logged about a picture, which is filled in at the end."""
        told: list[Told] = []
        token = events.picture.set(job.source)
        try:
            yield told
        finally:
            events.picture.reset(token)
            told += self._log.take(job.source)


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


def _refused(job: Job, error: Exception, told: list[Told]) -> Refused:
    says = sentence(job, error)
    # A traceback does not travel; MAGN_DEBUG=1 shows notes.
    says.add_note("".join(traceback.format_exception(error)))
    return Refused(says, is_hopeless(error), told=told)


def _on(name: str, error: MagnError) -> MagnError:
    return type(error)(f"on the worker {name}: {error}")
