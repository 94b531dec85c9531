"""Ranges of numbers that a user or a file can give, checked before anything is allocated or started."""

from __future__ import annotations

import math

from magn_cli.errors import UsageError

MAX_WORKERS = 64
"""Processes or threads that prepare data."""

MAX_THREADS = 1024
"""Of the CPU, for computing."""

MAX_TILE = 65_536
"""Pixels a side that are worked on at once."""

MAX_SEED = 2**63 - 1
"""What both NumPy and torch take."""


def check_range(name: str, value: float, low: float, high: float, *, advice: str = "") -> None:
    """Raise :class:`UsageError` where ``value`` is not finite or outside ``low..high``, both included.

    Args:
        name: of the setting, as the user writes it.
        value: what was given.
        low: the least that is allowed.
        high: the most that is allowed.
        advice: replaces "give a number from low to high" in the message.

    >>> check_range("--workers", 100_000, 1, MAX_WORKERS)
    Traceback (most recent call last):
    magn_cli.errors.UsageError: --workers 100000 is out of range: give a number from 1 to 64.
    """
    if not (math.isfinite(value) and low <= value <= high):
        wanted = advice or f"give a number from {_plain(low)} to {_plain(high)}"
        raise UsageError(f"{name} {value} is out of range: {wanted}.")


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"
