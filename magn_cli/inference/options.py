"""Checks of the settings for restoring. They need no torch, so a wrong setting is reported at once."""

from __future__ import annotations

from typing import Literal, TypeAlias

from magn_cli.errors import UsageError
from magn_cli.limits import MAX_TILE, MIN_TILE
from magn_cli.tasks import TASKS, FoundLevel, Task
from magn_cli.tasks.auto import candidates

Level: TypeAlias = float | Literal["auto", "unknown"]
"""A number in the task's units, ``auto`` (found in the photo) or ``unknown`` (the network gets no level)."""


def check_level(task: Task | None, level: float | str) -> Level:
    """Return ``auto``, ``unknown`` or a number in the task's range.

    Args:
        task: the task; None if it is chosen for each photo.
        level: ``auto``, ``unknown``, or a number or its text.

    Raises:
        UsageError: the level is invalid or out of range, the task has no levels, or it is not known yet.
    """
    if level == "auto":
        return "auto"
    if task is None:
        leveled = [f"--task {name}" for name in candidates() if TASKS[name].scale is not None]
        raise UsageError(f"--level {level} needs a task: add {' or '.join(leveled)}.")
    if level == "unknown":
        return "unknown"
    if task.scale is None:
        raise UsageError(f"{task.name} has no level; omit --level.")
    try:
        number = float(level)
    except (ValueError, TypeError):
        raise UsageError(f"invalid level {level!r}: choose auto, unknown or a number.") from None
    return task.scale.check(number)


def within_range(task: Task, found: FoundLevel) -> FoundLevel:
    """Return a level that was found in a photo as it is used: moved into the task's range, with its strength."""
    if task.scale is None or found.level is None:
        return found
    nearest = task.scale.nearest(found.level)
    strength = min(found.strength, task.strength(found.level))
    how = found.how if nearest == found.level else f"the nearest to {found.level:g}, {found.how}"
    if strength < 1:
        how += f"; {strength:.0%} of the change applied" if strength else "; left as it is"
    return FoundLevel(nearest, how, strength)


def check_strength(task: Task | None, strength: float) -> float:
    """Return ``strength`` if it is valid.

    Args:
        task: the task; None if it is chosen for each photo.
        strength: share of the change to apply, 0..1.

    Raises:
        UsageError: the strength is out of range, or below 1 although the task needs its whole change.
    """
    if not 0 <= strength <= 1:
        raise UsageError(f"strength {strength:g} is out of range; give a number from 0 to 1.")
    if strength < 1 and task is not None and not task.blends:
        raise UsageError(f"{task.name} cannot apply only part of its change: omit the strength.")
    return strength


def check_tile(tile: int | None) -> int | None:
    """Return ``tile``; None means that it depends on the free memory.

    Raises:
        UsageError: the tile is outside 16..32768 pixels.
    """
    if tile is not None and not MIN_TILE <= tile <= MAX_TILE:
        raise UsageError(f"--tile {tile} is out of range; give auto, or {MIN_TILE} to {MAX_TILE} pixels.")
    return tile
