"""Evaluation from request to results: planned and checked at once, measured picture by picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from magn_cli.errors import NoSuchWeightsError
from magn_cli.evaluation import plan
from magn_cli.evaluation.measuring import MeasuredPair, measured
from magn_cli.evaluation.methods import Method, MethodFacts, methods
from magn_cli.evaluation.plan import EvaluationJob
from magn_cli.evaluation.report import MethodResult
from magn_cli.evaluation.request import Request
from magn_cli.evaluation.run import Float, Row
from magn_cli.files import Access


@dataclass(frozen=True)
class MeasuredPicture:
    """One picture as every method left it."""

    job: EvaluationJob
    """The set and level that it belongs to."""

    name: str
    results: tuple[MethodResult, ...]
    """One for each method, of all pictures of this set and level so far."""

    rows: dict[str, Row] = field(default_factory=dict)
    """What was measured, by method."""

    pixels: dict[str, Float] = field(default_factory=dict)
    """What was measured on, by method: ``(H, W)`` or ``(H, W, 3)``, 0..1, finished as the protocol says."""

    reference: Float | None = None
    """The clean picture, the same shape; None where nothing could be measured."""

    access: Access | None = None
    """Who may read the files of the pair."""

    failures: tuple[str, ...] = ()
    """A sentence for each method that failed, or one where the pair cannot be loaded."""


class Measuring(Protocol):
    """What measures the pairs of an evaluation, here or elsewhere."""

    @property
    def methods(self) -> Mapping[str, Sequence[MethodFacts]]:
        """By name of the task, in the order in which they are measured."""

    @property
    def lacking(self) -> NoSuchWeightsError | None:
        """Why no network is measured although one is asked for: there are no weights for the task yet."""

    def pairs(self) -> Iterator[MeasuredPair]:
        """Measure the pairs of all jobs, in order."""


class Here:
    """Measures in this process."""

    def __init__(self, request: Request, jobs: Sequence[EvaluationJob]) -> None:
        """Load the networks; errors as of :func:`evaluate`."""
        self.jobs = jobs
        self.lacking: NoSuchWeightsError | None = None
        try:
            self._loaded = methods(jobs, request)
        except NoSuchWeightsError as error:
            # What can be measured without the network is worth having.
            self.lacking = error
            self._loaded = methods(jobs, replace(request, network=None))

    @property
    def methods(self) -> dict[str, list[MethodFacts]]:
        """What is known of the methods, by name of the task."""
        return {task: [method.facts for method in chosen] for task, chosen in self._loaded.items()}

    def loaded(self, task: str) -> list[Method]:
        """Return the methods for a task."""
        return self._loaded[task]

    def pairs(self) -> Iterator[MeasuredPair]:
        """Measure one pair after the other."""
        for job in self.jobs:
            for pair in job.pairs:
                yield measured(pair, job.task, job.protocol, self._loaded[job.task.name])


class Evaluation(Iterator[MeasuredPicture]):
    """Iterate over it to measure; :attr:`results` fill up meanwhile. Made by :func:`evaluate`."""

    jobs: list[EvaluationJob]
    missing: list[str]
    """Sets of the table that are not in the data folder."""

    methods: Mapping[str, Sequence[MethodFacts]]
    """By name of the task, in the order in which they are measured."""

    lacking: NoSuchWeightsError | None
    """Why no network is measured although one is asked for: there are no weights for the task yet."""

    def __init__(
        self, request: Request, measuring: Callable[[Request, Sequence[EvaluationJob]], Measuring] = Here
    ) -> None:
        """Plan and check; arguments and errors as of :func:`evaluate`."""
        self.request = request
        self.jobs, self.missing = plan.jobs(request)
        self._measuring = measuring(request, self.jobs)
        self.methods, self.lacking = self._measuring.methods, self._measuring.lacking
        self._results: list[MethodResult] = []
        self._count = 0
        self._pictures = self._measured()

    @property
    def total(self) -> int:
        """How many pictures there are to measure, each level counted."""
        return sum(len(job.pairs) for job in self.jobs)

    @property
    def untried(self) -> int:
        """How many are left; after the end those that were not tried, because a store was lost."""
        return self.total - self._count

    @property
    def results(self) -> list[MethodResult]:
        """One for each set, level and method of which a picture was measured so far."""
        return [result for result in self._results if result.rows]

    @property
    def failures(self) -> int:
        """How many measurements failed so far, those of baselines without any result left aside."""
        others = {path.name for path in self.request.against}
        return sum(len(result.failures) for result in self._results if result.rows or result.method in others)

    def __next__(self) -> MeasuredPicture:
        return next(self._pictures)

    def _measured(self) -> Iterator[MeasuredPicture]:
        pairs = self._measuring.pairs()
        for job in self.jobs:
            results = tuple(
                MethodResult(
                    job.dataset, job.task, job.level, m.name, job.protocol, m.level_input, [], [], job.benchmark
                )
                for m in self.methods[job.task.name]
            )
            self._results += results
            for pair in job.pairs:
                found = next(pairs)
                self._count += 1
                yield _entered(job, pair.name, found, results)
                if found.ends_run:
                    return


def evaluate(
    request: Request, measuring: Callable[[Request, Sequence[EvaluationJob]], Measuring] = Here
) -> Evaluation:
    """Measure restored pictures against clean ones.

    Everything is planned and checked, and the networks are loaded, before this returns; pictures are measured
    while you iterate over the result. A picture that cannot be read or compared says so in its ``failures``, and
    the next ones are measured.

    Args:
        request: what to measure.
        measuring: where; by default in this process.

    Returns:
        An iterator of :class:`MeasuredPicture`, with the means in ``results``.

    Raises:
        UsageError: the request does not say clearly what to measure.
        ImageError: a folder is missing or holds no picture.
        WeightsError: the weights cannot be loaded. Where the registry has none for the task yet, the rest is
            measured and :attr:`Evaluation.lacking` says so.

    Example, with a folder ``photos`` of clean pictures:

        >>> from magn_cli.evaluation import Request, evaluate
        >>> evaluation = evaluate(Request(clean=photos, task="jpeg", levels=(20,)))
        >>> for picture in evaluation:
        ...     restored, degraded = (picture.rows[method].psnr for method in ("magn-s", "input"))
        ...     print(picture.name, restored > degraded)
        otter.png True
        >>> [(result.method, len(result.rows)) for result in evaluation.results]
        [('input', 1), ('magn-s', 1)]
    """
    return Evaluation(request, measuring)


def _entered(
    job: EvaluationJob, name: str, pair: MeasuredPair, results: tuple[MethodResult, ...]
) -> MeasuredPicture:
    """Add to each method's result a row or a failure."""
    rows: dict[str, Row] = {}
    failures = []
    if isinstance(pair.found, str):
        failures.append(pair.found)
        for result in results:
            result.failures.append(pair.found)
    else:
        for result, found in zip(results, pair.found, strict=True):
            if isinstance(found, Row):
                result.rows.append(found)
                rows[result.method] = found
            else:
                result.failures.append(found)
                failures.append(f"{result.method}: {found}")
    return MeasuredPicture(job, name, results, rows, pair.pixels, pair.reference, pair.access, tuple(failures))
