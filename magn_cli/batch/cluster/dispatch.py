"""Which worker gets which task, and what becomes of the tasks of a worker that died."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from magn_cli.batch.cluster.pool import Lost, Pool, PoolWorker

TRIES = 3
"""A task is set aside when so many workers have died with it."""

IN_HAND = 2
"""Pictures that a worker has at once: one in the network, the other being read, encoded or written."""

IN_FLIGHT = 256 << 20
"""Maximum number of bytes of the pictures that a worker has at once, before and after. Larger ones come alone."""

_ROUNDING = 1e-6


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

    def __init__(
        self,
        pool: Pool[T],
        tasks: Iterable[T],
        call: Callable[[PoolWorker[T], T], None],
        *,
        megapixels: float = 0.0,
        in_hand: int = IN_HAND,
        may_begin: Callable[[T], bool] = lambda task: True,
    ) -> None:
        """Take the tasks, which are asked for one by one.

        Args:
            pool: the workers.
            tasks: in order.
            call: lets a worker begin with a task.
            megapixels: sum of all tasks.
            in_hand: number of tasks that a worker has at once.
            may_begin: whether the next task can be handed out already.
        """
        self.pool, self._call, self._in_hand, self._may_begin = pool, call, in_hand, may_begin
        self._rest, self._suspects = iter(tasks), deque[T]()
        self._next, self._waiting = next(self._rest, None), megapixels

    def hand_out(self) -> None:
        """Give tasks to workers, as far as these have room."""
        for _ in range(self._in_hand):
            for worker in sorted(self.pool.workers, key=_in_hand):
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
        held, task = worker.tasks, self._next
        if not worker.is_ready or len(held) >= self._in_hand or any(one.deaths for one in held):
            return None
        if self._suspects:
            return None if held else self._suspects.popleft()
        if task is None or not self._may_begin(task) or (held and not self._fits_behind(task, held)):
            return None
        self._next, self._waiting = next(self._rest, None), self._waiting - task.megapixels
        return task

    def _fits_behind(self, task: T, held: Sequence[T]) -> bool:
        """Whether a task may wait behind others: they fit into memory, and nobody else would be free sooner.

        A worker that would have more than its share of all that is left would be the last to finish.
        """
        if sum(one.bytes for one in held) + task.bytes > IN_FLIGHT:
            return False
        ready = [worker for worker in self.pool.workers if worker.is_ready]
        left = self._waiting + sum(one.megapixels for worker in ready for one in worker.tasks)
        ahead = sum(one.megapixels for one in held)
        return ahead + task.megapixels <= left / len(ready) + _ROUNDING


def _in_hand(worker: PoolWorker[T]) -> tuple[int, float]:
    return len(worker.tasks), sum(task.megapixels for task in worker.tasks)


def set_aside(name: object, reason: str) -> str:
    """Return the sentence for a task that is set aside."""
    return (
        f"{name} was set aside after {TRIES} workers died with it ({reason}): "
        "try it alone, on a machine with more memory."
    )
