"""``--task auto``: chooses the task for each photo. torch is imported when a photo first needs a network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from magn_cli.analysis import findings
from magn_cli.images import Photo
from magn_cli.inference.options import Level, check_level
from magn_cli.inference.restored_photo import RestoredPhoto
from magn_cli.tasks.auto import Choice, choose

if TYPE_CHECKING:
    from magn_cli.inference.picture import PhotoRestorer


class AutoRestorer:
    """Restores each photo with the network that fits it, or leaves it unchanged.

    It has the interface of a :class:`PhotoRestorer`.
    """

    mosaics = True

    def __init__(self, load: Callable[[str], PhotoRestorer]) -> None:
        """Create a restorer without networks.

        Args:
            load: returns the restorer of a task by name; called once for each task, when a photo first needs it.
        """
        self._load = load
        self.restorers: dict[str, PhotoRestorer] = {}
        self._loading = threading.Lock()

    def restore(
        self, photo: Photo, level: Level = "auto", progress: Callable[[float], None] = lambda done: None
    ) -> RestoredPhoto:
        """Restore one photo.

        Args:
            photo: the photo.
            level: only ``auto``.
            progress: called with the share that is done, 0..1.

        Raises:
            UsageError: a level is given, although its task is not known yet.
            ImageError: the photo cannot be restored.
        """
        check_level(None, level)
        choice = task_for(photo)
        if choice.task is None:
            return RestoredPhoto(None, photo.pixels, None, choice.found)
        with self._loading:
            if choice.task not in self.restorers:
                self.restorers[choice.task] = self._load(choice.task)
        return self.restorers[choice.task].restore(photo, level, progress, choice.found)


def task_for(photo: Photo) -> Choice:
    """Choose the task for a photo by what can be seen of it. Needs no torch."""
    return choose(photo if photo.mosaic else findings.visible(photo))
