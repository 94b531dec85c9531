"""Number of CPU threads for computing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from magn_cli.limits import MAX_THREADS, check_range


def check_threads(threads: int | None) -> int | None:
    """Return ``threads``, or raise :class:`UsageError` if it is outside 1..1024. None means all cores."""
    if threads is not None:
        advice = f"give a number from 1 to {MAX_THREADS} (this machine has {os.cpu_count()} cores)"
        check_range("--threads", threads, 1, MAX_THREADS, advice=advice)
    return threads


SMALL = 128 * 128
"""Pixels of a picture for which a team of threads does not pay. See docs/performance.md."""


@contextmanager
def one_if_small(pixels: int) -> Iterator[None]:
    """Compute a picture of at most :data:`SMALL` pixels in one thread, and larger ones as torch is set.

    This depends only on the size, so that the same picture gives the same bytes.
    """
    import torch

    before = torch.get_num_threads()
    if pixels > SMALL or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def use_threads(threads: int | None) -> None:
    """Set torch's number of threads. None keeps its default. Raises the errors of :func:`check_threads`."""
    if threads is not None:
        import torch

        check_threads(threads)
        torch.set_num_threads(threads)
