"""Runs a plan: threads read ahead and write results, while the network runs in the caller's thread.

Small pictures in a row are computed beside each other instead, in threads of their own.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from magn_cli.batch import events, files
from magn_cli.batch.events import Done, Event, Failed, Kept, Working
from magn_cli.batch.failing import Stopped, sentence
from magn_cli.batch.files import Folders, LoadedPhoto, tidy_up
from magn_cli.batch.plan import BatchPlan
from magn_cli.batch.targets import Job
from magn_cli.errors import WeightsError
from magn_cli.files import is_hopeless
from magn_cli.images import WriteOptions
from magn_cli.inference.options import Level
from magn_cli.inference.restored_photo import PhotoNetwork
from magn_cli.runtime.threads import Lanes, is_small

log = logging.getLogger(__name__)

IN_FLIGHT = 512 << 20
"""Maximum number of bytes of all pictures in memory, before and after. Larger pictures are processed alone."""

AHEAD = 2
"""Number of pictures to read ahead."""

WRITERS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Number of pictures that are written at once. A PNG of 1 megapixel takes 0.16 s of one core."""


class RunPlan(Protocol):
    """Runs a plan, here or on a cluster: :func:`run` with all that is known before it starts."""

    def __call__(self, *, report: Callable[[Event], None], stop_on_error: bool) -> int:
        """Return the number of pictures that were not tried."""


def run(
    plan: BatchPlan,
    network: PhotoNetwork,
    level: Level = "auto",
    report: Callable[[Event], None] = lambda event: None,
    *,
    max_pixels: int | None = None,
    options: WriteOptions | None = None,
    stop_on_error: bool = False,
    lanes: int = 1,
) -> int:
    """Restore the planned pictures.

    If a picture fails, the run reports it and continues, unless the disk is full or read-only. However the run
    ends, each result is either complete and in the journal, or does not exist.

    Args:
        plan: a checked plan.
        network: restores the pictures in the order of the plan.
        level: see :class:`PhotoNetwork`.
        report: called in this thread with each event.
        max_pixels: refuse larger pictures.
        options: options of the written files.
        stop_on_error: stop at the first failure.
        lanes: pictures of at most ``SMALL`` pixels that the network may restore at once, each in a thread.

    Returns:
        The number of pictures that were not tried because a failure stopped the run.

    Raises:
        ImageError: an output folder cannot be used.
        UsageError: another run uses an output folder.
    """
    return carry_out(
        plan,
        options,
        report,
        stop_on_error,
        lambda folders: _Run(plan, network, level, report, folders, max_pixels, stop_on_error, lanes).go(),
    )


def carry_out(
    plan: BatchPlan,
    options: WriteOptions | None,
    report: Callable[[Event], None],
    stop_on_error: bool,
    restore: Callable[[Folders], int],
) -> int:
    """Report what needs no network, then let ``restore`` do the rest within the opened folders.

    Args and errors are those of :func:`run`; ``restore`` returns the number of pictures that were not tried, and
    so does this.
    """
    for source, error in plan.failures:
        report(Failed(source, error))
    if plan.failures and stop_on_error:
        return len(plan.jobs)
    for job in plan.kept:
        report(Kept(job))
    if not plan.jobs:
        tidy_up(plan)
        return 0
    with Folders(plan, options) as folders:
        untried = restore(folders)
        folders.check_all()
        return untried


@dataclass
class _Ahead:
    """A picture that is being read."""

    job: Job
    megapixels: float
    loaded: Future[LoadedPhoto]

    @property
    def bytes(self) -> int:
        """Bytes of the picture before and after; estimated from its size until it is read."""
        if self.loaded.done() and not self.loaded.cancelled() and self.loaded.exception() is None:
            return 2 * self.loaded.result().bytes
        return int(2 * 3 * 1e6 * self.megapixels)


@dataclass(frozen=True, eq=False)
class _Result:
    """A restored picture that is not written yet."""

    loaded: LoadedPhoto
    done: Done


@dataclass
class _Beside:
    """A small picture that a lane restores."""

    job: Job
    bytes: int
    result: Future[_Result]


@dataclass
class _Behind:
    """A result that is being written."""

    job: Job
    done: Done
    bytes: int
    written: Future[float]


class _Waiting:
    """Pictures that are not read yet: those of a long plan are on the disk, so they are taken one by one."""

    def __init__(self, plan: BatchPlan) -> None:
        self._rest, self._left = zip(plan.jobs, plan.megapixels, strict=True), len(plan.jobs)
        self.first = next(self._rest)

    def __len__(self) -> int:
        return self._left

    def advance(self) -> None:
        self._left -= 1
        if self._left:
            self.first = next(self._rest)


