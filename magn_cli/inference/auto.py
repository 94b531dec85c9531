"""``--task auto``: the task that each photo needs, by what is seen in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from magn_cli import images
from magn_cli.errors import UsageError
from magn_cli.images import Photo
from magn_cli.inference.picture import Level, PhotoRestorer, Restored
from magn_cli.tasks import TASKS
from magn_cli.tasks.auto import candidates, choose


class AutoRestorer:
    """Restores a photo by the network that fits it, or leaves it as it is; used like a :class:`PhotoRestorer`."""

    mosaics = True

    def __init__(self, restorers: Mapping[str, PhotoRestorer]) -> None:
        """``restorers``: one for each of :func:`candidates`."""
        self.restorers = restorers

    def restore(
        self, photo: Photo, level: Level = "auto", progress: Callable[[float], None] = lambda done: None
    ) -> Restored:
        """Restore one photo. Raises :class:`UsageError` for a level: which it would be one of is not known."""
        check_auto_level(level)
        choice = choose(photo if photo.mosaic else images.visible(photo))
        if choice.task is None:
            return Restored(None, photo.pixels, None, choice.found)
        return self.restorers[choice.task].restore(photo, level, progress, choice.found)


def check_auto_level(level: Level) -> Level:
    """Return ``auto``; raises :class:`UsageError` for any other level."""
    if level != "auto":
        leveled = [f"--task {name}" for name in candidates() if TASKS[name].scale is not None]
        raise UsageError(f"--level {level} needs to know what it is a level of; add {' or '.join(leveled)}.")
    return level
