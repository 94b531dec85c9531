"""How a degraded set is made of clean pictures: task, level, options, and noise that is always the same."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from magn_cli import images
from magn_cli.degrade.manifest import Manifest
from magn_cli.errors import UsageError
from magn_cli.images import gray as grays
from magn_cli.images.photo import Array
from magn_cli.tasks import Pixels, Task, get_task
from magn_cli.tasks.demosaic import DEFAULT_PATTERN, check_pattern
from magn_cli.tasks.jpeg import DEFAULT_SUBSAMPLING, check_subsampling, encode
from magn_cli.version import __version__

DegradeLevel = float | None
"""In the task's units, a whole number as int; None where the task has none."""

GRAYS = {"luma": grays.luma, "gray": grays.gray}
_SUFFIXES = {"denoise": ".tif", "jpeg": ".jpg", "demosaic": ".png"}
_OPTIONS = {"jpeg": ("subsampling",), "demosaic": ("pattern", "channels")}


@dataclass(frozen=True)
class DegradeRecipe:
    """What decides the pixels of a degraded set. Raises :class:`UsageError` for what makes no sense.

    Options that are not the task's own are checked and otherwise left aside.
    """

    task: str
    seed: int = 0
    """Of the noise."""

    gray: str | None = None
    """Colour is turned to gray first: ``luma`` as in Table III, ``gray`` as in Table II; None: it is not."""

    subsampling: str = DEFAULT_SUBSAMPLING
    pattern: str = DEFAULT_PATTERN
    channels: int = 3
    """Of a mosaic: three, with zeros where a colour was not sampled, or one (a CFA picture)."""

    def __post_init__(self) -> None:
        get_task(self.task)
        check_subsampling(self.subsampling)
        check_pattern(self.pattern)
        if self.gray is not None and self.gray not in GRAYS:
            raise UsageError(f"there is no conversion to gray {self.gray!r}; use one of {', '.join(GRAYS)}.")
        if self.channels not in (1, 3):
            raise UsageError(f"a mosaic of {self.channels} channels makes no sense; give --channels 1 or 3.")

    @property
    def suffix(self) -> str:
        """Of the set's files, with its dot."""
        return _SUFFIXES[self.task]

    def result_name(self, name: str, level: DegradeLevel) -> str:
        """Return where in the set a result lies; both paths with ``/`` between the parts."""
        return f"{folder_name(self.task, level)}/{PurePosixPath(name).with_suffix(self.suffix)}"

    @property
    def options(self) -> dict[str, Any]:
        """The options of ``Task.degrade`` that are this task's own."""
        return {name: getattr(self, name) for name in _OPTIONS.get(self.task, ())}

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
        """Return what goes into the set's file: a JPEG file's bytes, or the samples of a TIFF or PNG file.

        ``dtype``: the clean file's samples. Noise stays float32, not clipped; a mosaic keeps the file's depth,
        as far as PNG can. Raises :class:`ImageError` for a picture larger than the format can hold.
        """
        if self.task == "jpeg" and level is not None:
            return encode(clean, level, self.subsampling)
        return images.from_float(self.degrade(clean, name, level), np.float32 if self.task == "denoise" else dtype)


def generator(seed: int, name: str, level: DegradeLevel) -> np.random.Generator:
    """Return the noise of one picture at one level: the same on every machine and in every order."""
    # A name may be composed (NFC) on one file system and decomposed on another.
    words = f"{seed}\n{unicodedata.normalize('NFC', name)}\n{level_name(level)}"
    digest = hashlib.sha256(words.encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def level_name(level: DegradeLevel) -> str:
    """Return ``25`` or ``12.5``; nothing where there is no level."""
    if level is None:
        return ""
    return str(int(level)) if float(level).is_integer() else repr(float(level))


def folder_name(task: str, level: DegradeLevel) -> str:
    """Return the folder of a level in a set: ``jpeg-10``, or ``demosaic``."""
    return task if level is None else f"{task}-{level_name(level)}"


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

    Raises :class:`UsageError` for what is out of range, for a JPEG quality that is not whole, and where levels are
    given to a task that has none, or none to one that has.
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
        if scale.name == "quality" and not float(level).is_integer():
            raise UsageError(f"quality {number:g} is not a whole number: JPEG has no others.")
        levels.add(int(level) if float(level).is_integer() else level)
    return tuple(sorted(levels))