class _Run:
    def __init__(
        self,
        plan: BatchPlan,
        network: PhotoNetwork,
        level: Level,
        report: Callable[[Event], None],
        folders: Folders,
        max_pixels: int | None,
        stop_on_error: bool,
        lanes: int,
    ) -> None:
        self.network, self.level, self.report = network, level, report
        self.folders, self.max_pixels, self.stop_on_error = folders, max_pixels, stop_on_error
        self.waiting = _Waiting(plan)
        self.ahead: deque[_Ahead] = deque()
        self.beside: deque[_Beside] = deque()
        self.behind: list[_Behind] = []
        self.lanes = Lanes(lanes)
        self.in_work = 0
        self.is_cut_short = False

    def go(self) -> int:
        """Return the number of pictures that were not tried."""
        untried = 0
        with ExitStack() as stack:
            self.reader = stack.enter_context(ThreadPoolExecutor(1, "magn-read"))
            self.writer = stack.enter_context(ThreadPoolExecutor(WRITERS, "magn-write"))
            stack.enter_context(self.lanes)
            try:
                while self.waiting or self.ahead:
                    self._read_ahead()
                    self._restore(self.ahead.popleft())
                self._leave_lanes()
                while self.behind:
                    self._settle(self.behind[0])
            except Stopped:
                untried = len(self.waiting) + len(self.ahead) + len(self.beside) + self.is_cut_short
            finally:
                # Finish the writes that have started, and start no others.
                self.reader.shutdown(cancel_futures=True)
                self.writer.shutdown(cancel_futures=True)
                untried += self._settle_the_rest()
        return untried

    def _read_ahead(self) -> None:
        while self.waiting and len(self.ahead) < AHEAD + (self.in_work == 0):
            job, megapixels = self.waiting.first
            queues: tuple[Iterable[_Ahead | _Beside | _Behind], ...] = (self.ahead, self.beside, self.behind)
            held = self.in_work + sum(one.bytes for queue in queues for one in queue)
            if held and held + 6e6 * megapixels > IN_FLIGHT:
                if self.ahead or self.in_work:
                    return
                if self.beside:
                    self._leave_lane()
                else:
                    self._settle(self.behind[0])
                continue
            self.waiting.advance()
            loading = self.reader.submit(files.load, job, self.max_pixels, self.network.mosaics)
            self.ahead.append(_Ahead(job, megapixels, loading))

    def _restore(self, one: _Ahead) -> None:
        job = one.job
        try:
            self._advance(job, one.megapixels, 0.0)
            loaded = one.loaded.result()
            self.in_work = one.bytes
            self._read_ahead()
            if self.lanes.count > 1 and is_small(loaded.photo.pixels.shape):
                work = partial(self._result, loaded, lambda share: None)
                self.beside.append(_Beside(job, one.bytes, self.lanes.submit(work)))
            else:
                self._leave_lanes()
                self._write(self._result(loaded, partial(self._advance, job, one.megapixels)), one.bytes)
        except Stopped:
            # An earlier result could not be written.
            self.is_cut_short = True
            raise
        except WeightsError:
            # The network is loaded when a photo first needs it; its errors are not the photo's fault.
            raise
        except Exception as error:
            self._fail(job, error)
        finally:
            self.in_work = 0
        while len(self.beside) > 2 * self.lanes.count:
            self._leave_lane()
        # Wait if the disk is slower than the network.
        while len(self.behind) > WRITERS + 1:
            self._settle(self.behind[0])

    def _result(self, loaded: LoadedPhoto, progress: Callable[[float], None]) -> _Result:
        """Run the network, here or in a lane."""
        token = events.picture.set(loaded.job.source)
        try:
            photo, began = loaded.photo, time.perf_counter()
            restored = self.network.restore(photo, self.level, progress)
            height, width = photo.pixels.shape[:2]
            seconds = loaded.seconds + time.perf_counter() - began
            done = Done(loaded.job, photo, restored, height * width / 1e6, seconds)
            return _Result(loaded.needed_for(restored), done)
        finally:
            events.picture.reset(token)

    def _write(self, result: _Result, size: int) -> None:
        done = result.done
        writing = self.writer.submit(files.save, result.loaded, done.restored, self.folders)
        self.behind.append(_Behind(done.job, done, size, writing))

    def _leave_lane(self) -> None:
        """Wait until the oldest picture in a lane is restored."""
        one = self.beside.popleft()
        try:
            self._write(one.result.result(), one.bytes)
        except WeightsError:
            raise
        except Exception as error:
            self._fail(one.job, error)

    def _leave_lanes(self) -> None:
        while self.beside:
            self._leave_lane()
        self.lanes.rest()

    def _advance(self, job: Job, megapixels: float, share: float) -> None:
        for one in [one for one in self.behind if one.written.done()]:
            self._settle(one)
        self.report(Working(job, megapixels, share))

    def _settle(self, one: _Behind) -> None:
        """Wait until a result is written, and report it."""
        try:
            seconds = one.written.result()
        except Exception as error:
            self.behind.remove(one)
            self._fail(one.job, error)
        else:
            self.behind.remove(one)
            self.report(replace(one.done, seconds=one.done.seconds + seconds))

    def _settle_the_rest(self) -> int:
        """Report results that were still being written at the end; return the number of cancelled ones."""
        given_up = 0
        for one in list(self.behind):
            if one.written.cancelled():
                given_up += 1
                continue
            with suppress(Stopped):
                self._settle(one)
        return given_up

    def _fail(self, job: Job, error: Exception) -> None:
        self.report(Failed(job.source, sentence(job, error), job))
        if self.stop_on_error or is_hopeless(error):
            raise Stopped from error
