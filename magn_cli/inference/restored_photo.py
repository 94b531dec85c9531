"""The result of restoring one photo. Needs no torch, so that plans, journals and views can use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from magn_cli.images import Array, Photo
from magn_cli.inference.options import Level
from magn_cli.tasks import FoundLevel, LevelScale


@dataclass(frozen=True)
class RestoredPhoto:
    """A restored photo, with its task and level."""

    task: str | None
    """Name of the task; None if nothing was done."""

    pixels: Array
    """``(H, W)`` or ``(H, W, 3)``, of the input's type."""

    scale: LevelScale | None
    """Level scale of the network; None if it takes no level."""

    found: FoundLevel
    """Level that was used, and where it came from."""

    network: str = ""
    """Name of the network, or empty."""

    def describe_level(self) -> str:
        """Return the level in words: ``quality 20 (from the file's quantization tables)``."""
        if self.task is None:
            return self.found.how
        return describe_level(self.scale, self.found)


def describe_level(scale: LevelScale | None, found: FoundLevel) -> str:
    """Return a level in words, with the name of its scale and where it comes from."""
    name = scale.name if scale else "level"
    level = "unknown" if found.level is None else f"{found.level:g}"
    return f"{name} {level} ({found.how})"


class PhotoNetwork(Protocol):
    """Something that restores photos: a :class:`PhotoRestorer` or an :class:`AutoRestorer`."""

    @property
    def mosaics(self) -> bool:
        """True if it accepts sensor mosaics."""

    def restore(
        self, photo: Photo, level: Level = "auto", progress: Callable[[float], None] = lambda done: None
    ) -> RestoredPhoto:
        """Restore a photo. Calls ``progress`` with the share that is done, 0..1. Raises :class:`MagnError`."""
