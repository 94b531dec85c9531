"""A thread in place of one whose convolutions can't be compiled any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_thread = threading.local()


def avoid_this_thread() -> None:
    """Have :func:`stepped` use another thread from now on, when called from this one.

    When a CPU has no memory for the machine code of a convolution, the assembler in oneDNN notes the error for the
    thread, and never forgets it: each further convolution of another size fails too, however much memory is free.
    """
    _thread.is_avoided = True


def stepped(steps: Iterator[T]) -> Iterator[T]:
    """Yield what ``steps`` yields. If this thread is to be avoided, ``steps`` runs in a new one."""
    if not getattr(_thread, "is_avoided", False):
        yield from steps
        return
    end = object()
    with ThreadPoolExecutor(1, "magn-fresh") as fresh:
        while (step := fresh.submit(next, steps, end).result()) is not end:
            yield step  # type: ignore[misc]
