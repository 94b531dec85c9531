"""Runs a plan on a cluster: the driver hands out pictures and keeps the journal, the workers do the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from magn_cli.batch import files, journal
from magn_cli.batch.cluster.connection import check_installed
from magn_cli.batch.cluster.dispatch import Dispatcher, Task, set_aside
from magn_cli.batch.cluster.landmarks import Landmarks, check_shared
from magn_cli.batch.cluster.messages import NetworkLoader, Refused, Restored, RestoreSetup, Written
from magn_cli.batch.cluster.pool import Answered, Lost, Pool, PoolWorker
from magn_cli.batch.cluster.room import Room
from magn_cli.batch.cluster.staff import ClusterSettings, staffed
from magn_cli.batch.cluster.worker import Worker
from magn_cli.batch.events import Done, Event, Failed, Working
from magn_cli.batch.failing import Stopped, sentence
from magn_cli.batch.files import Folders
from magn_cli.batch.journal import JournalEntry
from magn_cli.batch.pipeline import RunPlan, carry_out
from magn_cli.batch.plan import BatchPlan
from magn_cli.batch.targets import Job
from magn_cli.errors import ImageError, WeightsError
from magn_cli.files import checksum, is_hopeless, remove_leftovers, sentences
from magn_cli.images import WriteOptions
from magn_cli.inference.options import Level

SECONDS_TO_WRITE = 60.0
"""Time, at the end of a run that is stopped, for what is being written."""


@contextmanager
def started(
    plan: BatchPlan,
    cluster: ClusterSettings,
    loader: Callable[..., NetworkLoader],
    weights: dict[str, str],
    level: Level = "auto",
    *,
    max_pixels: int | None = None,
    options: WriteOptions | None = None,
) -> Iterator[RunPlan]:
    """Start workers on a cluster, and yield what restores the planned pictures on them.

    What it yields does what :func:`magn_cli.batch.run` does, and raises the same errors. In the end the workers
    are stopped.

    Args:
        plan, level, max_pixels, options: as there.
        cluster: where.
        loader: called on each worker with ``device`` and ``threads``; must be picklable.
        weights: sha256 of the weights by task. Workers that find others are refused.

    Raises:
        UsageError: Ray is not installed.
        ClusterError: the cluster cannot be reached or used, or a worker differs from this machine.
        MagnError: a worker cannot load its network.
    """
    check_installed()
    if not plan.jobs:
        yield partial(_run, plan, None, options)
        return

    check_shared([plan.jobs[0].source, plan.jobs[0].target])

    def setup(found: Room) -> RestoreSetup:
        return RestoreSetup(
            store=plan.store,
            loader=partial(loader, device=found.device, threads=cluster.threads),
            level=level,
            options=options or WriteOptions(),
            max_pixels=max_pixels,
            overwrite=plan.overwrite,
        )

    with staffed(cluster, Worker, setup, weights, len(plan.jobs)) as pool:
        yield partial(_run, plan, pool, options)


def _run(
    plan: BatchPlan,
    pool: Pool[_Picture] | None,
    options: WriteOptions | None,
    report: Callable[[Event], None] = lambda event: None,
    *,
    stop_on_error: bool = False,
) -> int:
    def restore(folders: Folders) -> int:
        assert pool is not None
        return _Run(plan, pool, report, folders, stop_on_error).go()

    return carry_out(plan, options, report, stop_on_error, restore)


@dataclass(eq=False, kw_only=True)
class _Picture(Task):
    job: Job
    result: Restored | None = None
    """Set while its result is written."""

    entry: JournalEntry | None = None


class _Run:
    def __init__(
        self,
        plan: BatchPlan,
        pool: Pool[_Picture],
        report: Callable[[Event], None],
        folders: Folders,
        stop_on_error: bool,
    ) -> None:
        self.pool, self.report, self.folders, self.stop_on_error = pool, report, folders, stop_on_error
        folders_of_results = {job.folder for job in plan.jobs if job.folder is not None}
        self.landmarks = Landmarks(
            [plan.jobs[0].source], [folder / journal.NAME for folder in folders_of_results], plan.store
        )
        # One by one: a long plan is on the disk.
        sizes = zip(plan.jobs, plan.megapixels, strict=True)
        self.dispatcher = Dispatcher(
            pool,
            (_Picture(job=job, megapixels=megapixels) for job, megapixels in sizes),
            lambda worker, picture: pool.call(worker, "restore", picture, picture.job),
            megapixels=sum(plan.megapixels),
        )
        self.first, self.settled, self.total = plan.jobs[0], 0, len(plan.jobs)

    def go(self) -> int:
        """Return the number of pictures that were not tried."""
        self.pool.expect(self.landmarks)
        # Starts the clock.
        self.report(Working(self.first, 0.0, 0.0))
        try:
            while self.settled < self.total:
                self.dispatcher.hand_out()
                self._take_answers()
        except Stopped:
            pass
        finally:
            self._finish_writing()
        return self.total - self.settled

    def _take_answers(self) -> None:
        for happened in self.pool.wait():
            if isinstance(happened, Lost):
                self._recover(happened)
            else:
                self._take(happened)

    def _take(self, answered: Answered[_Picture]) -> None:
        picture, worker = answered.task, answered.worker
        match answered.value:
            case Restored() as result:
                self._write(picture, worker, result)
            case Written(seconds):
                worker.tasks.remove(picture)
                self._finish(picture, worker.name, seconds)
            case Refused(error, ends_run=ends_run):
                worker.tasks.remove(picture)
                if isinstance(error, WeightsError):
                    raise error
                self._fail(picture, error, worker.name, ends_run)

    def _write(self, picture: _Picture, worker: PoolWorker[_Picture], result: Restored) -> None:
        """Put a result down in the journal, and let its worker write it."""
        job, note = picture.job, None
        try:
            self.folders.check(job)
            kept = self.folders.journal(job)
            if kept is not None:
                settings = self.folders.plan.settings
                picture.entry = JournalEntry(job.result, result.bytes, result.sha256, result.origin, settings)
                with sentences.writing(job.target):
                    note = files.begin(kept, picture.entry)
        except Exception as error:
            worker.tasks.remove(picture)
            worker.actor.drop.remote(job)
            self._fail(picture, error, worker.name)
            return
        picture.result = result
        self.pool.call(worker, "write", picture, job, picture.deaths > 0, note)

    def _finish(self, picture: _Picture, worker: str, seconds: float = 0.0) -> None:
        job, result = picture.job, picture.result
        assert result is not None
        self.folders.use(job)
        kept = self.folders.journal(job)
        if kept is not None and picture.entry is not None:
            # Without this line the result is recognised by its content.
            with suppress(OSError):
                kept.finish(picture.entry)
        self.settled += 1
        self.report(Working(job, picture.megapixels, 1.0))
        self.report(Done(job, None, result.restored, result.megapixels, result.seconds + seconds, worker))

    def _fail(self, picture: _Picture, error: Exception, worker: str, ends_run: bool = False) -> None:
        job = picture.job
        self.settled += 1
        self.report(Working(job, picture.megapixels, 0.0))
        self.report(Failed(job.source, sentence(job, error), job, worker))
        if self.stop_on_error or ends_run or is_hopeless(error):
            raise Stopped from error

    def _recover(self, lost: Lost[_Picture]) -> None:
        """Let others do what a worker left behind."""
        remove_leftovers((picture.job.target for picture in lost.worker.tasks), self.first.store)
        for picture in list(lost.worker.tasks):
            if self._is_written(picture):
                lost.worker.tasks.remove(picture)
                self._finish(picture, lost.worker.name)
                continue
            picture.result = picture.entry = None
        for picture in self.dispatcher.take_back(lost):
            says = set_aside(picture.job.source, lost.reason)
            self._fail(picture, ImageError(says), lost.worker.name)

    def _is_written(self, picture: _Picture) -> bool:
        """Whether a worker wrote a result before it was lost."""
        job, result = picture.job, picture.result
        try:
            status = None if result is None else job.store.status(job.target)
            if result is None or status is None or status.bytes != result.bytes:
                return False
            return checksum.of_file(job.target, job.store) == result.sha256
        except OSError:
            return False

    def _finish_writing(self) -> None:
        """Wait for what is being written, so that it is in the journal; leave the rest."""
        until = time.monotonic() + SECONDS_TO_WRITE
        while any(p.result for worker in self.pool.workers for p in worker.tasks) and time.monotonic() < until:
            for happened in self.pool.wait():
                if isinstance(happened, Answered) and isinstance(happened.value, Written):
                    happened.worker.tasks.remove(happened.task)
                    self._finish(happened.task, happened.worker.name, happened.value.seconds)
                elif isinstance(happened, Answered) and isinstance(happened.value, Refused):
                    happened.worker.tasks.remove(happened.task)
                    with suppress(Stopped):
                        self._fail(happened.task, happened.value.error, happened.worker.name)
