"""The restoration tasks by name: magn's own, and those of installed packages."""

from __future__ import annotations

import logging
import re
from importlib.metadata import entry_points

from magn_cli.errors import UsageError
from magn_cli.tasks.base import Task
from magn_cli.tasks.options import Option, PairOptions, Use

log = logging.getLogger(__name__)

GROUP = "magn_cli.tasks"
"""Entry points of this group name a subclass of :class:`Task` that takes no arguments."""

TASKS: dict[str, Task] = {}
"""Every task by its name, magn's own first."""

USES: tuple[Use, ...] = ("degrade", "pairs", "restore")
_NAME = re.compile("[a-z][a-z0-9-]*")
_RESERVED = {"auto"}


def register(task: Task) -> None:
    """Make a task known to every command.

    Raises ``ValueError`` where its name is taken or no name, or where an option has the name, but not the type,
    of another task's.
    """
    if not _NAME.fullmatch(task.name) or task.name in _RESERVED:
        raise ValueError(f"{task.name!r} cannot be a task's name; use small letters, digits and hyphens")
    if task.name in TASKS:
        raise ValueError(f"there is a task {task.name!r} already")
    common = PairOptions().to_values()
    for use in USES:
        others = declared(use)
        for option in task.options(use):
            if not option.name.isidentifier() or (use == "pairs" and option.name in common):
                raise ValueError(f"{option.name!r} cannot be an option's name; take another identifier")
            if option.name in others and _type(others[option.name][0]) != _type(option):
                raise ValueError(f"the option {option.name!r} has another type in another task; rename it")
    TASKS[task.name] = task


def get_task(name: str) -> Task:
    """Return a task by its name. Raises :class:`UsageError` where there is none."""
    if name not in TASKS:
        raise UsageError(f"there is no task {name!r}; use one of {', '.join(TASKS)}.")
    return TASKS[name]


def declared(use: Use) -> dict[str, tuple[Option, list[str]]]:
    """Return all options for a use by name, each with the names of the tasks that declare it."""
    found: dict[str, tuple[Option, list[str]]] = {}
    for task in TASKS.values():
        for option in task.options(use):
            found.setdefault(option.name, (option, []))[1].append(task.name)
    return found


def register_installed() -> None:
    """Register the tasks of installed packages; one that cannot be loaded is left out with a warning."""
    for entry in entry_points(group=GROUP):
        try:
            register(entry.load()())
        except Exception as error:
            log.warning("the task %r of an installed package cannot be used (%s); update it.", entry.name, error)


def _type(option: Option) -> tuple[type, bool]:
    return option.kind, option.is_list
