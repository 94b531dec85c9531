"""The workers on a cluster: actors of Ray, which places them and notices when one dies."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from magn_cli.batch.cluster.base import BaseWorker
from magn_cli.batch.cluster.landmarks import Landmarks
from magn_cli.batch.cluster.messages import Refused, Started, Told, WorkerSetup
from magn_cli.errors import ClusterError
from magn_cli.files import Status
from magn_cli.version import __version__

log = logging.getLogger(__name__)

MEMORY = 1500 << 20
"""Bytes that Ray sets aside for a worker: torch and a network, and the pictures in its hands."""

SECONDS_TO_START = 300.0
"""Time for the first worker to start, and for another one when none is left."""

SECONDS_TO_JOIN = 30.0
"""Time for a further worker to start before the run begins without it."""

DEATHS_AT_START = 3
"""A run ends when so many workers in a row die before they have loaded their network."""

_LOOK = 1.0

T = TypeVar("T")


@dataclass(eq=False)
class PoolWorker(Generic[T]):
    """A worker, as the driver sees it."""

    actor: Any
    name: str = ""
    is_ready: bool = False
    facts: Any = None
    """Of what it has loaded."""

    tasks: list[T] = field(default_factory=list)
    """What it is working on."""


@dataclass(frozen=True)
class Answered(Generic[T]):
    """A call has returned."""

    worker: PoolWorker[T]
    task: T
    value: Any


@dataclass(frozen=True)
class Lost(Generic[T]):
    """A worker is gone, with all its tasks; another one takes its place."""

    worker: PoolWorker[T]
    reason: str


@dataclass(frozen=True)
class _Call(Generic[T]):
    worker: PoolWorker[T]
    task: T | None
    """None for the calls before the first task."""


class Pool(Generic[T]):
    """Workers with their tasks.

    Each worker is checked before it is given a task. One that dies is replaced. Use as a context: in the end all
    workers are stopped.
    """

    def __init__(
        self,
        ray: Any,
        kind: type[BaseWorker],
        setup: WorkerSetup,
        weights: Mapping[str, str],
        size: int,
        resources: Mapping[str, float],
    ) -> None:
        """Create a pool without workers.

        Args:
            ray: the connected module.
            kind: class of the workers.
            setup: for each worker.
            weights: sha256 of the weights by task, which workers must have, too.
            size: number of workers.
            resources: what a worker takes of its node: ``num_cpus``, ``num_gpus``, ``memory``.
        """
        self.ray, self.weights, self.size = ray, weights, size
        # One thread for each picture in hand, and one for everything else.
        self._actor = ray.remote(kind).options(**resources, max_restarts=0, max_task_retries=0, max_concurrency=8)
        self._setup = ray.put(setup)
        self._landmarks: Landmarks | None = None
        self._calls: dict[Any, _Call[T]] = {}
        self._deaths_at_start = 0
        self._last_ready = time.monotonic()
        self.workers: list[PoolWorker[T]] = []
        self.tell: Callable[[list[Told], str], None] = lambda told, worker: None

    def __enter__(self) -> Pool[T]:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            self._stop(worker)
        self._calls.clear()

    def start(self) -> None:
        """Start all workers and check those that there is room for now; the others can join later.

        Raises:
            ClusterError: no worker can start, or one differs from this machine.
            MagnError: a worker cannot load its network.
        """
        self._last_ready = time.monotonic()
        for _ in range(self.size):
            self._hire()
        while not all(worker.is_ready for worker in self.workers):
            for _ in self.wait(_LOOK):
                pass
            late = time.monotonic() - self._last_ready > SECONDS_TO_JOIN
            if late and any(worker.is_ready for worker in self.workers):
                return

    def expect(self, landmarks: Landmarks) -> None:
        """Check that all workers, now and later, see the files that this machine sees.

        Those that have started are ready again when they have answered.
        """
        self._landmarks = landmarks
        for worker in self.workers:
            if worker.is_ready:
                worker.is_ready = False
                self._look_around(worker, landmarks)

    def call(self, worker: PoolWorker[T], method: str, task: T, *args: object) -> None:
        """Let a worker do something; its answer comes from :meth:`wait`."""
        self._calls[getattr(worker.actor, method).remote(*args)] = _Call(worker, task)

    def wait(self, seconds: float = _LOOK) -> Iterator[Answered[T] | Lost[T]]:
        """Yield what has happened, after at most this time.

        Raises:
            ClusterError: no worker is left and no other can start, or a new one differs from this machine.
            MagnError: a worker cannot load its network.
        """
        refs = list(self._calls)
        ready, _ = self.ray.wait(refs, num_returns=1, timeout=seconds)
        if not ready and not any(worker.is_ready for worker in self.workers):
            self._check_patience()
        for ref in ready:
            call = self._calls.pop(ref)
            try:
                value = self.ray.get(ref)
            except self.ray.exceptions.RayTaskError as error:
                raise ClusterError(f"a worker failed ({_last_line(error)}); please report it.") from error
            except self.ray.exceptions.RayError as error:
                yield from self._lose(call.worker, error)
                continue
            if call.task is None:
                self._welcome(call.worker, value)
            else:
                self.tell(value.told, call.worker.name)
                yield Answered(call.worker, call.task, value)

    def _hire(self) -> None:
        worker = PoolWorker[T](self._actor.remote(self._setup))
        self.workers.append(worker)
        self._calls[worker.actor.start.remote()] = _Call(worker, None)

    def _welcome(self, worker: PoolWorker[T], value: Started | Refused | list[Status | str | None]) -> None:
        """Take an answer of a worker that is about to start."""
        if isinstance(value, Refused):
            raise value.error
        if isinstance(value, Started):
            worker.name, worker.facts = value.name, value.facts
            self.tell(value.told, value.name)
            self._check_same(value)
            if self._landmarks is not None:
                self._look_around(worker, self._landmarks)
                return
        else:
            self._check_sight(worker, value)
        worker.is_ready = True
        self._deaths_at_start = 0
        self._last_ready = time.monotonic()
        log.info("the worker %s has started", worker.name)

    def _check_same(self, started: Started) -> None:
        if started.magn != __version__:
            raise ClusterError(
                f"the worker {started.name} has magn {started.magn}, and this machine {__version__}: install the "
                "same version on all nodes."
            )
        for task, sha256 in self.weights.items():
            theirs = started.weights.get(task, "")
            if theirs != sha256:
                raise ClusterError(
                    f"the worker {started.name} has other weights for {task} (sha256 {theirs[:8] or 'none'}) than "
                    f"this machine ({sha256[:8]}): install the same weights on all nodes."
                )

    def _look_around(self, worker: PoolWorker[T], landmarks: Landmarks) -> None:
        self._calls[worker.actor.see.remote(landmarks.paths)] = _Call(worker, None)

    def _check_sight(self, worker: PoolWorker[T], seen: list[Status | str | None]) -> None:
        error = None if self._landmarks is None else self._landmarks.difference(worker.name, seen)
        if error is not None:
            raise error

    def _lose(self, worker: PoolWorker[T], error: Exception) -> Iterator[Lost[T]]:
        """Replace a worker that died or that cannot be reached any more."""
        if worker not in self.workers:
            return
        self._stop(worker)
        self.workers.remove(worker)
        self._calls = {ref: call for ref, call in self._calls.items() if call.worker is not worker}
        if not worker.is_ready:
            self._deaths_at_start += 1
            if self._deaths_at_start >= DEATHS_AT_START:
                raise ClusterError(_why_dead(error)) from error
        if not any(other.is_ready for other in self.workers):
            self._last_ready = time.monotonic()
        self._hire()
        if worker.is_ready:
            log.warning("the worker %s was lost (%s); another one takes its place.", worker.name, _reason(error))
            yield Lost(worker, _reason(error))

    def _stop(self, worker: PoolWorker[T]) -> None:
        with suppress(Exception):
            self.ray.kill(worker.actor, no_restart=True)

    def _check_patience(self) -> None:
        if time.monotonic() - self._last_ready > SECONDS_TO_START:
            raise ClusterError(
                f"the cluster has started no worker within {SECONDS_TO_START:.0f} s: see in ray status whether "
                "its nodes are busy, then run the same command again."
            )


def _reason(error: Exception) -> str:
    """Return why a worker is gone, as far as Ray says it in so many words."""
    return "its node ran out of memory" if "running low on memory" in str(error) else "its process ended"


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else type(error).__name__


def _why_dead(error: Exception) -> str:
    # Raised where the setup is unpickled, or the class imported.
    if "creation task" in str(error) or "failed to import" in str(error):
        return f"the nodes of the cluster have another magn, or none: install magn-cli {__version__} there."
    return (
        f"workers die as soon as they start ({_reason(error)}): see the logs of Ray, and whether the nodes have "
        "memory for their workers; --workers N starts fewer."
    )
