"""Which worker gets which task, and what becomes of the tasks of a worker that died."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from magn_cli.batch.cluster.pool import Lost, Pool, PoolWorker

TRIES = 3
"""A task is set aside when so many workers have died with it."""

IN_HAND = 2
"""Pictures that a worker has at once: one in the network, the other being read, encoded or written."""

IN_FLIGHT = 256 << 20
"""Maximum number of bytes of the pictures that a worker has at once, before and after. Larger ones come alone."""


@dataclass(eq=False)
class Task:
    """A picture on its way."""

    megapixels: float
    deaths: int = 0
    """Number of workers that died with it."""

    @property
    def bytes(self) -> int:
        """Of it and its result; estimated."""
        return int(2 * 3 * 1e6 * self.megapixels)


T = TypeVar("T", bound=Task)


class Dispatcher(Generic[T]):
    """Hands out tasks in their order, to the workers that have the fewest."""

    def __init__(self, pool: Pool[T], tasks: Iterable[T], call: Callable[[PoolWorker[T], T], None]) -> None:
        """Take the tasks; ``call`` lets a worker begin with one."""
        self.pool, self.waiting, self._call = pool, deque(tasks), call
        self._suspects: deque[T] = deque()

    def hand_out(self) -> None:
        """Give tasks to workers, as far as these have room."""
        for _ in range(IN_HAND):
            for worker in sorted(self.pool.workers, key=lambda worker: len(worker.tasks)):
                task = self._next_for(worker)
                if task is not None:
                    worker.tasks.append(task)
                    self._call(worker, task)

    def take_back(self, lost: Lost[T]) -> Iterator[T]:
        """Let others try the tasks of a worker that died; yield those that are set aside.

        A task is tried again alone: should it kill the next worker, too, no other gets the blame.
        """
        for task in lost.worker.tasks:
            task.deaths += 1
            if task.deaths < TRIES:
                self._suspects.append(task)
            else:
                yield task

    def _next_for(self, worker: PoolWorker[T]) -> T | None:
        held = worker.tasks
        if not worker.is_ready or len(held) >= IN_HAND or any(task.deaths for task in held):
            return None
        if self._suspects:
            return None if held else self._suspects.popleft()
        if not self.waiting or (held and sum(t.bytes for t in held) + self.waiting[0].bytes > IN_FLIGHT):
            return None
        return self.waiting.popleft()


def set_aside(name: object, reason: str) -> str:
    """Return the sentence for a task that is set aside."""
    return (
        f"{name} was set aside after {TRIES} workers died with it ({reason}): "
        "try it alone, on a machine with more memory."
    )
