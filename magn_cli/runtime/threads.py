"""Number of CPU threads for computing."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from magn_cli.limits import MAX_THREADS, check_range


def check_threads(threads: int | None) -> int | None:
    """Return ``threads``, or raise :class:`UsageError` if it is outside 1..1024. None means all cores."""
    if threads is not None:
        advice = f"give a number from 1 to {MAX_THREADS} (this machine has {os.cpu_count()} cores)"
        check_range("--threads", threads, 1, MAX_THREADS, advice=advice)
    return threads


SMALL = 128 * 128
"""Pixels of a picture for which a team of threads does not pay. See docs/performance.md."""


def is_small(shape: tuple[int, ...]) -> bool:
    """Return whether a picture ``(H, W, ...)`` has at most :data:`SMALL` pixels."""
    return shape[0] * shape[1] <= SMALL


MAX_LANES = 8
"""Small pictures at once. Each spends a part of its time in Python, which runs in one thread only."""

T = TypeVar("T")

_thread = threading.local()


@contextmanager
def one_if_small(shape: tuple[int, ...]) -> Iterator[None]:
    """Compute a small picture ``(H, W, ...)`` in one thread, and larger ones as torch is set.

    This depends only on the size, so that the same picture gives the same bytes.
    """
    import torch

    if getattr(_thread, "is_lane", False):
        # Another thread may have set the number, parts of which all threads of a process share.
        torch.set_num_threads(1)
        yield
        return
    before = torch.get_num_threads()
    if not is_small(shape) or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def lanes() -> int:
    """Return how many small pictures to compute beside each other: as many as torch has threads, up to a limit."""
    import torch

    return min(MAX_LANES, torch.get_num_threads())


class Lanes:
    """A context manager that computes small pictures beside each other, each in one thread.

    The thread that uses it may compute only while no lane does, after :meth:`rest`.
    """

    def __init__(self, count: int) -> None:
        """Create ``count`` lanes, at least 1. Their threads start when they are needed."""
        self.count = count
        self._threads = ThreadPoolExecutor(count, "magn-lane", initializer=_become_lane)
        self._has_worked = False

    def __enter__(self) -> Lanes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        self.rest()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have a lane call ``work``."""
        self._has_worked = True
        return self._threads.submit(work)

    def rest(self) -> None:
        """Let this thread compute with as many threads as before. Call it while no lane works."""
        if self._has_worked and "torch" in sys.modules:
            import torch

            torch.set_num_threads(torch.get_num_threads())
        self._has_worked = False


def _become_lane() -> None:
    _thread.is_lane = True


def use_threads(threads: int | None) -> None:
    """Set torch's number of threads. None keeps its default. Raises the errors of :func:`check_threads`."""
    if threads is not None:
        import torch

        check_threads(threads)
        torch.set_num_threads(threads)
