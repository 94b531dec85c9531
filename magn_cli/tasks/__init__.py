"""The restoration tasks by name."""

from magn_cli.errors import UsageError
from magn_cli.tasks.base import FoundLevel, LevelScale, PairOptions, Pixels, Task, as_rgb
from magn_cli.tasks.demosaic import Demosaic
from magn_cli.tasks.denoise import Denoise
from magn_cli.tasks.jpeg import Jpeg

TASKS: dict[str, Task] = {task.name: task for task in (Denoise(), Jpeg(), Demosaic())}


def get_task(name: str) -> Task:
    """Return a task by its name. Raises :class:`UsageError` where there is none."""
    if name not in TASKS:
        raise UsageError(f"there is no task {name!r}; use one of {', '.join(TASKS)}.")
    return TASKS[name]


__all__ = ["TASKS", "FoundLevel", "LevelScale", "PairOptions", "Pixels", "Task", "as_rgb", "get_task"]
