"""Where each result goes, and that no two go to the same place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from magn_cli import images
from magn_cli.batch import journal
from magn_cli.batch.inputs import RESTORED, Found, FoundPicture
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import LOCAL, Store, check_collisions

FORMATS = ("png", "jpg", "webp", "tif")


@dataclass(frozen=True)
class Job:
    """One picture to restore."""

    source: Path
    target: Path
    folder: Path | None = None
    """The folder of results, which holds the journal; None: a single file, of which none is kept."""

    name: str = ""
    """Path of the source below the folder whose tree is mirrored, with ``/`` between the parts."""

    store: Store = field(default=LOCAL, compare=False, repr=False)
    """Where source and target are."""

    @property
    def result(self) -> str:
        """Path of the target below :attr:`folder`, with ``/`` between the parts."""
        assert self.folder is not None
        return self.target.relative_to(self.folder).as_posix()


def aim(
    found: Found,
    out: Path | None,
    suffix: str | None = None,
    overwrite: bool = False,
    store: Store = LOCAL,
) -> list[Job]:
    """Decide where the result of each picture goes. Nothing is read or written.

    A single file goes to the file ``out``. All others go into the folder ``out``, which gets the tree that they
    lie in, under their own names; beside themselves, where there is no ``out`` or where it is the very folder that
    they lie in, they get ``_restored`` at the end of the name.

    Args:
        found: the pictures.
        out: where they go; None: beside themselves.
        suffix: one of :data:`FORMATS`; None: ``png``, or by the name ``out``.
        overwrite: a single picture may take its own place.
        store: where the pictures are and their results go.

    Raises :class:`UsageError` where ``out`` is not what it has to be, where a result would take the place of an
    input, or where two would have one name, on file systems that do not tell upper from lower case or compose
    letters and accents, too; :class:`ImageError` where the folder of a single result is not there.
    """
    if suffix is not None and suffix not in FORMATS:
        raise UsageError(f"there is no format {suffix!r}; use one of {', '.join(FORMATS)}.")
    if found.is_one_file and out is not None and not _is_folder(out, store):
        if suffix is not None and out.suffix.lower() not in _suffixes(suffix):
            raise UsageError(f"{out} and --format {suffix} do not go together; leave --format away.")
        check_folder(out.parent, store)
        path = found.pictures[0].path
        jobs = [Job(path, out, name=path.name, store=store)]
    else:
        _check_folder_name(out, store)
        jobs = [
            _beside_or_below(picture, out, suffix or "png", found.is_one_file, store) for picture in found.pictures
        ]
    for job in jobs:
        if not images.is_supported_output(job.target):
            known = ", ".join(sorted(images.OUTPUT_SUFFIXES))
            raise UsageError(f"{job.target} cannot be written in that format; use one of {known}.")
    check_collisions((job.source, job.target) for job in jobs)
    _check_inputs(jobs, overwrite, store)
    return jobs


def check_folder(folder: Path, store: Store = LOCAL) -> None:
    """Raise :class:`ImageError` where a folder does not exist or may not be written to."""
    if not _is_folder(folder, store):
        raise ImageError(f"there is no folder {folder} for the output; make it first, or give another --out.")
    check_writable(folder, store)


def check_writable(folder: Path, store: Store = LOCAL) -> None:
    """Raise :class:`ImageError` where a folder may not be written to."""
    if not store.is_writable(folder):
        raise ImageError(f"the folder {folder} may not be written to; give another --out.")


def _beside_or_below(picture: FoundPicture, out: Path | None, suffix: str, alone: bool, store: Store) -> Job:
    stem, folder = picture.path.stem, out or picture.root
    target = folder / picture.path.relative_to(picture.root).with_name(f"{stem}.{suffix}")
    if out is None or store.identity(target.parent) == store.identity(picture.path.parent):
        target = target.with_name(f"{stem}{RESTORED}.{suffix}")
    keeps_journal = not alone or store.status(folder / journal.NAME) is not None
    name = picture.path.relative_to(picture.root).as_posix()
    return Job(picture.path, target, folder if keeps_journal else None, name, store)


def _is_folder(path: Path, store: Store) -> bool:
    status = store.status(path)
    return status is not None and status.kind == "folder"


def _check_folder_name(out: Path | None, store: Store) -> None:
    if out is None or _is_folder(out, store):
        return
    if store.is_taken(out):
        raise UsageError(f"{out} is a file, but several results need a folder; give another --out.")
    if images.is_supported_output(out):
        raise UsageError(
            f"{out} is the name of one picture, but several results need a folder; give another --out."
        )


def _check_inputs(jobs: list[Job], overwrite: bool, store: Store) -> None:
    """No result takes the place of a picture that is still to be read, or of any other input."""
    inputs = {store.identity(job.source): job for job in jobs}
    for job in jobs:
        try:
            taken = inputs.get(store.identity(job.target))
        except (OSError, RuntimeError):
            continue
        if taken is job and not overwrite:
            raise UsageError(f"the output {job.target} is the input itself; give another --out, or --overwrite.")
        if taken is not None and taken is not job:
            raise UsageError(
                f"the result of {job.source} would take the place of the input {taken.source}; give another --out."
            )


def _suffixes(suffix: str) -> tuple[str, ...]:
    return {"jpg": (".jpg", ".jpeg"), "tif": (".tif", ".tiff")}.get(suffix, (f".{suffix}",))
