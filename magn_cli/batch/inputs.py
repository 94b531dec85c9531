"""Finds the inputs of a run from files, folders and patterns."""

from __future__ import annotations

import errno
import glob
import logging
from collections.abc import Container, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from magn_cli import files, images
from magn_cli.batch import journal
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import LOCAL, NotOrdinaryError, Store, StoreError, is_left_alone, links_to_folders
from magn_cli.files import find as find_files

log = logging.getLogger(__name__)

RESTORED = "_restored"
"""Suffix of a result's name if it is in the same folder as the picture."""

Mosaics = Literal["no", "only", "too"]
"""How to treat raw files of cameras in folders: ignore them, use only them if there are any, or use them like
other pictures unless there is a developed picture of the same name beside them."""


@dataclass(frozen=True)
class FoundPicture:
    """A file to restore."""

    path: Path
    root: Path
    """Folder whose tree is mirrored. For a file that was named, the folder that contains it."""


@dataclass
class Found:
    """The files that a command line refers to."""

    pictures: list[FoundPicture] = field(default_factory=list)
    """Files without duplicates, in the order of the command line; those of a folder are sorted by name."""

    failures: list[tuple[Path, ImageError]] = field(default_factory=list)
    """Inputs that do not exist, and folders that cannot be listed."""

    is_one_file: bool = False
    """True if the only input is a single file."""

    mosaics: Mosaics = "no"


def find(
    sources: Sequence[str | Path],
    out: Path | None,
    recursive: bool = False,
    mosaics: Mosaics = "no",
    store: Store = LOCAL,
) -> Found:
    """Find the pictures to restore.

    Hidden files, system files and files without the suffix of a picture are ignored unless they are named one by
    one. The folder ``out`` and results of other runs are not inputs.

    Args:
        sources: files, folders, and patterns (``*``, ``?``, ``[]``, ``**``) that the shell did not expand.
        out: folder of the results; None for the folders of the inputs.
        recursive: include sub-folders.
        mosaics: how to treat raw files of cameras in folders.
        store: storage of the files.

    Raises :class:`UsageError` if ``out`` is in a folder of inputs and has pictures that magn did not make.
    """
    found = _Search(out, recursive, store, Found(mosaics=mosaics)).all(sources)
    found.is_one_file = len(sources) == 1 and [p.path for p in found.pictures] == [files.named(sources[0])]
    return found


class _Search:
    def __init__(self, out: Path | None, recursive: bool, store: Store, found: Found) -> None:
        self.out, self.recursive, self.store, self.found = out, recursive, store, found
        self.suffixes = images.INPUT_SUFFIXES | (images.RAW_SUFFIXES if found.mosaics != "no" else frozenset())

    def all(self, sources: Sequence[str | Path]) -> Found:
        seen = set[Hashable]()
        for word in sources:
            source = files.named(word)
            try:
                for picture in self._named(source):
                    if (real := self.store.identity(picture.path)) not in seen:
                        seen.add(real)
                        self.found.pictures.append(picture)
            except (OSError, ValueError, RuntimeError) as error:
                self._fail(source, error)
        return self.found

    def _named(self, source: Path) -> Iterator[FoundPicture]:
        status = self.store.status(source)
        if status is not None and status.kind == "folder":
            before = len(self.found.failures)
            paths = self._below(source)
            yield from (FoundPicture(path, source) for path in paths)
            if not paths and before == len(self.found.failures):
                self.found.failures.append((source, without_pictures(source, self.recursive)))
        elif self.store.is_taken(source) or not glob.has_magic(str(source)):
            if status is None:
                raise _dead_link(source) if self.store.is_taken(source) else FileNotFoundError
            yield FoundPicture(source, source.parent)
        else:
            yield from self._matching(source)

    def _matching(self, pattern: Path) -> Iterator[FoundPicture]:
        """Expand a pattern as a shell would, without files that are no pictures."""
        fixed = Path(*_until(pattern.parts))
        matches = [(p, self.store.status(p)) for p in self.store.matching(pattern) if not _is_unasked(p, pattern)]
        folders = [path for path, status in matches if self.recursive and status and status.kind == "folder"]
        pictures = [
            path
            for path, status in matches
            if status and status.kind == "file" and path.suffix.lower() in self.suffixes
        ]
        dead = [
            path
            for path, status in matches
            if status is None and path.suffix.lower() in self.suffixes and self.store.is_taken(path)
        ]
        for path in dead:
            self._fail(path, _dead_link(path))
        if not folders and not pictures and not dead:
            self.found.failures.append((pattern, ImageError(f"no picture matches {pattern}; check the path.")))
        for path in sorted([*folders, *pictures]):
            for picture in self._below(path) if path in folders else [path]:
                yield FoundPicture(picture, fixed)

    def _below(self, folder: Path) -> list[Path]:
        """Return the pictures of a folder, sorted."""
        made = _Results(folder, self.store)
        paths = find_files(
            folder,
            self.suffixes,
            recursive=self.recursive,
            leave_out=self.out,
            failed=self._fail,
            store=self.store,
        )
        for link in links_to_folders(folder, paths, self.store):
            log.warning("%s is a link to a folder: the pictures in it are taken, too.", link)
        if self.recursive:
            self._check_output(folder)
        paths = self._without_results(paths, folder)
        return self._wanted([p for p in paths if p not in made])

    def _check_output(self, folder: Path) -> None:
        """Raise UsageError if the output folder is below a folder of inputs and holds a user's own pictures."""
        out, inputs = self.out, self.store.identity(folder)
        if out is None or not isinstance(inputs, Path) or isinstance(out, files.UrlPath):
            return
        status = self.store.status(out)
        if status is None or status.kind != "folder" or inputs not in out.resolve().parents:
            return
        own = OwnPictures(out, folder, self.store)
        for path in find_files(out, self.suffixes, failed=lambda path, error: None, store=self.store):
            own.check(path)

    def _without_results(self, paths: list[Path], folder: Path) -> list[Path]:
        """Leave out what magn has made beside the pictures; what only looks like that is told."""
        if not any(path.stem.endswith(RESTORED) for path in paths):
            return paths
        known, stems = journal.results_in(folder, self.store), {path.with_suffix("") for path in paths}
        wanted, doubtful = list[Path](), Doubtful()
        for path in paths:
            stem = path.stem.removesuffix(RESTORED)
            if stem == path.stem or (stem and path.with_name(stem) not in stems):
                wanted.append(path)
            elif path.relative_to(folder).as_posix() not in known:
                doubtful.add(path)
        doubtful.tell()
        return wanted

    def _wanted(self, paths: list[Path]) -> list[Path]:
        raw = [path for path in paths if _is_raw(path)]
        if self.found.mosaics == "only":
            return raw or paths
        developed = {path.with_suffix("") for path in paths if not _is_raw(path)}
        return [path for path in paths if not (_is_raw(path) and path.with_suffix("") in developed)]

    def _fail(self, path: Path, error: Exception) -> None:
        self.found.failures.append((path, unusable(path, error)))


