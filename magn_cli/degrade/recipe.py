"""How a degraded set is made of clean pictures: task, level, options, and noise that is always the same."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from magn_cli import images
from magn_cli.degrade.manifest import Manifest
from magn_cli.errors import UsageError
from magn_cli.images import gray as grays
from magn_cli.images.photo import Array
from magn_cli.tasks import Pixels, Task, get_task, level_text
from magn_cli.version import __version__

DegradeLevel = float | None
"""In the task's units, a whole number as int; None where the task has none."""

GRAYS = {"luma": grays.luma, "gray": grays.gray}


@dataclass(frozen=True)
class DegradeRecipe:
    """What decides the pixels of a degraded set. Raises :class:`UsageError` for what makes no sense."""

    task: str
    seed: int = 0
    """Of the noise."""

    gray: str | None = None
    """Colour is turned to gray first, by one of ``GRAYS``: ``luma`` as in Table III, ``gray`` as in Table II;
    None: it is not."""

    given: Mapping[str, Any] = field(default_factory=dict)
    """Options of the task that differ from their defaults."""

    def __post_init__(self) -> None:
        get_task(self.task).settings("degrade", self.given)
        if self.gray is not None and self.gray not in GRAYS:
            raise UsageError(f"there is no conversion to gray {self.gray!r}; use one of {', '.join(GRAYS)}.")

    @property
    def suffix(self) -> str:
        """Of the set's files, with its dot."""
        return get_task(self.task).suffix

    def result_name(self, name: str, level: DegradeLevel) -> str:
        """Return where in the set a result lies; both paths with ``/`` between the parts."""
        return f"{folder_name(self.task, level)}/{PurePosixPath(name).with_suffix(self.suffix)}"

    @property
    def options(self) -> dict[str, Any]:
        """All options of ``Task.degrade``."""
        return get_task(self.task).settings("degrade", self.given)

    def manifest(self) -> Manifest:
        """Return the manifest of an empty set."""
        # Importing these takes a noticeable time, and only a whole set needs their versions.
        import cv2
        import PIL

        versions = {
            "magn": __version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
        }
        return Manifest(self.task, self.seed, {"gray": self.gray, **self.options}, versions)

    def clean(self, pixels: Array) -> Pixels:
        """Return a file's samples, ``(H, W)`` or ``(H, W, 3)``, as floats, turned to gray if that is asked for."""
        clean = images.to_float(pixels)
        return GRAYS[self.gray](clean) if self.gray and clean.ndim == 3 else clean

    def degrade(self, clean: Pixels, name: str, level: DegradeLevel) -> Pixels:
        """Degrade what :meth:`clean` gave: the same pixels that the set's file holds.

        ``name``: the picture's path below its folder, with ``/`` between the parts; it decides the noise.
        """
        return get_task(self.task).degrade(clean, level, generator(self.seed, name, level), **self.options)

    def content(self, clean: Pixels, dtype: np.dtype[Any], name: str, level: DegradeLevel) -> bytes | Array:
        """Return what goes into the set's file: its bytes, or the samples of a picture.

        ``dtype``: the clean file's samples. Raises :class:`ImageError` for a picture larger than the format can
        hold.
        """
        rng = generator(self.seed, name, level)
        return get_task(self.task).degraded_file(clean, level, rng, dtype, **self.options)


def generator(seed: int, name: str, level: DegradeLevel) -> np.random.Generator:
    """Return the noise of one picture at one level: the same on every machine and in every order."""
    # A name may be composed (NFC) on one file system and decomposed on another.
    words = f"{seed}\n{unicodedata.normalize('NFC', name)}\n{level_text(level)}"
    digest = hashlib.sha256(words.encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def folder_name(task: str, level: DegradeLevel) -> str:
    """Return the folder of a level in a set, ``<task>-<level>``, or ``<task>`` where there is no level."""
    return task if level is None else f"{task}-{get_task(task).level_text(level)}"


def parse_levels(task: Task, given: str | None) -> tuple[DegradeLevel, ...]:
    """Read ``10,20,12.5``; errors and result as of :func:`check_levels`."""
    return check_levels(task, read_numbers(given))


def read_numbers(given: str | None) -> tuple[float, ...] | None:
    """Read ``10,20,12.5``. Raises :class:`UsageError` for anything else."""
    if given is None:
        return None
    try:
        return tuple(float(word) for word in given.split(","))
    except ValueError:
        raise UsageError(f"invalid --level {given!r}: give numbers separated by commas, such as 10,20.") from None


def check_levels(task: Task, given: Iterable[float] | None) -> tuple[DegradeLevel, ...]:
    """Return each level once, in order; ``(None,)`` where the task has no level.

    Raises :class:`UsageError` for what is out of range, for a level that is not whole where it has to be, and
    where levels are given to a task that has none, or none to one that has.
    """
    if task.scale is None:
        if given is not None:
            raise UsageError(f"{task.name} has no level: omit --level.")
        return (None,)
    scale = task.scale
    if given is None:
        raise UsageError(
            f"{task.name} needs a {scale.name}: give --level with numbers from {scale.low:g} to {scale.high:g}."
        )
    levels = set()
    for number in given:
        level = scale.check(number)
        if task.whole_levels and not float(level).is_integer():
            raise UsageError(f"{scale.name} {number:g} is not a whole number: {task.name} has no others.")
        levels.add(int(level) if float(level).is_integer() else level)
    return tuple(sorted(levels))
