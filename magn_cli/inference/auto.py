"""``--task auto``: the task that each photo needs, by what is seen in it. Needs no torch before a photo does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from magn_cli.analysis import findings
from magn_cli.images import Photo
from magn_cli.inference.options import Level, check_level
from magn_cli.inference.restored_photo import RestoredPhoto
from magn_cli.tasks.auto import choose

if TYPE_CHECKING:
    from magn_cli.inference.picture import PhotoRestorer


class AutoRestorer:
    """Restores a photo by the network that fits it, or leaves it as it is; used like a :class:`PhotoRestorer`."""

    mosaics = True

    def __init__(self, load: Callable[[str], PhotoRestorer]) -> None:
        """``load``: gives the restorer of a task; called once for each, when a photo first needs it."""
        self._load = load
        self.restorers: dict[str, PhotoRestorer] = {}

    def restore(
        self, photo: Photo, level: Level = "auto", progress: Callable[[float], None] = lambda done: None
    ) -> RestoredPhoto:
        """Restore one photo. Raises :class:`UsageError` for a level: which it would be one of is not known."""
        check_level(None, level)
        choice = choose(photo if photo.mosaic else findings.visible(photo))
        if choice.task is None:
            return RestoredPhoto(None, photo.pixels, None, choice.found)
        if choice.task not in self.restorers:
            self.restorers[choice.task] = self._load(choice.task)
        return self.restorers[choice.task].restore(photo, level, progress, choice.found)
