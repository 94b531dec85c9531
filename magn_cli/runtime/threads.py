"""With how many threads the CPU computes."""

from __future__ import annotations

import os

import torch

from magn_cli.errors import UsageError


def use_threads(threads: int | None) -> None:
    """Let torch compute with so many threads; None leaves it at all cores."""
    if threads is None:
        return
    if threads < 1:
        raise UsageError(
            f"--threads {threads} makes no sense; give 1 or more (this machine has {os.cpu_count()})."
        )
    torch.set_num_threads(threads)
