"""Runs a plan on a cluster: the driver hands out pictures and keeps the journal, the workers do the rest."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from magn_cli.batch import events, files
from magn_cli.batch.cluster.connection import check_installed, connected
from magn_cli.batch.cluster.landmarks import Landmarks
from magn_cli.batch.cluster.messages import NetworkLoader, Refused, Restored, Told, WorkerSetup, Written
from magn_cli.batch.cluster.pool import Answered, Lost, Pool, PoolWorker
from magn_cli.batch.cluster.room import room
from magn_cli.batch.events import Done, Event, Failed, Working
from magn_cli.batch.failing import Stopped, is_hopeless, sentence
from magn_cli.batch.files import Folders
from magn_cli.batch.journal import JournalEntry
from magn_cli.batch.pipeline import RunPlan, carry_out
from magn_cli.batch.planning import BatchPlan
from magn_cli.batch.targets import Job
from magn_cli.errors import ImageError, WeightsError
from magn_cli.files import checksum, sentences
from magn_cli.images import WriteOptions
from magn_cli.inference.options import Level

log = logging.getLogger(__name__)

TRIES = 3
"""A picture is set aside when so many workers have died with it."""

IN_HAND = 2
"""Pictures that a worker has at once: one in the network, the other being read, encoded or written."""

IN_FLIGHT = 256 << 20
"""Maximum number of bytes of the pictures that a worker has at once, before and after. Larger ones come alone."""

SECONDS_TO_WRITE = 60.0
"""Time, at the end of a run that is stopped, for what is being written."""


@dataclass(frozen=True)
class ClusterSettings:
    """Where to restore, and with how many workers."""

    address: str
    """``auto``, ``local`` or ``host:port``."""

    workers: int | None = None
    """None for as many as there is room for."""

    threads: int = 1
    """CPU threads of each worker."""

    device: str = "auto"
    """``auto``, ``cpu`` or ``cuda``."""


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
    cpus = None if cluster.workers is None else cluster.workers * cluster.threads
    with connected(cluster.address, cpus) as ray:
        found = room(ray, cluster.threads, cluster.device)
        setup = WorkerSetup(
            found.bind(loader, cluster.threads),
            level,
            options or WriteOptions(),
            plan.store,
            Path.cwd(),
            logging.getLogger("magn_cli").getEffectiveLevel(),
            max_pixels,
            plan.overwrite,
        )
        wanted = cluster.workers or found.workers
        if wanted > found.workers:
            log.warning("the cluster has room for %d workers, not for %d.", found.workers, wanted)
        size = min(len(plan.jobs), wanted, found.workers)
        with Pool["_Picture"](ray, setup, weights, size, found.resources) as pool:
            pool.tell = _tell
            pool.start()
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


@dataclass(eq=False)
class _Picture:
    """A picture on its way."""

    job: Job
    megapixels: float
    deaths: int = 0
    """Number of workers that died with it."""

    result: Restored | None = None
    """Set while its result is written."""

    entry: JournalEntry | None = None

    @property
    def bytes(self) -> int:
        """Of it and its result; estimated."""
        return int(2 * 3 * 1e6 * self.megapixels)


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
        self.landmarks = Landmarks(plan)
        self.waiting = deque(_Picture(job, size) for job, size in zip(plan.jobs, plan.megapixels, strict=True))
        self.suspects: deque[_Picture] = deque()
        self.settled, self.total = 0, len(plan.jobs)

    def go(self) -> int:
        """Return the number of pictures that were not tried."""
        self.pool.expect(self.landmarks)
        # Starts the clock.
        self.report(Working(self.waiting[0].job, 0.0, 0.0))
        try:
            while self.settled < self.total:
                self._hand_out()
                self._take_answers()
        except Stopped:
            pass
        finally:
            self._finish_writing()
        return self.total - self.settled

    def _hand_out(self) -> None:
        """Give pictures to the workers that have the fewest, as far as these have room."""
        for _ in range(IN_HAND):
            for worker in sorted(self.pool.workers, key=lambda worker: len(worker.tasks)):
                picture = self._next_for(worker)
                if picture is not None:
                    worker.tasks.append(picture)
                    self.pool.call(worker, "restore", picture, picture.job)

    def _next_for(self, worker: PoolWorker[_Picture]) -> _Picture | None:
        """Return a picture for a worker.

        A picture whose worker has died goes alone: should it kill the next one, too, no other gets the blame.
        """
        held = worker.tasks
        if not worker.is_ready or len(held) >= IN_HAND or any(picture.deaths for picture in held):
            return None
        if self.suspects:
            return None if held else self.suspects.popleft()
        if not self.waiting or (held and sum(p.bytes for p in held) + self.waiting[0].bytes > IN_FLIGHT):
            return None
        return self.waiting.popleft()

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
        job = picture.job
        try:
            self.folders.check(job)
            kept = self.folders.journal(job)
            if kept is not None:
                settings = self.folders.plan.settings
                picture.entry = JournalEntry(job.result, result.bytes, result.sha256, result.origin, settings)
                with sentences.writing(job.target):
                    files.begin(kept, picture.entry)
        except Exception as error:
            worker.tasks.remove(picture)
            worker.actor.drop.remote(job)
            self._fail(picture, error, worker.name)
            return
        picture.result = result
        self.pool.call(worker, "write", picture, job, picture.deaths > 0)

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
        for picture in lost.worker.tasks:
            if self._is_written(picture):
                self._finish(picture, lost.worker.name)
                continue
            with suppress(OSError):
                picture.job.store.remove_leftovers(picture.job.target.parent, {picture.job.target.name})
            picture.result = picture.entry = None
            picture.deaths += 1
            if picture.deaths < TRIES:
                self.suspects.append(picture)
                continue
            says = (
                f"{picture.job.source} was set aside after {TRIES} workers died with it ({lost.reason}): "
                "restore it alone, on a machine with more memory."
            )
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


def _tell(told: list[Told], worker: str) -> None:
    """Log what a worker has logged."""
    for one in told:
        tokens = events.picture.set(one.source), events.worker.set(worker)
        try:
            log.log(one.level, "%s", one.text)
        finally:
            events.picture.reset(tokens[0])
            events.worker.reset(tokens[1])
