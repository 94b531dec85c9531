"""What restoring one photo gives. Needs no torch, so that plans, journals and views can name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from magn_cli.images import Array, Photo
from magn_cli.inference.options import Level
from magn_cli.tasks import FoundLevel, LevelScale


@dataclass(frozen=True)
class RestoredPhoto:
    """The result and how it came about."""

    task: str | None
    """What was done; None: nothing."""

    pixels: Array
    """``(H, W)`` or ``(H, W, 3)`` of the input's type."""

    scale: LevelScale | None
    """What a level is for this network; None: it takes none."""

    found: FoundLevel
    """The level that the network was told, and where it comes from."""

    network: str = ""
    """Its name, where it has one."""

    def describe_level(self) -> str:
        """Return the level in words: ``quality 20 (from the file's quantization tables)``."""
        if self.task is None:
            return self.found.how
        name = self.scale.name if self.scale else "level"
        level = "unknown" if self.found.level is None else f"{self.found.level:g}"
        return f"{name} {level} ({self.found.how})"


class PhotoNetwork(Protocol):
    """What restores one photo: :class:`PhotoRestorer` by one task, :class:`AutoRestorer` by what it needs."""

    @property
    def mosaics(self) -> bool:
        """Whether it takes the mosaics of sensors."""

    def restore(
        self, photo: Photo, level: Level = "auto", progress: Callable[[float], None] = lambda done: None
    ) -> RestoredPhoto:
        """Return the restored photo; ``progress`` is told the share that is done. Raises :class:`MagnError`."""
