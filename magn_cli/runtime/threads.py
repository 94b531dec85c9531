"""With how many threads the CPU computes."""

from __future__ import annotations

import os

import torch

from magn_cli.limits import MAX_THREADS, check_range


def use_threads(threads: int | None) -> None:
    """Let torch compute with so many threads, 1 to 1024; None leaves it at all cores.

    Raises :class:`UsageError` for another number.
    """
    if threads is None:
        return
    check_range(
        "--threads",
        threads,
        1,
        MAX_THREADS,
        advice=f"give a number from 1 to {MAX_THREADS} (this machine has {os.cpu_count()} cores)",
    )
    torch.set_num_threads(threads)
