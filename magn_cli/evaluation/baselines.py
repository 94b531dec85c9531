"""Methods to compare with that run here: the degraded input itself, and what the tasks offer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from magn_cli.errors import UsageError, any_of
from magn_cli.tasks import Baseline, Task

Float = NDArray[np.float32]

INPUT = "input"
"""The degraded picture as it is."""


def method(name: str, task: Task, **options: Any) -> Baseline:
    """Return a baseline for what was degraded with ``options``.

    Raises :class:`UsageError` where there is none of that name for the task.
    """
    known: dict[str, Baseline] = {INPUT: _input, **task.baselines}
    if name not in known:
        advice = f"choose {any_of(task.baselines)}" if task.baselines else "it has none, so omit --baseline"
        raise UsageError(f"unknown baseline {name!r} for {task.name}: {advice}.")

    def run(degraded: Float, level: float | None) -> Float:
        return task.run_baseline(known[name], degraded, level, **options)

    return run


def _input(degraded: Float, level: float | None) -> Float:
    return degraded
