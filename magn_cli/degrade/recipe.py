"""The settings of a degraded set: task, seed and options. The same settings always give the same noise."""

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
from magn_cli.errors import UsageError, any_of
from magn_cli.images import gray as grays
from magn_cli.images.photo import Array
from magn_cli.tasks import Pixels, Task, get_task, level_text
from magn_cli.version import __version__

DegradeLevel = float | None
"""In the task's units, with whole numbers as int; None if the task has none."""

GRAYS = {"luma": grays.luma, "gray": grays.gray}


@dataclass(frozen=True)
class DegradeRecipe:
    """Settings that determine the pixels of a degraded set.

    Raises:
        UsageError: the task, an option or the conversion to gray is unknown or invalid.
    """

    task: str
    seed: int = 0
    """Seed of the noise."""

    gray: str | None = None
    """Conversion of colour to gray before degrading: ``luma`` as in Table III, ``gray`` as in Table II, or
    None."""

    given: Mapping[str, Any] = field(default_factory=dict)
    """Options of the task that differ from their defaults."""

    def __post_init__(self) -> None:
        get_task(self.task).settings("degrade", self.given)
        if self.gray is not None and self.gray not in GRAYS:
            raise UsageError(f"unknown conversion to gray {self.gray!r}: choose {any_of(GRAYS)}.")

    @property
    def suffix(self) -> str:
        """Suffix of the set's files, with its dot."""
        return get_task(self.task).suffix

    def result_name(self, name: str, level: DegradeLevel) -> str:
        """Return the path of a result in the set; both paths are relative, with ``/`` as separator."""
        return f"{folder_name(self.task, level)}/{PurePosixPath(name).with_suffix(self.suffix)}"

    @property
    def options(self) -> dict[str, Any]:
        """All options of ``Task.degrade``."""
        return get_task(self.task).settings("degrade", self.given)

    def manifest(self) -> Manifest:
        """Return the manifest of an empty set."""
        # These imports are slow, and only a whole set needs the versions.
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
        """Convert samples, ``(H, W)`` or ``(H, W, 3)``, to floats 0..1, and to gray if the recipe says so."""
        clean = images.to_float(pixels)
        return GRAYS[self.gray](clean) if self.gray and clean.ndim == 3 else clean

    def degrade(self, clean: Pixels, name: str, level: DegradeLevel) -> Pixels:
        """Return the pixels of a file in the set.

        Args:
            clean: result of :meth:`clean`.
            name: relative path of the picture, with ``/`` as separator, which selects the noise.
            level: in the task's units; None if the task has none.
        """
        return get_task(self.task).degrade(clean, level, generator(self.seed, name, level), **self.options)

    def content(self, clean: Pixels, dtype: np.dtype[Any], name: str, level: DegradeLevel) -> bytes | Array:
        """Return the content of a file in the set: its bytes, or samples to encode.

        Args:
            clean: result of :meth:`clean`.
            dtype: sample type of the clean file.
            name: relative path of the picture, with ``/`` as separator, which selects the noise.
            level: in the task's units; None if the task has none.

        Raises:
            ImageError: the picture is too large for the format.
        """
        rng = generator(self.seed, name, level)
        return get_task(self.task).degraded_file(clean, level, rng, dtype, **self.options)


def generator(seed: int, name: str, level: DegradeLevel) -> np.random.Generator:
    """Return the random generator for one picture at one level. It does not depend on machine or order."""
    # File systems can store the same name composed (NFC) or decomposed.
    words = f"{seed}\n{unicodedata.normalize('NFC', name)}\n{level_text(level)}"
    digest = hashlib.sha256(words.encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def folder_name(task: str, level: DegradeLevel) -> str:
    """Return the folder of a level in a set: ``<task>-<level>``, or ``<task>`` without a level."""
    return task if level is None else f"{task}-{get_task(task).level_text(level)}"


def parse_levels(task: Task, given: str | None) -> tuple[DegradeLevel, ...]:
    """Parse ``10,20,12.5``; result and errors as for :func:`check_levels`."""
    return check_levels(task, read_numbers(given))


def read_numbers(given: str | None) -> tuple[float, ...] | None:
    """Parse ``10,20,12.5``. Raises :class:`UsageError` for anything else."""
    if given is None:
        return None
    try:
        return tuple(float(word) for word in given.split(","))
    except ValueError:
        raise UsageError(f"invalid --level {given!r}: give numbers separated by commas, such as 10,20.") from None


def check_levels(task: Task, given: Iterable[float] | None) -> tuple[DegradeLevel, ...]:
    """Return the levels without duplicates, in order; ``(None,)`` if the task has none.

    Raises:
        UsageError: a level is out of range, or not a whole number although the task requires it; or levels are
            given for a task without levels, or missing for a task with levels.
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
            raise UsageError(f"invalid {scale.name} {number:g}: {task.name} needs a whole number.")
        levels.add(int(level) if float(level).is_integer() else level)
    return tuple(sorted(levels))
