"""Collects the pictures for a page on disk."""

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
from magn_cli.files import LOCAL, Access, narrowest
from magn_cli.images import Array, preview
from magn_cli.report.regions import Region

HELD = "held"
"""Name of the file that is locked as long as its folder is in use."""

REGION_SIDE = 128
"""Side of the enlarged regions, in pixels."""


@dataclass(frozen=True)
class State:
    """One version of a picture, such as degraded or restored."""

    label: str
    """``degraded``, ``restored``, ``clean``, ``before``, ``after``, or the name of a method."""

    pixels: Array
    """``(H, W)`` or ``(H, W, 3)``, any depth."""

    note: str = ""
    """Text beside the label, such as the PSNR."""

    region_notes: Sequence[str] = ()
    """Text beside the label for each region."""

    icc: bytes | None = None
    """Colour profile, if the states have different ones."""


@dataclass(frozen=True)
class StoredState:
    """A state whose pixels are on disk."""

    label: str
    note: str
    region_notes: Sequence[str]
    file: Path
    """8-bit PNG file."""


@dataclass(frozen=True)
class GalleryPicture:
    """A picture with all its states."""

    number: int
    """Number from 1, in the order of arrival."""

    name: str
    about: str
    """Description of the set, the degradation and the result."""

    width: int
    height: int
    states: tuple[StoredState, ...]
    regions: tuple[Region, ...]
    """Regions to enlarge, the most important first."""

    rank: float
    """Pictures with a low rank are preferred if not all can be shown."""


class Gallery:
    """A context manager that stores pictures in a temporary folder."""

    def __init__(self, beside: Path | None = None) -> None:
        """Create the temporary folder.

        Args:
            beside: path of a page that will link the pictures. The folder is then on the same disk.

        Raises:
            ImageError: the folder cannot be created.
        """
        self.pictures: list[GalleryPicture] = []
        self.access: Access | None = None
        """Who may read the files that all pictures come from, and so a page of them."""

        where = beside.absolute().parent if beside else Path(tempfile.gettempdir())
        prefix = ".magn-pages-" if beside else "magn-pages-"
        try:
            _remove_left_behind(where, prefix)
            self._folder = tempfile.TemporaryDirectory(prefix=prefix, dir=where)
            self._held = LOCAL.lock(Path(self._folder.name) / HELD)
        except OSError as error:
            raise ImageError(f"cannot store pictures in {where} ({error.strerror}); free some space.") from error

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete all pictures that were not moved to a page's folder."""
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
        access: Access | None = None,
    ) -> int:
        """Store a picture and return its number.

        Args:
            name: name to show.
            about: description to show.
            states: versions of the picture, all of the same size.
            regions: regions to enlarge.
            rank: see :attr:`GalleryPicture.rank`.
            alpha: ``(H, W)``, for all states.
            icc: colour profile of all states.
            access: who may read the files that the states come from.

        Raises:
            ImageError: the picture cannot be written.
        """
        height, width = states[0].pixels.shape[:2]
        number = len(self.pictures) + 1
        kept = []
        for state in states:
            file = Path(self._folder.name) / f"{number:04d}-{_plain(name)}-{_plain(state.label)}.png"
            try:
                LOCAL.write(file, preview.lossless(state.pixels, alpha, state.icc or icc), access=access)
            except OSError as error:
                raise ImageError(
                    f"{name} cannot be stored in {file.parent} ({error.strerror}); free some space."
                ) from error
            kept.append(StoredState(state.label, state.note, state.region_notes, file))
        self.access = narrowest((self.access, access))
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
    """Return a name that is valid in all file systems and URLs."""
    return re.sub(r"[^A-Za-z0-9]+", "-", Path(text).stem).strip("-")[:40] or "picture"
