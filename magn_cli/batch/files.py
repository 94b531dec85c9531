"""Reads a picture, writes a result, and manages the output folders.

The bytes of a picture are read once. The hash, the pixels and an unchanged result all come from these bytes, even
if the file changes in the meantime.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from magn_cli import images
from magn_cli.batch import events, journal
from magn_cli.batch.journal import Journal, JournalEntry, Origin
from magn_cli.batch.plan import BatchPlan
from magn_cli.batch.targets import Job, check_folder, check_writable
from magn_cli.errors import ImageError, MagnError
from magn_cli.files import Access, Lock, NotOrdinaryError, Store, StoreError, checksum, remove_leftovers, sentences
from magn_cli.files.data import Data, in_memory
from magn_cli.images import Photo, WriteOptions
from magn_cli.inference.restored_photo import RestoredPhoto
from magn_cli.version import __version__

log = logging.getLogger(__name__)

MAX_HELD = 256 << 20
"""Largest file, in bytes, that stays in memory while its picture is restored. Larger files are read again if they
are copied unchanged. If such a file has changed in the meantime, its pixels are encoded instead."""


@dataclass(frozen=True, eq=False)
class LoadedPhoto:
    """A picture after reading."""

    job: Job
    photo: Photo
    origin: Origin

    seconds: float
    data: bytes | None = None
    """Bytes of its file, if they can become the result."""

    @property
    def bytes(self) -> int:
        """Size in bytes of its samples, and of its file while that is in memory."""
        alpha = self.photo.alpha
        held = len(self.data or self.photo.coded or b"")
        return self.photo.pixels.nbytes + (0 if alpha is None else alpha.nbytes) + held

    def needed_for(self, restored: RestoredPhoto) -> LoadedPhoto:
        """Return the photo without the bytes of its file if these cannot become the result any more."""
        return self if restored.pixels is self.photo.pixels else replace(self, data=None)


def load(job: Job, max_pixels: int | None = None, mosaics: bool = False) -> LoadedPhoto:
    """Read a picture. Raises :class:`ImageError`."""
    began, token = time.perf_counter(), events.picture.set(job.source)
    try:
        data, status = images.load(job.source, job.store)
        origin = Origin(len(data), status.changed_ns, checksum.of_bytes(data), status.tag)
        photo = images.decode(data, max_pixels, mosaics=mosaics, name=str(job.source), access=status.access)
        may_be_copied = photo.format == images.output_format(job.target) and len(data) <= MAX_HELD
        kept = in_memory(data) if may_be_copied else None
        return LoadedPhoto(job, photo, origin, time.perf_counter() - began, kept)
    finally:
        events.picture.reset(token)


def save(loaded: LoadedPhoto, restored: RestoredPhoto, folders: Folders) -> float:
    """Write a result atomically and record it in the journal; return the time in seconds.

    Raises:
        ImageError: the result cannot be written.
        UsageError: the output has been created since the run was planned.
    """
    job, began, token = loaded.job, time.perf_counter(), events.picture.set(loaded.job.source)
    try:
        folders.check(job)
        make_folders_of(job)
        data = content(loaded, restored, folders.options)
        kept, entry = folders.journal(job), None
        with sentences.writing(job.target):
            note = None
            if kept is not None:
                digest = checksum.of_bytes(data)
                entry = JournalEntry(job.result, len(data), digest, loaded.origin, folders.plan.settings)
                note = begin(kept, entry)
            put(job, data, loaded.photo.access, folders.plan.overwrite, note)
        folders.use(job)
        if kept is not None and entry is not None:
            # Without this line the result is recognised by its content.
            with suppress(OSError):
                kept.finish(entry)
        return time.perf_counter() - began
    finally:
        events.picture.reset(token)


def put(job: Job, data: Data, access: Access | None, overwrite: bool, note: bytes | None = None) -> None:
    """Write the bytes of a result under its name, with its picture's permissions and a note.

    Raises OSError, or :class:`ImageError` where its folder has vanished.
    """
    more: dict[str, Any] = {} if access is None else {"access": access}
    if note is not None:
        more["note"] = note
    try:
        job.store.write(job.target, data, overwrite=overwrite, **more)
    except FileNotFoundError as error:
        if not job.store.has_folders(job.target):
            raise
        raise ImageError(_vanished(job.folder or job.target.parent)) from error


def begin(kept: Journal, entry: JournalEntry) -> bytes | None:
    """Record that a result is about to get its name, or return the note that it is to carry.

    Raises OSError or :class:`ImageError`.
    """
    try:
        return kept.begin(entry)
    except FileNotFoundError as error:
        raise ImageError(_vanished(kept.folder)) from error


def content(loaded: LoadedPhoto, restored: RestoredPhoto, options: WriteOptions) -> Data:
    """Return the bytes of the result: those of the input if nothing changed and the format is the same."""
    photo, format = loaded.photo, images.output_format(loaded.job.target)
    unchanged = restored.pixels is photo.pixels
    if unchanged and options.keeps_bytes(photo.format, format):
        data = loaded.data or _read_again(loaded)
        if data is not None:
            return data
    return images.encode(
        restored.pixels,
        format,
        replace(photo, pixels=restored.pixels),
        options=options,
        software=_software(restored),
        name=str(loaded.job.target),
    )


def _read_again(loaded: LoadedPhoto) -> Data | None:
    """Return the bytes of a large file, or None if it has changed."""
    try:
        data, _ = loaded.job.store.load(loaded.job.source, lambda start: True)
    except (OSError, MemoryError):
        return None
    return data if checksum.of_bytes(data) == loaded.origin.sha256 else None


def _software(restored: RestoredPhoto) -> str:
    done = restored.task or restored.describe_level()
    level = f", {restored.describe_level()}; " if restored.task and restored.scale else "; "
    return f"magn {__version__}: {done}{level}{restored.network}".rstrip("; ")


class Folders:
    """A context manager that creates and locks the output folders and opens their journals."""

    def __init__(self, plan: BatchPlan, options: WriteOptions | None = None) -> None:
        self.plan, self.options = plan, options or WriteOptions()
        self._journals: dict[Hashable, Journal | None] = {}
        self._locks: dict[Path, Lock] = {}
        self._used: set[tuple[Path, Path]] = set()
        self._stack = ExitStack()

    def __enter__(self) -> Folders:
        """Raises ImageError where a folder cannot be used, UsageError while another run uses it."""
        with self._stack as stack:
            store = self.plan.store
            for job in self.plan.jobs:
                if job.folder is None:
                    check_folder(job.target.parent, store)
                elif store.identity(job.folder) not in self._journals:
                    self._open(job.folder, stack)
            remove_leftovers((job.target for job in (*self.plan.jobs, *self.plan.kept)), store)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def journal(self, job: Job) -> Journal | None:
        """Return the journal for a result, or None if there is no usable one.

        Raises :class:`ImageError` where the folder is another than that which was opened.
        """
        return None if job.folder is None else self._opened(job.folder)

    def check(self, job: Job) -> None:
        """Raise :class:`ImageError` where the folder of a result is gone: it must not appear again half full."""
        if job.folder is not None:
            self._check(job.folder)
            if not self.plan.store.has_folders(job.folder):
                return
            below = job.target.parent
            if (job.folder, below) in self._used and self.plan.store.status(below) is None:
                raise ImageError(_vanished(below))

    def use(self, job: Job) -> None:
        """Remember that a result lies in its folder now."""
        if job.folder is not None and self.plan.store.has_folders(job.folder):
            self._used.add((job.folder, job.target.parent))

    def check_all(self) -> None:
        """Raise :class:`ImageError` where a folder of results is gone, and they with it."""
        for folder in {job.folder for job in self.plan.jobs if job.folder is not None}:
            if self.plan.store.has_folders(folder) and self.plan.store.status(folder) is None:
                raise ImageError(_vanished(folder))
        for folder, below in sorted(self._used):
            self._check(folder)
            if self.plan.store.status(below) is None:
                raise ImageError(_vanished(below))

    def _check(self, folder: Path) -> None:
        store = self.plan.store
        if not store.has_folders(folder):
            self._check_lock(folder)
            return
        kept = self._opened(folder)
        # A folder made anew under the same name has no journal.
        if store.status(folder) is None or (kept is not None and not store.is_taken(folder / journal.NAME)):
            raise ImageError(_vanished(folder))

    def _opened(self, folder: Path) -> Journal | None:
        try:
            return self._journals[self.plan.store.identity(folder)]
        except KeyError:
            # Its name leads elsewhere now.
            raise ImageError(_vanished(folder)) from None

    def _check_lock(self, folder: Path) -> None:
        try:
            if folder in self._locks:
                self._locks[folder].check()
        except TimeoutError as error:
            raise ImageError(
                f"another magn has taken {folder} over, since this one could not be seen to be at work; "
                "run the same command again when it is done."
            ) from StoreError(error.errno, error.strerror)

    def _open(self, folder: Path, stack: ExitStack) -> None:
        store = self.plan.store
        make_folder(folder, store)
        check_writable(folder, store)
        opened = None
        try:
            lock = self._locks[folder] = journal.locked(folder, store)
            stack.callback(lock.release)
            opened = Journal(folder, store, read=False)
            opened.open(self.plan.settings, self.plan.overwrite)
            stack.callback(opened.close)
        except (NotOrdinaryError, IsADirectoryError, journal.ForeignJournalError) as error:
            # It can come with a stranger's pictures: do not write to it, but restore the pictures anyway.
            log.warning("%s; this run keeps no journal and cannot be resumed: remove it.", _whats_wrong(error))
            opened = None
        except journal.NoKeyError as error:
            log.warning("%s; this run keeps no journal and cannot be resumed.", error)
            opened = None
        except StoreError as error:
            raise ImageError(f"{folder / journal.NAME} cannot be written: {error.strerror}.") from error
        except OSError as error:
            path = folder / journal.NAME
            raise ImageError(f"{path} cannot be written ({error.strerror}); give another --out.") from error
        self._journals[store.identity(folder)] = opened


def tidy_up(plan: BatchPlan) -> None:
    """Remove what killed runs have left of results that are kept, except in folders that another run is using."""
    store = plan.store
    for folder in {job.folder for job in plan.kept if job.folder is not None and store.has_folders(job.folder)}:
        with suppress(MagnError, OSError):
            lock = journal.locked(folder, store)
            try:
                remove_leftovers((job.target for job in plan.kept if job.folder == folder), store)
            finally:
                lock.release()


def _whats_wrong(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename} is no file of magn's ({error.strerror})"
    # Without the advice behind it.
    return str(error).partition(";")[0]


def _vanished(folder: Path) -> str:
    return f"the output folder {folder} was moved or removed during the run; run the same command again."


def make_folders_of(job: Job) -> None:
    """Make the folders of a result below the run's output folder. Raises :class:`ImageError` if that is gone."""
    within = job.folder or job.target.parent
    try:
        job.store.make_folder(job.target.parent, within)
    except FileNotFoundError as error:
        raise ImageError(_vanished(within)) from error
    except OSError as error:
        raise _unmade(job.target.parent, error) from error


def make_folder(folder: Path, store: Store) -> None:
    """Make a folder where it is not there yet. Raises :class:`ImageError`."""
    try:
        store.make_folder(folder)
    except OSError as error:
        raise _unmade(folder, error) from error


def _unmade(folder: Path, error: OSError) -> ImageError:
    if isinstance(error, StoreError):
        return ImageError(f"the folder {folder} cannot be made: {error.strerror}.")
    return ImageError(f"the folder {folder} cannot be made ({error.strerror}); give another --out.")
