"""Limits for numbers that come from users and files, checked before anything is allocated or started."""

from __future__ import annotations

import math

from magn_cli.errors import UsageError

MAX_WORKERS = 64
"""Maximum number of processes or threads that prepare data."""

MAX_CLUSTER_WORKERS = 10_000
"""Maximum number of workers on a cluster."""

MAX_THREADS = 1024
"""Maximum number of CPU threads for computing."""

MIN_TILE, MAX_TILE = 16, 32_768
"""Limits of a tile's side, in pixels. Smaller tiles compute nearly everything more than once; no larger picture
can be read."""

MAX_SEED = 2**63 - 1
"""Largest seed that both NumPy and torch accept."""


def check_range(name: str, value: float, low: float, high: float, *, advice: str = "") -> None:
    """Raise :class:`UsageError` unless ``value`` is finite and within ``low..high``, ends included.

    Args:
        name: the setting's name, as the user writes it.
        value: the value to check.
        low: lowest allowed value.
        high: highest allowed value.
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
