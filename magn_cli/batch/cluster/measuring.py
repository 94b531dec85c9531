"""Measures the pairs of an evaluation on the workers of a cluster; the driver puts the figures in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from magn_cli.batch.cluster.base import BaseWorker, on_worker
from magn_cli.batch.cluster.connection import check_installed
from magn_cli.batch.cluster.dispatch import Dispatcher, Task, set_aside
from magn_cli.batch.cluster.landmarks import Landmarks, check_shared
from magn_cli.batch.cluster.messages import Answer, Refused, WorkerSetup
from magn_cli.batch.cluster.pool import Lost, Pool, PoolWorker
from magn_cli.batch.cluster.room import Room
from magn_cli.batch.cluster.staff import ClusterSettings, staffed
from magn_cli.errors import MagnError, NoSuchWeightsError
from magn_cli.evaluation import Here, Request, weights
from magn_cli.evaluation.measuring import MeasuredPair, measured
from magn_cli.evaluation.methods import MethodFacts
from magn_cli.evaluation.plan import EvaluationJob
from magn_cli.evaluation.run import Pair
from magn_cli.files import store_of

AHEAD = 4
"""Pairs for each worker that may be measured before an earlier one is, where their pixels are needed in order."""


@dataclass(frozen=True, kw_only=True)
class MeasureSetup(WorkerSetup):
    """What a worker needs to know once."""

    request: Request
    jobs: list[EvaluationJob]
    """Without their pairs."""

    needs_pixels: bool


@dataclass(frozen=True)
class Measured(Answer):
    """A pair was measured, or failed."""

    pair: MeasuredPair


class MeasuringWorker(BaseWorker):
    """Loads the networks; then reads, restores and measures, one pair after the other."""

    def __init__(self, setup: MeasureSetup) -> None:
        super().__init__(setup)
        self.setup = setup

    def prepare(self) -> dict[str, str]:
        """Load the networks."""
        self._here = Here(self.setup.request, self.setup.jobs)
        return weights(self.setup.jobs, self.setup.request)

    def facts(self) -> Mapping[str, Sequence[MethodFacts]]:
        """Return what reports say of the methods."""
        return self._here.methods

    def measure(self, job: EvaluationJob, pair: Pair) -> Measured | Refused:
        """Measure a pair of a job, which comes without its pairs."""
        with self.about(Path(pair.name)) as told:
            try:
                found = measured(pair, job.task, job.protocol, self._here.loaded(job.task.name))
            except MagnError as error:
                return Refused(on_worker(self.name, error), ends_run=True, told=told)
            if not self.setup.needs_pixels:
                found = replace(found, pixels={}, reference=None)
            return Measured(found, told=told)


@dataclass(eq=False, kw_only=True)
class _Numbered(Task):
    number: int
    job: EvaluationJob
    pair: Pair


class OnCluster:
    """Where an evaluation measures: see :func:`magn_cli.evaluation.evaluate`. Use as a context."""

    def __init__(self, cluster: ClusterSettings, needs_pixels: bool = False) -> None:
        """Take where; ``needs_pixels``: pictures are wanted, too, and come to this machine."""
        self._cluster, self._needs_pixels, self._stack = cluster, needs_pixels, ExitStack()

    def __enter__(self) -> OnCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __call__(self, request: Request, jobs: Sequence[EvaluationJob]) -> _Measuring:
        """Start the workers.

        Raises:
            UsageError, ClusterError: see :func:`staffed`.
            MagnError: a worker cannot load a network.
        """
        check_installed()
        lacking, hashes = None, dict[str, str]()
        try:
            hashes = weights(jobs, request)
        except NoSuchWeightsError as error:
            lacking, request = error, replace(request, network=None)
        bare = [replace(job, pairs=[]) for job in jobs]
        files = next((pair.files for job in jobs for pair in job.pairs if pair.files), ())
        check_shared(files)
        store = store_of(files)

        def setup(found: Room) -> MeasureSetup:
            network = request.network
            if network is not None:
                network = replace(network, device=found.device, threads=self._cluster.threads)
            return MeasureSetup(
                request=replace(request, network=network, threads=self._cluster.threads),
                jobs=bare,
                needs_pixels=self._needs_pixels,
                store=store,
            )

        count = sum(len(job.pairs) for job in jobs)
        pool = self._stack.enter_context(staffed(self._cluster, MeasuringWorker, setup, hashes, count))
        pool.expect(Landmarks([*files, *request.against], store=store))
        pairs = ((without, pair) for without, job in zip(bare, jobs, strict=True) for pair in job.pairs)
        tasks = [
            _Numbered(megapixels=0.0, number=number, job=job, pair=pair)
            for number, (job, pair) in enumerate(pairs)
        ]
        return _Measuring(pool, tasks, lacking, self._needs_pixels)


class _Measuring:
    """Yields what the workers found in the order of the pairs, so that sums have the digits of one machine."""

    def __init__(
        self,
        pool: Pool[_Numbered],
        tasks: list[_Numbered],
        lacking: NoSuchWeightsError | None,
        needs_pixels: bool,
    ) -> None:
        self.lacking = lacking
        self._pool, self._total, self._needs_pixels = pool, len(tasks), needs_pixels
        self._done: dict[int, MeasuredPair] = {}
        self._next = 0
        self._dispatcher = Dispatcher(pool, tasks, self._begin, in_hand=1, may_begin=self._may_begin)

    @property
    def methods(self) -> dict[str, list[MethodFacts]]:
        """What the workers say of the methods, by name of the task."""
        worker = next(worker for worker in self._pool.workers if worker.facts is not None)
        count = len(self._pool.workers)

        def shown(settings: Mapping[str, str]) -> dict[str, str]:
            where = f", {count} worker{'s' if count > 1 else ''} on a cluster"
            return {name: value + (where if name == "device" else "") for name, value in settings.items()}

        return {
            task: [replace(facts, settings=shown(facts.settings)) for facts in chosen]
            for task, chosen in worker.facts.items()
        }

    def pairs(self) -> Iterator[MeasuredPair]:
        """Measure the pairs of all jobs."""
        while self._next < self._total:
            self._dispatcher.hand_out()
            for happened in self._pool.wait():
                if isinstance(happened, Lost):
                    for task in self._dispatcher.take_back(happened):
                        self._done[task.number] = MeasuredPair(set_aside(task.pair.name, happened.reason))
                    continue
                happened.worker.tasks.remove(happened.task)
                if isinstance(happened.value, Refused):
                    raise happened.value.error
                self._done[happened.task.number] = happened.value.pair
            while self._next in self._done:
                yield self._done.pop(self._next)
                self._next += 1

    def _begin(self, worker: PoolWorker[Any], task: _Numbered) -> None:
        self._pool.call(worker, "measure", task, task.job, task.pair)

    def _may_begin(self, task: _Numbered) -> bool:
        return not self._needs_pixels or task.number < self._next + AHEAD * len(self._pool.workers)
