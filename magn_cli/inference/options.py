"""What a user may ask for, and its ranges. Needs no torch, so a slip is answered at once."""

from __future__ import annotations

from typing import Literal, TypeAlias

from magn_cli.errors import UsageError
from magn_cli.tasks import TASKS, Task
from magn_cli.tasks.auto import candidates

Level: TypeAlias = float | Literal["auto", "unknown"]
"""A number in the task's units, ``auto`` (found in the photo) or ``unknown`` (not told to the network)."""

MIN_TILE, MAX_TILE = 16, 32_768
"""Pixels a side. Below, nearly all work is done more than once; above, pictures are refused anyway."""


def check_level(task: Task | None, level: float | str) -> Level:
    """Return ``auto``, ``unknown`` or a number in the task's range.

    ``task``: None where it is chosen for each photo. Raises :class:`UsageError` for anything else, and for a
    level where the task has none or is not known.
    """
    if level == "auto":
        return "auto"
    if task is None:
        leveled = [f"--task {name}" for name in candidates() if TASKS[name].scale is not None]
        raise UsageError(f"--level {level} needs to know what it is a level of; add {' or '.join(leveled)}.")
    if level == "unknown":
        return "unknown"
    if task.scale is None:
        raise UsageError(f"{task.name} has no level; omit --level.")
    try:
        number = float(level)
    except (ValueError, TypeError):
        raise UsageError(f"invalid level {level!r}: choose auto, unknown or a number.") from None
    return task.scale.check(number)


def check_strength(task: Task | None, strength: float) -> float:
    """Return ``strength``, or raise :class:`UsageError` where it is not in 0..1 or makes no sense for the task.

    ``task``: None where it is chosen for each photo.
    """
    if not 0 <= strength <= 1:
        raise UsageError(f"strength {strength:g} is out of range; give a number from 0 to 1.")
    if strength < 1 and task is not None and not task.blends:
        raise UsageError(f"the input of {task.name} is no picture yet, so it has no strength; omit it.")
    return strength


def check_tile(tile: int | None) -> int | None:
    """Return ``tile``, or raise :class:`UsageError` where it is not in 16..32768; None is by the free memory."""
    if tile is not None and not MIN_TILE <= tile <= MAX_TILE:
        raise UsageError(f"--tile {tile} is out of range; give auto, or {MIN_TILE} to {MAX_TILE} pixels.")
    return tile
