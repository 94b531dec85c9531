"""Makes a degraded set on the workers of a cluster; the driver keeps the manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from magn_cli.batch.cluster.base import BaseWorker
from magn_cli.batch.cluster.dispatch import Dispatcher, Task, set_aside
from magn_cli.batch.cluster.landmarks import Landmarks, check_shared
from magn_cli.batch.cluster.messages import Answer, WorkerSetup
from magn_cli.batch.cluster.pool import Lost, Pool, PoolWorker
from magn_cli.batch.cluster.staff import ClusterSettings, staffed
from magn_cli.batch.pace import BYTES_A_PIXEL, megapixels
from magn_cli.degrade import DegradeOutcome, DegradePlan, ManifestKeeper, Source, degrade
from magn_cli.errors import ImageError
from magn_cli.files import UrlPath, remove_leftovers


@dataclass(frozen=True, kw_only=True)
class DegradeSetup(WorkerSetup):
    """What a worker needs to know once."""

    plan: DegradePlan


@dataclass(frozen=True)
class Degraded(Answer):
    """All results for a clean picture are there, or it failed."""

    outcome: DegradeOutcome


class DegradingWorker(BaseWorker):
    """Reads, degrades and writes."""

    def __init__(self, setup: DegradeSetup) -> None:
        super().__init__(setup)
        self.plan = setup.plan

    def degrade(self, source: Source, again: bool = False) -> Degraded:
        """Make all results for one clean picture. ``again``: a worker that was lost may have made some of them."""
        with self.about(source.path) as told:
            return Degraded(degrade(self.plan, source, again), told=told)


@dataclass(eq=False, kw_only=True)
class _Picture(Task):
    source: Source


def run(plan: DegradePlan, cluster: ClusterSettings, report: Callable[[DegradeOutcome], None]) -> int:
    """Make the set and its manifest as :func:`magn_cli.degrade.run` does, on a cluster.

    Args:
        plan: what to make.
        cluster: where.
        report: called once for each picture, as they are done.

    Returns:
        The number of pictures that were not tried.

    Raises:
        UsageError, ClusterError: see :func:`staffed`.
        ImageError: a folder or the manifest cannot be written.
    """
    check_shared([plan.out, plan.sources[0].path])
    pictures = [_Picture(source=s, megapixels=size) for s, size in zip(plan.sources, _sizes(plan), strict=True)]
    staff = staffed(
        cluster, DegradingWorker, lambda found: DegradeSetup(plan=plan, store=plan.store), {}, len(pictures)
    )
    with staff as pool, ManifestKeeper(plan, report) as keeper:
        return _work(pool, pictures, keeper)


def _sizes(plan: DegradePlan) -> list[float]:
    """Return megapixels; those of a store are estimated, since a look at each would cost requests."""
    if isinstance(plan.sources[0].path, UrlPath):
        return [(source.bytes or 0) / BYTES_A_PIXEL / 1e6 for source in plan.sources]
    return megapixels([source.path for source in plan.sources])


def _work(pool: Pool[_Picture], pictures: list[_Picture], keeper: ManifestKeeper) -> int:
    pool.expect(Landmarks([pictures[0].source.path, *keeper.folders], store=keeper.plan.store))

    def begin(worker: PoolWorker[_Picture], picture: _Picture) -> None:
        pool.call(worker, "degrade", picture, picture.source, picture.deaths > 0)

    dispatcher = Dispatcher(pool, pictures, begin, megapixels=sum(picture.megapixels for picture in pictures))
    settled = 0
    while settled < len(pictures):
        dispatcher.hand_out()
        for happened in pool.wait():
            if isinstance(happened, Lost):
                left = (name for picture in happened.worker.tasks for name in keeper.plan.targets(picture.source))
                remove_leftovers(left, keeper.plan.store)
                for picture in dispatcher.take_back(happened):
                    error = ImageError(set_aside(picture.source.path, happened.reason))
                    keeper.take(DegradeOutcome(picture.source, error=error))
                    settled += 1
            else:
                happened.worker.tasks.remove(happened.task)
                keeper.take(happened.value.outcome)
                settled += 1
                if happened.value.outcome.ends_run:
                    return len(pictures) - settled
    return 0