class Doubtful:
    """Pictures that look like results of magn and may be none."""

    def __init__(self) -> None:
        self.first, self.count = list[Path](), 0

    def add(self, path: Path) -> None:
        """Count a picture."""
        self.count += 1
        if self.count <= 5:
            self.first.append(path)

    def tell(self) -> None:
        """Warn that they are left out."""
        if self.count:
            more = f" and {self.count - 5} more" if self.count > 5 else ""
            first = ", ".join(map(str, self.first)) + more
            log.warning("%s skipped as earlier results: to restore them, name them one by one.", first)


class OwnPictures:
    """Finds a user's pictures in an output folder that is below a folder of inputs."""

    def __init__(self, out: Path, inputs: Path, store: Store) -> None:
        self._inputs, self._store, self._made = inputs, store, _Results(out, store, itself=True)

    def check(self, path: Path) -> None:
        """Raise :class:`UsageError` for a picture in the output folder that is not known as a result.

        It would not be restored, and a result could take its place. Raises OSError, too.
        """
        if path in self._made or (self._store.keeps_notes(path) and self._store.note(path) is not None):
            return
        raise UsageError(
            f"{path} is in the output folder and is not known as a result of magn; move it elsewhere, "
            f"or give an --out that is not inside {self._inputs}."
        )


class _Results:
    """The results that the journals in the sub-folders of a folder list."""

    def __init__(self, root: Path, store: Store, itself: bool = False) -> None:
        """``itself``: the journal in the folder ``root``, too."""
        self.root, self.store, self.itself = root, store, itself
        self._of: dict[Path, Container[str]] = {}

    def __contains__(self, path: Path) -> bool:
        for folder in path.parents:
            if folder == self.root and not self.itself:
                return False
            if folder not in self._of:
                self._of[folder] = journal.results_in(folder, self.store)
            if path.relative_to(folder).as_posix() in self._of[folder]:
                log.debug("%s is the result of another run and is left alone.", path)
                return True
            if folder == self.root:
                return False
        return False


def _until(parts: Sequence[str]) -> Iterator[str]:
    for part in parts:
        if glob.has_magic(part):
            return
        yield part


def _is_unasked(path: Path, pattern: Path) -> bool:
    """Return whether a pattern matched a hidden or system file that it does not name."""
    return any(is_left_alone(part) for part in set(path.parts) - set(pattern.parts))


def _dead_link(path: Path) -> OSError:
    return NotOrdinaryError(errno.ENOENT, "it is a link that leads nowhere", str(path))


def _is_raw(path: Path) -> bool:
    return path.suffix.lower() in images.RAW_SUFFIXES


def without_pictures(folder: Path, recursive: bool) -> ImageError:
    """Return the sentence for a folder without pictures."""
    hint = "" if recursive else ", or add --recursive for its sub-folders"
    return ImageError(f"the folder {folder} holds no picture that magn reads; give a folder of photographs{hint}.")


def unusable(path: Path, error: Exception) -> ImageError:
    """Return the sentence for an input that cannot be used."""
    if isinstance(error, StoreError):
        return ImageError(f"{path} cannot be used: {error.strerror}.")
    if isinstance(error, FileNotFoundError):
        return ImageError(f"there is no file or folder {path}; check the path.")
    reason = getattr(error, "strerror", None) or str(error)
    return ImageError(f"{path} cannot be used ({reason}); check the path.")
