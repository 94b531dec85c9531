"""Pictures for a page, kept on disk while they come in one after the other."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from magn_cli.errors import ImageError
from magn_cli.files import LOCAL
from magn_cli.images import Array, preview
from magn_cli.report.regions import Region

HELD = "held"
"""Name of the file that is locked as long as its folder is in use."""

REGION_SIDE = 128
"""Pixels; of the regions that are shown enlarged."""


@dataclass(frozen=True)
class State:
    """One of the forms that a picture is shown in."""

    label: str
    """``degraded``, ``restored``, ``clean``; ``before``, ``after``; the name of a method."""

    pixels: Array
    """``(H, W)`` or ``(H, W, 3)``, any depth."""

    note: str = ""
    """Beside the label: its PSNR."""

    region_notes: Sequence[str] = ()
    """The same for each region."""


@dataclass(frozen=True)
class StoredState:
    """A state whose pixels are on disk."""

    label: str
    note: str
    region_notes: Sequence[str]
    file: Path
    """PNG, 8 bit."""


@dataclass(frozen=True)
class GalleryPicture:
    """A picture in all its states."""

    number: int
    """From 1, as they came in."""

    name: str
    about: str
    """A line in words: of which set, how it was degraded, what was told to the network."""

    width: int
    height: int
    states: tuple[StoredState, ...]
    regions: tuple[Region, ...]
    """What to look at, the most important first."""

    rank: float
    """Where not all can be shown, those with the lowest are."""


class Gallery:
    """Use as a context: the pictures are gone at its end."""

    def __init__(self, beside: Path | None = None) -> None:
        """``beside``: the page, where the pictures shall stay beside it; else they lie with temporary files."""
        self.pictures: list[GalleryPicture] = []
        where = beside.absolute().parent if beside else Path(tempfile.gettempdir())
        prefix = ".magn-pages-" if beside else "magn-pages-"
        try:
            _remove_left_behind(where, prefix)
            self._folder = tempfile.TemporaryDirectory(prefix=prefix, dir=where)
            self._held = LOCAL.lock(Path(self._folder.name) / HELD)
        except OSError as error:
            raise ImageError(f"no pictures can be kept in {where} ({error.strerror}); free some space.") from error

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Throw away what has not been moved to where a page links it."""
        self._held.release()
        self._folder.cleanup()

    def add(
        self,
        name: str,
        about: str,
        states: Sequence[State],
        regions: Sequence[Region] = (),
        *,
        rank: float = 0,
        alpha: Array | None = None,
        icc: bytes | None = None,
    ) -> int:
        """Keep a picture and return its number; all its states have one size.

        Raises :class:`ImageError` where the disk is full.
        """
        height, width = states[0].pixels.shape[:2]
        number = len(self.pictures) + 1
        kept = []
        for state in states:
            file = Path(self._folder.name) / f"{number:04d}-{_plain(name)}-{_plain(state.label)}.png"
            try:
                file.write_bytes(preview.lossless(state.pixels, alpha, icc))
            except OSError as error:
                raise ImageError(
                    f"{name} cannot be kept for the page in {file.parent} ({error.strerror}); free some space."
                ) from error
            kept.append(StoredState(state.label, state.note, state.region_notes, file))
        self.pictures.append(GalleryPicture(number, name, about, width, height, tuple(kept), tuple(regions), rank))
        return number


def _remove_left_behind(where: Path, prefix: str) -> None:
    """Remove the pictures of processes that were killed; what cannot be removed harms nobody."""
    for folder in where.glob(f"{prefix}*"):
        with suppress(OSError):
            about = folder.lstat()
            # In a folder for temporary files anybody may make one of that name.
            if stat.S_ISDIR(about.st_mode) and _is_mine(about) and (folder / HELD).exists():
                LOCAL.lock(folder / HELD).release()
                shutil.rmtree(folder, ignore_errors=True)


def _is_mine(about: os.stat_result) -> bool:
    return sys.platform == "win32" or about.st_uid == os.getuid()


def _plain(text: str) -> str:
    """Return what every file system and address can hold."""
    return re.sub(r"[^A-Za-z0-9]+", "-", Path(text).stem).strip("-")[:40] or "picture"
