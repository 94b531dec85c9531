"""Files in, files out: what goes where, and one file after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from magn_cli import images
from magn_cli.errors import ImageError, UsageError
from magn_cli.restoration.picture import Level, PhotoRestorer, Restored
from magn_cli.version import __version__


@dataclass(frozen=True)
class Job:
    """One picture to restore."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Done:
    """What became of a job."""

    job: Job
    restored: Restored
    megapixels: float
    seconds: float


def plan(source: Path, out: Path | None, overwrite: bool = False, *, mosaics: bool = False) -> list[Job]:
    """Decide which files are restored and where each result goes. Nothing is read or written yet.

    A file goes to ``out``, or to ``<stem>_restored.png`` beside it. A folder's pictures (not its
    sub-folders') go to the folder ``out`` as PNG, or beside themselves. With ``mosaics``, a folder that holds raw
    files of cameras is taken for these alone, as the pictures beside them are no mosaics.

    Raises:
        ImageError: the source does not exist or may not be read; a folder holds no picture; the folder of a
            single output does not exist or may not be written to.
        UsageError: an output exists (without ``overwrite``), is the input itself, has a suffix that cannot be
            written, or would be made from two inputs.
    """
    try:
        jobs = _jobs(source, out, mosaics)
        _check(jobs, overwrite)
    except OSError as error:
        raise ImageError(
            f"{error.filename or source} cannot be used ({error.strerror}); check the path."
        ) from error
    return jobs


def _jobs(source: Path, out: Path | None, mosaics: bool) -> list[Job]:
    if not source.exists():
        raise ImageError(f"there is no file or folder {source}; check the path.")
    if not source.is_dir():
        job = Job(source, _target(source, out))
        check_folder(job.target.parent)
        return [job]
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, but the results of a folder need a folder; give another --out.")
    pictures = _files(source, images.RAW_SUFFIXES) if mosaics else []
    pictures = pictures or _files(source, images.INPUT_SUFFIXES)
    if out is None:
        pictures = [p for p in pictures if not p.stem.endswith("_restored")]
    if not pictures:
        raise ImageError(f"the folder {source} holds no picture; give a folder of photographs.")
    return [Job(p, out / f"{p.stem}.png" if out else _target(p, None)) for p in pictures]


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in suffixes)


def _target(source: Path, out: Path | None) -> Path:
    if out is None:
        return source.with_name(f"{source.stem}_restored.png")
    return out / f"{source.stem}_restored.png" if out.is_dir() else out


def _check(jobs: list[Job], overwrite: bool) -> None:
    first: dict[Path, Path] = {}
    for job in jobs:
        if not images.is_supported_output(job.target):
            known = ", ".join(sorted(images.OUTPUT_SUFFIXES))
            raise UsageError(f"{job.target} cannot be written in that format; use one of {known}.")
        if job.target in first:
            raise UsageError(
                f"{first[job.target]} and {job.source} would both become {job.target}; rename one of them."
            )
        first[job.target] = job.source
        # A link that leads nowhere is something of the user's, too.
        there = os.path.lexists(job.target) and not overwrite
        if there and job.target.resolve() == job.source.resolve():
            raise UsageError(f"the output {job.target} is the input itself; give another --out, or --overwrite.")
        if there:
            raise UsageError(f"{job.target} exists; give another --out, or --overwrite to replace it.")


def restore_file(
    job: Job,
    restorer: PhotoRestorer,
    level: Level,
    overwrite: bool = False,
    max_pixels: int | None = None,
    progress: Callable[[float], None] = lambda done: None,
    options: images.WriteOptions | None = None,
) -> Done:
    """Restore one file.

    Raises:
        ImageError: it cannot be read, there is not enough memory for it, or the result cannot be written.
        UsageError: the output has come into being since :func:`plan`.
    """
    began = time.perf_counter()
    photo = images.read(job.source, max_pixels, mosaics=restorer.mosaics)
    try:
        restored = restorer.restore(photo, level, progress)
    except ImageError as error:
        raise ImageError(f"{job.source}: {error}") from error
    except MemoryError as error:
        raise ImageError(
            f"{job.source} needs more memory than there is; close other programs, or cut it into parts."
        ) from error
    # The writer makes copies of its own: the picture that came in would be one too many.
    photo = replace(photo, pixels=restored.pixels)
    done = restored.task or restored.told()
    level = f", {restored.told()}; " if restored.task and restored.scale else "; "
    software = f"magn {__version__}: {done}{level}{restored.network}".rstrip("; ")
    images.write(job.target, restored.pixels, photo, options=options, overwrite=overwrite, software=software)
    megapixels = photo.pixels.shape[0] * photo.pixels.shape[1] / 1e6
    return Done(job, restored, megapixels, time.perf_counter() - began)


def check_folder(folder: Path) -> None:
    """Raise :class:`ImageError` where a folder does not exist or may not be written to."""
    if not folder.is_dir():
        raise ImageError(f"there is no folder {folder} for the output; make it first, or give another --out.")
    if not os.access(folder, os.W_OK):
        raise ImageError(f"the folder {folder} may not be written to; give another --out.")


def make_folders(jobs: list[Job]) -> None:
    """Make the folder that the results go to. Raises :class:`ImageError` where that is not possible."""
    for folder in {job.target.parent for job in jobs}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(
                f"the folder {folder} cannot be made ({error.strerror}); give another --out."
            ) from error
        check_folder(folder)
