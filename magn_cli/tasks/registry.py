"""The restoration tasks by name: magn's own, and those of installed packages."""

from __future__ import annotations

import logging
import re
from importlib.metadata import entry_points

from magn_cli.errors import UsageError, any_of
from magn_cli.tasks.base import Task
from magn_cli.tasks.options import Option, PairOptions, Use

log = logging.getLogger(__name__)

GROUP = "magn_cli.tasks"
"""Group of entry points, each of which names a subclass of :class:`Task` without arguments."""

TASKS: dict[str, Task] = {}
"""All tasks by name, magn's own first."""

USES: tuple[Use, ...] = ("degrade", "pairs", "restore")
_NAME = re.compile("[a-z][a-z0-9-]*")
_RESERVED = {"auto"}


def register(task: Task) -> None:
    """Add a task to all commands.

    Raises:
        ValueError: the name is invalid or taken, or an option has the same name as another task's but another
        type.
    """
    if not _NAME.fullmatch(task.name) or task.name in _RESERVED:
        raise ValueError(f"invalid task name {task.name!r}: use lower-case letters, digits and hyphens")
    if task.name in TASKS:
        raise ValueError(f"the task {task.name!r} exists already")
    common = PairOptions().to_values()
    for use in USES:
        others = declared(use)
        for option in task.options(use):
            if not option.name.isidentifier() or (use == "pairs" and option.name in common):
                raise ValueError(f"invalid option name {option.name!r}: use another identifier")
            if option.name in others and _type(others[option.name][0]) != _type(option):
                raise ValueError(f"the option {option.name!r} has another type in another task; rename it")
    TASKS[task.name] = task


def get_task(name: str, or_auto: bool = False) -> Task:
    """Return a task by its name, or raise :class:`UsageError` if it is unknown.

    ``or_auto``: ``auto`` could be given as well, so the error offers it.
    """
    if name not in TASKS:
        raise UsageError(f"unknown task {name!r}: choose {any_of([*TASKS, *(_RESERVED if or_auto else ())])}.")
    return TASKS[name]


def declared(use: Use) -> dict[str, tuple[Option, list[str]]]:
    """Return all options for a use, by name, each with the names of the tasks that declare it."""
    found: dict[str, tuple[Option, list[str]]] = {}
    for task in TASKS.values():
        for option in task.options(use):
            found.setdefault(option.name, (option, []))[1].append(task.name)
    return found


def register_installed() -> None:
    """Register the tasks of installed packages. Logs a warning for each task that cannot be loaded."""
    for entry in entry_points(group=GROUP):
        try:
            register(entry.load()())
        except Exception as error:
            log.warning("the installed task %r cannot be loaded (%s); update its package.", entry.name, error)


def _type(option: Option) -> tuple[type, bool]:
    return option.kind, option.is_list
