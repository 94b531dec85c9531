"""With how many threads the CPU computes."""

from __future__ import annotations

import os

from magn_cli.errors import UsageError

MAX_THREADS = 1024
"""More than any processor has; a larger number is a slip of the keyboard."""


def check_threads(threads: int | None) -> int | None:
    """Return ``threads``, or raise :class:`UsageError` where it is not in 1..1024; None is all cores."""
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise UsageError(
            f"--threads {threads} is out of range; give 1 to {MAX_THREADS} (this machine has {os.cpu_count()})."
        )
    return threads


def use_threads(threads: int | None) -> None:
    """Let torch compute with so many threads; None leaves it at all cores. Errors as :func:`check_threads`."""
    if threads is not None:
        import torch

        check_threads(threads)
        torch.set_num_threads(threads)
