"""Chooses the output path of each picture, without collisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from magn_cli import images
from magn_cli.batch import journal
from magn_cli.batch.inputs import RESTORED, Found, FoundPicture
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import LOCAL, Store, check_collisions, replaced

FORMATS = ("png", "jpg", "webp", "tif")


@dataclass(frozen=True)
class Job:
    """One picture to restore."""

    source: Path
    target: Path
    folder: Path | None = None
    """Folder of results, which contains the journal; None for a single file, which has no journal."""

    name: str = ""
    """Path of the source relative to the folder whose tree is mirrored, with ``/`` as separator."""

    store: Store = field(default=LOCAL, compare=False, repr=False)
    """Storage of source and target."""

    @property
    def result(self) -> str:
        """Path of the target relative to :attr:`folder`, with ``/`` as separator."""
        assert self.folder is not None
        return self.target.relative_to(self.folder).as_posix()


def aim(
    found: Found,
    out: Path | None,
    suffix: str | None = None,
    overwrite: bool = False,
    store: Store = LOCAL,
) -> list[Job]:
    """Choose the output path of each picture. Reads and writes nothing.

    A single file is written to the file ``out``. Others are written to the folder ``out``, which mirrors their
    tree and keeps their names. Results in the same folder as their picture get ``_restored`` at the end of the
    name.

    Args:
        found: the pictures.
        out: output file or folder; None for the folders of the pictures.
        suffix: one of :data:`FORMATS`; None for ``png``, or the suffix of ``out``.
        overwrite: allow a single picture to replace itself.
        store: storage of inputs and outputs.

    Raises:
        UsageError: ``out`` is unsuitable, a result would replace an input, or two results would have the same
            name. Names that differ only in case or Unicode composition count as the same.
        ImageError: the folder of a single result does not exist.
    """
    check_format(suffix)
    if found.is_one_file and out is not None and not _is_folder(out, store):
        if suffix is not None and out.suffix.lower() not in _suffixes(suffix):
            raise UsageError(f"{out} does not match --format {suffix}; omit --format.")
        check_folder(out.parent, store)
        path = found.pictures[0].path
        jobs = [Job(path, out, name=path.name, store=store)]
    else:
        check_folder_name(out, store)
        jobs = [
            beside_or_below(picture, out, suffix or "png", found.is_one_file, store) for picture in found.pictures
        ]
    for job in jobs:
        if not images.is_supported_output(job.target):
            known = ", ".join(sorted(images.OUTPUT_SUFFIXES))
            raise UsageError(f"{job.target} cannot be written in that format; use one of {known}.")
    check_collisions((job.source, job.target) for job in jobs)
    _check_inputs(jobs, overwrite, store)
    return jobs


def check_format(suffix: str | None) -> None:
    """Raise :class:`UsageError` for what is none of :data:`FORMATS`."""
    if suffix is not None and suffix not in FORMATS:
        raise UsageError(f"invalid --format {suffix!r}: choose {', '.join(FORMATS)}.")


def check_folder(folder: Path, store: Store = LOCAL) -> None:
    """Raise :class:`ImageError` if a folder does not exist or is not writable."""
    # In object stores a folder comes with its first file.
    if store.has_folders(folder) and not _is_folder(folder, store):
        raise ImageError(f"there is no folder {folder} for the output; make it first, or give another --out.")
    check_writable(folder, store)


def check_writable(folder: Path, store: Store = LOCAL) -> None:
    """Raise :class:`ImageError` if a folder is not writable."""
    if not store.is_writable(folder):
        raise ImageError(f"the folder {folder} may not be written to; give another --out.")


def beside_or_below(picture: FoundPicture, out: Path | None, suffix: str, alone: bool, store: Store) -> Job:
    """Return the job for a picture whose result goes to a folder; see :func:`aim`."""
    stem, folder = picture.path.stem, out or picture.root
    target = folder / picture.path.relative_to(picture.root).with_name(f"{stem}.{suffix}")
    if out is None or store.identity(target.parent) == store.identity(picture.path.parent):
        target = target.with_name(f"{stem}{RESTORED}.{suffix}")
    keeps_journal = not alone or journal.is_kept(folder, store)
    name = picture.path.relative_to(picture.root).as_posix()
    return Job(picture.path, target, folder if keeps_journal else None, name, store)


def _is_folder(path: Path, store: Store) -> bool:
    status = store.status(path)
    return status is not None and status.kind == "folder"


def check_folder_name(out: Path | None, store: Store) -> None:
    """Raise :class:`UsageError` where results cannot go to a folder of this name."""
    if out is None or _is_folder(out, store):
        return
    if store.is_taken(out):
        raise UsageError(f"{out} is a file, but several results need a folder; give another --out.")
    if images.is_supported_output(out):
        raise UsageError(
            f"{out} is the name of one picture, but several results need a folder; give another --out."
        )


def _check_inputs(jobs: list[Job], overwrite: bool, store: Store) -> None:
    """Refuse results that would replace an input."""
    inputs = {store.identity(job.source): job for job in jobs}
    for job in jobs:
        taken = replaced(inputs, job.target, store)
        if taken is job and not overwrite:
            raise UsageError(f"the output {job.target} is the input itself; give another --out, or --overwrite.")
        if taken is not None and taken is not job:
            raise UsageError(
                f"the result of {job.source} would take the place of the input {taken.source}; give another --out."
            )


def _suffixes(suffix: str) -> tuple[str, ...]:
    return {"jpg": (".jpg", ".jpeg"), "tif": (".tif", ".tiff")}.get(suffix, (f".{suffix}",))
