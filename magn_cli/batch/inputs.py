"""Which files are meant: files, folders and patterns."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from magn_cli import images
from magn_cli.batch import journal
from magn_cli.errors import ImageError

log = logging.getLogger(__name__)

RESTORED = "_restored"
"""What is put behind the name of a picture where its result lies beside it."""

NOT_THE_USERS = frozenset({"@eaDir", "__MACOSX", "$RECYCLE.BIN", "#recycle", "System Volume Information"})
"""Folders in which systems keep thumbnails, halves of files and what was deleted."""


Mosaics = Literal["no", "only", "too"]
"""Raw files of cameras in a folder: no pictures; the only ones meant, where there are some; or pictures like
others, but for those beside which the camera has put a developed one of the same name."""


@dataclass(frozen=True)
class FoundPicture:
    """A file to restore."""

    path: Path
    root: Path
    """The folder whose tree is mirrored; for a file that was named, the one it lies in."""


@dataclass
class Found:
    """What the words of a command line mean."""

    pictures: list[FoundPicture] = field(default_factory=list)
    """Each file once, in the order of the words, those of a folder sorted by name."""

    failures: list[tuple[Path, ImageError]] = field(default_factory=list)
    """What was named and is not there, and folders that cannot be listed."""

    is_one_file: bool = False
    """Whether one single file was named and nothing else."""

    mosaics: Mosaics = "no"


def find(
    sources: Sequence[str | Path], out: Path | None, recursive: bool = False, mosaics: Mosaics = "no"
) -> Found:
    """Find the pictures that are meant.

    Hidden files, what systems leave in folders, and files without a picture's suffix are left alone, unless they
    are named one by one; the folder ``out`` and results of other runs in sub-folders are no inputs.

    Args:
        sources: files, folders, and patterns (``*``, ``?``, ``[]``, ``**``) that no shell has expanded.
        out: where the results go; None: beside the inputs.
        recursive: sub-folders, too.
        mosaics: which raw files of cameras are taken from folders.
    """
    found, seen = Found(mosaics=mosaics), set[Path]()
    for word in sources:
        source = Path(word)
        try:
            for picture in _named(source, out, recursive, found):
                if (real := picture.path.resolve()) not in seen:
                    seen.add(real)
                    found.pictures.append(picture)
        except (OSError, ValueError, RuntimeError) as error:
            found.failures.append((source, _unusable(source, error)))
    found.is_one_file = len(sources) == 1 and [p.path for p in found.pictures] == [Path(sources[0])]
    return found


def _named(source: Path, out: Path | None, recursive: bool, found: Found) -> Iterator[FoundPicture]:
    if source.is_dir():
        before = len(found.pictures) + len(found.failures)
        yield from _Walk(source, out, recursive, found).pictures()
        if before == len(found.pictures) + len(found.failures):
            hint = "" if recursive else ", or add --recursive for its sub-folders"
            problem = f"the folder {source} holds no picture; give a folder of photographs{hint}."
            found.failures.append((source, ImageError(problem)))
    elif os.path.lexists(source) or not glob.has_magic(str(source)):
        if not source.exists():
            raise FileNotFoundError
        yield FoundPicture(source, source.parent)
    else:
        yield from _matching(source, out, recursive, found)


def _matching(pattern: Path, out: Path | None, recursive: bool, found: Found) -> Iterator[FoundPicture]:
    """What a shell would have made of a pattern, but for files that are no pictures."""
    fixed = Path(*_until(pattern.parts))
    # Path.glob takes no absolute patterns and finds hidden files.
    matches = sorted(Path(match) for match in glob.glob(str(pattern), recursive=True))  # noqa: PTH207
    if not any(_is_picture(path, found.mosaics) or (recursive and path.is_dir()) for path in matches):
        found.failures.append((pattern, ImageError(f"no picture matches {pattern}; check the path.")))
    for path in matches:
        if path.is_dir():
            if recursive:
                yield from (FoundPicture(p.path, fixed) for p in _Walk(path, out, recursive, found).pictures())
        elif _is_picture(path, found.mosaics):
            yield FoundPicture(path, fixed)


def _until(parts: Sequence[str]) -> Iterator[str]:
    for part in parts:
        if glob.has_magic(part):
            return
        yield part


def _is_picture(path: Path, mosaics: Mosaics) -> bool:
    known = path.suffix.lower() in images.INPUT_SUFFIXES or (mosaics != "no" and _is_raw(path))
    return known and not path.name.startswith(".") and path.is_file()


def _is_raw(path: Path) -> bool:
    return path.suffix.lower() in images.RAW_SUFFIXES


class _Walk:
    """The pictures of one folder."""

    def __init__(self, root: Path, out: Path | None, recursive: bool, found: Found) -> None:
        self.root, self.recursive, self.found = root, recursive, found
        self.out = None if out is None else out.resolve()
        self.beside = out is None or self.out == root.resolve()
        self.visited: set[Path] = set()
        self.made: set[Path] = set()

    def pictures(self) -> Iterator[FoundPicture]:
        """Yield them sorted, each folder once: links come last, and cannot lead in circles."""
        paths, linked = list[Path](), [self.root]
        while linked:
            below, more = self._folder(linked.pop(0))
            paths += below
            linked += more
        return iter(FoundPicture(path, self.root) for path in sorted(self._wanted(paths)))

    def _wanted(self, paths: list[Path]) -> list[Path]:
        raw = [path for path in paths if _is_raw(path)]
        if self.found.mosaics == "only":
            return raw or paths
        developed = {path.with_suffix("") for path in paths if not _is_raw(path)}
        return [path for path in paths if not (_is_raw(path) and path.with_suffix("") in developed)]

    def _folder(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Return pictures of a folder and its sub-folders, and the links to folders in it."""
        real = folder.resolve()
        if real in self.visited or (real == self.out and folder != self.root):
            return [], []
        self.visited.add(real)
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            self.found.failures.append((folder, _unusable(folder, error)))
            return [], []
        if folder != self.root:
            self.made |= {folder / name for name in journal.results_in(folder)}
        paths, linked = list[Path](), list[Path]()
        for path in entries:
            try:
                if path.name.startswith(".") or path.name in NOT_THE_USERS:
                    continue
                if path.is_dir():
                    if not self.recursive:
                        continue
                    below, more = ([], [path]) if path.is_symlink() else self._folder(path)
                    paths += below
                    linked += more
                elif path in self.made:
                    log.info("%s is the result of another run and is left alone.", path)
                elif _is_picture(path, self.found.mosaics) and not (self.beside and path.stem.endswith(RESTORED)):
                    paths.append(path)
            except OSError as error:
                self.found.failures.append((path, _unusable(path, error)))
        return paths, linked


def _unusable(path: Path, error: Exception) -> ImageError:
    if isinstance(error, FileNotFoundError):
        return ImageError(f"there is no file or folder {path}; check the path.")
    reason = getattr(error, "strerror", None) or str(error)
    return ImageError(f"{path} cannot be used ({reason}); check the path.")
