"""Starts the workers of a run: connects, counts the room, checks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from magn_cli.batch import events
from magn_cli.batch.cluster.base import BaseWorker
from magn_cli.batch.cluster.connection import connected
from magn_cli.batch.cluster.messages import Told, WorkerSetup
from magn_cli.batch.cluster.pool import Pool
from magn_cli.batch.cluster.room import Room, room

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClusterSettings:
    """Where to work, and with how many workers."""

    address: str
    """``auto``, ``local`` or ``host:port``."""

    workers: int | None = None
    """None for as many as there is room for."""

    threads: int = 1
    """CPU threads of each worker."""

    device: str = "auto"
    """``auto``, ``cpu`` or ``cuda``."""


@contextmanager
def staffed(
    cluster: ClusterSettings,
    kind: type[BaseWorker],
    setup: Callable[[Room], WorkerSetup],
    weights: Mapping[str, str],
    tasks: int,
) -> Iterator[Pool[Any]]:
    """Start workers and yield them; in the end they are stopped.

    Args:
        cluster: where.
        kind: class of the workers.
        setup: returns what they need, for the room there is.
        weights: sha256 of the weights by task. Workers that find others are refused.
        tasks: number of tasks; there are no more workers than that.

    Raises:
        UsageError: Ray is not installed.
        ClusterError: the cluster cannot be reached or used, or a worker differs from this machine.
        MagnError: a worker cannot get ready.
    """
    cpus = None if cluster.workers is None else cluster.workers * cluster.threads
    with connected(cluster.address, cpus) as ray:
        found = room(ray, cluster.threads, cluster.device)
        wanted = cluster.workers or found.workers
        if wanted > found.workers:
            log.warning("the cluster has room for %d workers, not for %d.", found.workers, wanted)
        size = min(tasks, wanted, found.workers)
        with Pool[Any](ray, kind, setup(found), weights, size, found.resources) as pool:
            pool.tell = _tell
            pool.start()
            yield pool


def _tell(told: list[Told], worker: str) -> None:
    """Log what a worker has logged."""
    for one in told:
        tokens = events.picture.set(one.source), events.worker.set(worker)
        try:
            log.log(one.level, "%s", one.text)
        finally:
            events.picture.reset(tokens[0])
            events.worker.reset(tokens[1])
