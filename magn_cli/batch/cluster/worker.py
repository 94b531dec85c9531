"""A worker that restores: it reads and writes on its own; only the journal is left to the driver."""

from __future__ import annotations

import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from magn_cli.batch import events, files
from magn_cli.batch.cluster.base import BaseWorker, on_worker
from magn_cli.batch.cluster.messages import Refused, Restored, RestoreSetup, Told, Written
from magn_cli.batch.failing import sentence
from magn_cli.batch.targets import Job
from magn_cli.errors import WeightsError
from magn_cli.files import Access, checksum, is_hopeless, sentences
from magn_cli.files.data import Data, in_memory
from magn_cli.inference.restored_photo import RestoredPhoto


class Worker(BaseWorker):
    """Holds the network, and the results between their restoration and their writing.

    Several threads call it: while one picture is in the network, the next is read and the last encoded. The
    network has a thread of its own.
    """

    def __init__(self, setup: RestoreSetup) -> None:
        super().__init__(setup)
        self.setup = setup
        self._thread = ThreadPoolExecutor(1, "magn-network")
        self._held: dict[Path, tuple[Data, Access | None]] = {}

    def prepare(self) -> dict[str, str]:
        """Load the network."""
        loader = self.setup.loader()
        weights = {task: found.sha256 for task, found in loader.weights.items()}
        self._network = self._thread.submit(loader.load).result()
        return weights

    def restore(self, job: Job) -> Restored | Refused:
        """Read and restore a picture, and keep the bytes of the result until :meth:`write` or :meth:`drop`."""
        began = time.perf_counter()
        with self.about(job.source) as told:
            try:
                loaded = files.load(job, self.setup.max_pixels, self._network.mosaics)
                restored = self._thread.submit(self._in_network, loaded).result()
                data = files.content(loaded.needed_for(restored), restored, self.setup.options)
                self._held[job.target] = data, loaded.photo.access
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
                return Refused(on_worker(self.name, error), ends_run=True, told=told)
            except Exception as error:
                return _refused(job, error, told)

    def write(self, job: Job, again: bool = False, note: bytes | None = None) -> Written | Refused:
        """Write the result of a picture, with a note of the journal.

        ``again``: a worker that was lost may have written it, too.
        """
        began = time.perf_counter()
        with self.about(job.source) as told:
            try:
                data, access = self._held.pop(job.target)
                files.make_folders_of(job)
                with sentences.writing(job.target):
                    try:
                        files.put(job, data, access, self.setup.overwrite, note)
                    except FileExistsError:
                        if not again or job.store.read(job.target)[0] != in_memory(data):
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


def _refused(job: Job, error: Exception, told: list[Told]) -> Refused:
    says = sentence(job, error)
    # A traceback does not travel; MAGN_DEBUG=1 shows notes.
    says.add_note("".join(traceback.format_exception(error)))
    return Refused(says, is_hopeless(error), told=told)
