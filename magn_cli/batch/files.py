"""One picture read, one result written, and the folders that results go to."""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from magn_cli import images
from magn_cli.batch import events, journal
from magn_cli.batch.journal import Journal, JournalEntry, Origin
from magn_cli.batch.planning import BatchPlan
from magn_cli.batch.targets import Job, check_folder
from magn_cli.errors import ImageError
from magn_cli.files import atomic
from magn_cli.images import Photo, WriteOptions
from magn_cli.inference.restored_photo import RestoredPhoto
from magn_cli.version import __version__

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LoadedPhoto:
    """A picture that has been read."""

    job: Job
    photo: Photo
    origin: Origin | None
    """None: no journal is kept."""

    seconds: float

    @property
    def bytes(self) -> int:
        """Of its samples."""
        alpha = self.photo.alpha
        return self.photo.pixels.nbytes + (0 if alpha is None else alpha.nbytes)


def load(job: Job, max_pixels: int | None = None, mosaics: bool = False) -> LoadedPhoto:
    """Read a picture. Raises :class:`ImageError`."""
    began, token = time.perf_counter(), events.picture.set(job.source)
    try:
        origin = None
        if job.folder is not None and job.source.is_file():
            # What keeps it from being read is told by the reader.
            with suppress(OSError, ValueError):
                origin = Origin.of(job.source)
        photo = images.read(job.source, max_pixels, mosaics=mosaics)
        return LoadedPhoto(job, photo, origin, time.perf_counter() - began)
    finally:
        events.picture.reset(token)


def save(loaded: LoadedPhoto, restored: RestoredPhoto, folders: Folders) -> float:
    """Write a result, whole or not at all, and note it; return the seconds that it took.

    Whatever is done with a result on its way into its file is done here.

    Raises:
        ImageError: it cannot be written.
        UsageError: the output has come into being since the run was planned.
    """
    job, began, token = loaded.job, time.perf_counter(), events.picture.set(loaded.job.source)
    entry: JournalEntry | None = None
    kept = folders.journal(job)

    def note(data: bytes) -> None:
        nonlocal entry
        if kept is not None and loaded.origin is not None:
            digest = hashlib.sha256(data).hexdigest()
            entry = JournalEntry(job.result, len(data), digest, loaded.origin, folders.plan.settings)
            kept.begin(entry)

    try:
        _make(job.target.parent)
        photo = replace(loaded.photo, pixels=restored.pixels)
        images.write(
            job.target,
            restored.pixels,
            photo,
            options=folders.options,
            overwrite=folders.plan.overwrite,
            software=_software(restored),
            before=note,
            unchanged=job.source if restored.pixels is loaded.photo.pixels else None,
        )
        if kept is not None and entry is not None:
            # Without this line the result is recognised by its content.
            with suppress(OSError):
                kept.finish(entry)
        return time.perf_counter() - began
    finally:
        events.picture.reset(token)


def _software(restored: RestoredPhoto) -> str:
    done = restored.task or restored.describe_level()
    level = f", {restored.describe_level()}; " if restored.task and restored.scale else "; "
    return f"magn {__version__}: {done}{level}{restored.network}".rstrip("; ")


class Folders:
    """The folders of results while a run is at work in them: made, locked, their journals open. A context."""

    def __init__(self, plan: BatchPlan, options: WriteOptions | None = None) -> None:
        self.plan, self.options = plan, options
        self._journals: dict[Path, Journal] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Folders:
        """Raises ImageError where a folder cannot be used, UsageError while another run uses it."""
        with self._stack as stack:
            names: dict[Path, set[str]] = {}
            for job in self.plan.jobs:
                names.setdefault(job.target.parent, set()).add(job.target.name)
                if job.folder is None:
                    check_folder(job.target.parent)
                elif job.folder.resolve() not in self._journals:
                    self._open(job.folder, stack)
            for folder, targets in names.items():
                with suppress(OSError):
                    for path in atomic.remove_leftovers(folder, targets):
                        log.info("removed %s, left by a run that was killed.", path)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def journal(self, job: Job) -> Journal | None:
        """Return the journal that a result is noted in."""
        return None if job.folder is None else self._journals[job.folder.resolve()]

    def _open(self, folder: Path, stack: ExitStack) -> None:
        _make(folder)
        check_folder(folder)
        stack.callback(journal.locked(folder).release)
        opened = Journal(folder)
        try:
            opened.open()
        except OSError as error:
            path = folder / journal.NAME
            raise ImageError(f"{path} cannot be written ({error.strerror}); give another --out.") from error
        stack.callback(opened.close)
        self._journals[folder.resolve()] = opened


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"the folder {folder} cannot be made ({error.strerror}); give another --out.") from error
