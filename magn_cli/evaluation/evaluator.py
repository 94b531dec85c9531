"""Evaluation from request to results: planned and checked at once, measured picture by picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from magn_cli.errors import ImageError, NoSuchWeightsError
from magn_cli.evaluation import plan
from magn_cli.evaluation.others import Others
from magn_cli.evaluation.plan import EvaluationJob, Method
from magn_cli.evaluation.report import MethodResult
from magn_cli.evaluation.request import Request
from magn_cli.evaluation.run import Float, LoadedPair, Pair, Row, measure
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


class Evaluation(Iterator[MeasuredPicture]):
    """Iterate over it to measure; :attr:`results` fill up meanwhile. Made by :func:`evaluate`."""

    jobs: list[EvaluationJob]
    missing: list[str]
    """Sets of the table that are not in the data folder."""

    methods: dict[str, list[Method]]
    """By name of the task, in the order in which they are measured."""

    lacking: NoSuchWeightsError | None = None
    """Why no network is measured although one is asked for: there are no weights for the task yet."""

    def __init__(self, request: Request) -> None:
        """Plan and check; errors as of :func:`evaluate`."""
        self.request = request
        self.jobs, self.missing = plan.jobs(request)
        others = Others(request) if request.against else None
        try:
            self.methods = plan.methods(self.jobs, request, request.network, others)
        except NoSuchWeightsError as error:
            # What can be measured without the network is worth having.
            self.lacking = error
            self.methods = plan.methods(self.jobs, request, None, others)
        self._results: list[MethodResult] = []
        self._pictures = self._measured()

    @property
    def total(self) -> int:
        """How many pictures there are to measure, each level counted."""
        return sum(len(job.pairs) for job in self.jobs)

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
        for job in self.jobs:
            chosen = self.methods[job.task.name]
            results = tuple(
                MethodResult(
                    job.dataset, job.task, job.level, m.name, job.protocol, m.level_input, [], [], job.benchmark
                )
                for m in chosen
            )
            self._results += results
            for pair in job.pairs:
                yield _measured(job, pair, chosen, results)


def evaluate(request: Request) -> Evaluation:
    """Measure restored pictures against clean ones.

    Everything is planned and checked, and the networks are loaded, before this returns; pictures are measured
    while you iterate over the result. A picture that cannot be read or compared says so in its ``failures``, and
    the next ones are measured.

    Args:
        request: what to measure.

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
    return Evaluation(request)


def _measured(
    job: EvaluationJob, pair: Pair, methods: list[Method], results: tuple[MethodResult, ...]
) -> MeasuredPicture:
    """Measure one pair; add to each method's result a row or a failure."""
    rows: dict[str, Row] = {}
    pixels: dict[str, Float] = {}
    pairs: list[LoadedPair] = []
    failures = []
    latest: list[Float] = []

    def watch(restored: Float, loaded: LoadedPair) -> None:
        latest[:] = [restored]
        pairs[:] = [loaded]

    try:
        found = measure(pair, job.task, (m.measured for m in methods), job.protocol, watch)
        for result, row in zip(results, found, strict=True):
            if isinstance(row, Row):
                result.rows.append(row)
                rows[result.method], pixels[result.method] = row, latest[0]
            else:
                result.failures.append(str(row))
                failures.append(f"{result.method}: {row}")
    except ImageError as error:
        for result in results:
            result.failures.append(str(error))
        failures.append(str(error))
    reference, access = (pairs[0].reference, pairs[0].access) if pairs else (None, None)
    return MeasuredPicture(job, pair.name, results, rows, pixels, reference, access, tuple(failures))
