"""From what a user asks for to the work: which sets at which levels, with which methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magn_cli import images
from magn_cli.degrade import DegradeRecipe, check_levels
from magn_cli.degrade import manifest as manifests
from magn_cli.errors import ImageError, UsageError
from magn_cli.evaluation import baselines, pairs
from magn_cli.evaluation.benchmarks import Benchmark, benchmark, table
from magn_cli.evaluation.others import Others, settings
from magn_cli.evaluation.request import NetworkSettings, Request
from magn_cli.evaluation.run import Float, LoadedPair, Pair, Protocol
from magn_cli.tasks import TASKS, Baseline, Task, get_task
from magn_cli.weights import hub

if TYPE_CHECKING:
    from magn_cli.api.loading import Loader
    from magn_cli.inference.picture import PhotoRestorer
    from magn_cli.inference.restored_photo import PhotoNetwork
    from magn_cli.weights.resolve import ResolvedWeights


AUTO = "auto"


@dataclass(frozen=True)
class EvaluationJob:
    """One set at one level."""

    dataset: str
    task: Task
    level: float | None
    """None: the task has none, or each file says its own."""

    pairs: list[Pair]
    protocol: Protocol
    options: dict[str, Any]
    """Of the task, for restoring."""

    benchmark: Benchmark | None = None


@dataclass(frozen=True)
class Method:
    """Something to be measured."""

    name: str
    level_input: str
    """``given`` or ``unknown``: whether a network is told the level; ``-`` for a baseline."""

    run: Callable[[LoadedPair], Float]
    network: PhotoRestorer | None = None
    """What runs it, where it is no baseline."""

    weights: ResolvedWeights | None = None
    """What :attr:`network` was loaded from."""

    photos: PhotoNetwork | None = None
    """What restores whole files, as ``magn restore`` does; None: pixels are all it takes."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """How it is run, by name, where it is somebody else's network."""

    def measured(self, pair: LoadedPair) -> Float:
        """Return what becomes of a degraded picture; a file whose level is to be found is restored as a file."""
        if self.photos is None or pair.photo is None or not pair.is_found:
            return self.run(pair)
        return images.to_float(self.photos.restore(pair.photo).pixels)


def jobs(request: Request) -> tuple[list[EvaluationJob], list[str]]:
    """Return the work, and which of a table's sets are not there.

    Raises :class:`UsageError` where the request does not say clearly what to measure, :class:`ImageError` where
    a folder is missing or holds no picture.
    """
    ways = [request.clean is not None, request.dataset is not None, request.table is not None]
    if sum(ways) != 1:
        raise UsageError("give exactly one of the three: a folder of clean pictures, --set, or --table.")
    if request.degraded is not None and request.clean is None:
        raise UsageError("--degraded needs a folder of clean pictures to compare with: give that folder as well.")
    if request.clean is not None:
        return _of_folder(request, request.clean), []
    if request.data is None:
        raise UsageError("the folder of test sets is unknown: give --data, or set MAGN_DATA.")
    if not request.data.is_dir():
        raise ImageError(f"folder not found: {request.data}; point --data to the folder that holds the test sets.")
    wanted = (
        table(request.table)
        if request.table
        else [benchmark(request.dataset or "", None if request.task == AUTO else request.task)]
    )
    there = {b: folder for b in wanted if (folder := _folder(request.data, b.dataset))}
    if not there:
        names = ", ".join(b.dataset for b in wanted)
        raise ImageError(f"{request.data} has no folder {names}: put the set there, or give another --data.")
    work = [job for b, folder in there.items() for job in _of_benchmark(request, b, folder)]
    return work, [b.dataset for b in wanted if b not in there]


def methods(
    work: Sequence[EvaluationJob], request: Request, network: NetworkSettings | None, others: Others | None
) -> dict[str, list[Method]]:
    """Return the methods for each task in ``work``: the input, baselines, networks of others, then the network.

    ``network``, ``others``: None for none. Raises :class:`UsageError` for an unknown baseline,
    :class:`WeightsError` as :func:`magn_cli.load` does.
    """
    found: dict[str, list[Method]] = {}
    for job in work:
        if job.task.name in found:
            continue
        chosen = [
            Method(name, "-", _of_pair(baselines.method(name, job.task, **job.options)))
            for name in dict.fromkeys([baselines.INPUT, *request.baselines])
        ]
        if others is not None:
            chosen += _of_others(others, job)
        if network is not None:
            chosen.append(_auto(network) if request.task == AUTO else _network(job, network, request.blind))
        found[job.task.name] = chosen
    return found


def _of_others(others: Others, job: EvaluationJob) -> list[Method]:
    return [
        Method(
            network.path.name,
            others.level_input(network, job.task),
            partial(others.restored, network, job.task, job.options),
            settings=settings(network),
        )
        for network in others.networks
    ]


def _loader(task: str, settings: NetworkSettings, options: Mapping[str, Any] | None = None) -> Loader:
    from magn_cli.api.loading import Loader

    return Loader(
        task,
        preset=settings.preset,
        weights=settings.weights,
        device=settings.device,
        precision=settings.precision,
        threads=settings.threads,
        tile=settings.tile,
        ensemble=settings.ensemble,
        options=options,
    )


def _network(job: EvaluationJob, settings: NetworkSettings, blind: bool) -> Method:
    loader = _loader(job.task.name, settings, job.options)
    restorer = loader.load_task(job.task.name)
    name = settings.preset if settings.weights is None else hub.stem(str(settings.weights))
    name += ", ensemble" if settings.ensemble else ""
    level_input = "-" if restorer.scale is None else "unknown" if blind else "given"

    def run(pair: LoadedPair) -> Float:
        return restorer.restore_values(pair.degraded, None if blind else pair.level, photo=pair.photo)

    photos = None if blind else restorer
    return Method(name, level_input, run, restorer, loader.weights[job.task.name], photos)


def _auto(settings: NetworkSettings) -> Method:
    """Return what chooses a task for each photo, as ``magn restore --task auto`` does."""

    def run(pair: LoadedPair) -> Float:
        raise ImageError("--task auto needs the degraded files: name a set of real pairs with --set.")

    return Method(f"{settings.preset}, auto", "-", run, photos=_loader(AUTO, settings).load())


def _of_pair(baseline: Baseline) -> Callable[[LoadedPair], Float]:
    return lambda pair: baseline(pair.degraded, pair.level)


def _of_benchmark(request: Request, found: Benchmark, folder: Path) -> list[EvaluationJob]:
    chooses = request.task == AUTO and found.pairs is not None
    if request.task not in (None, found.task) and not chooses:
        raise UsageError(f"{found.dataset} is a test set for {found.task}: omit --task.")
    task = get_task(found.task)
    if found.pairs is not None:
        _only_auto(request)
        return [
            EvaluationJob(found.dataset, task, v, pairs.real(folder, found.pairs, task, v), "modern", {}, found)
            for v in ([None] if request.levels is None else check_levels(task, request.levels))
        ]
    levels = found.levels if request.levels is None else check_levels(task, request.levels)
    recipe = DegradeRecipe(found.task, request.seed, found.gray, request.options)
    known = _for_restoring(task, recipe.options)
    return [
        EvaluationJob(
            found.dataset, task, level, pairs.on_the_fly(folder, recipe, level), request.protocol, known, found
        )
        for level in levels
    ]


def _only_auto(request: Request) -> None:
    if request.task == AUTO and (request.levels is not None or request.blind):
        raise UsageError("--task auto finds levels itself: omit --level and --blind.")
    if request.task == AUTO and request.network is not None and request.network.weights is not None:
        raise UsageError("a checkpoint is for one task: name it with --task, or omit --weights.")


def _of_folder(request: Request, clean: Path) -> list[EvaluationJob]:
    name = clean.name or str(clean)
    known = (
        manifests.read(request.degraded) if request.degraded is not None and request.degraded.is_dir() else None
    )
    if request.degraded is not None and known is not None:
        if request.task not in (None, known.task):
            raise UsageError(f"{request.degraded} was made for {known.task}: omit --task.")
        task = get_task(known.task)
        made = sorted({r.level for r in known.results.values()}, key=lambda level: level or 0)
        levels = made if request.levels is None else [*check_levels(task, request.levels)]
        for level in set(levels) - set(made):
            raise UsageError(
                f"{request.degraded} has no level {level:g}: omit --level to measure all that it has."
            )
        if request.options:
            raise UsageError(f"{request.degraded} says how it was made: omit --{next(iter(request.options))}.")
        options = _for_restoring(task, known.options)
        return [
            EvaluationJob(
                name, task, v, pairs.of_manifest(clean, request.degraded, known, v), request.protocol, options
            )
            for v in levels
        ]
    if request.task is None:
        raise UsageError(f"the task is unknown: give --task {', '.join(TASKS)}.")
    task = get_task(request.task)
    if request.degraded is not None:
        levels = [None] if request.levels is None else [*check_levels(task, request.levels)]
        if len(levels) > 1:
            raise UsageError("a folder of degraded pictures has a single level: give one number, or omit --level.")
        options = _for_restoring(task, task.settings("degrade", request.options, complete=False))
        return [
            EvaluationJob(
                name, task, v, pairs.of_folders(clean, request.degraded, task, v), request.protocol, options
            )
            for v in levels
        ]
    recipe = DegradeRecipe(request.task, request.seed, None, request.options)
    options = _for_restoring(task, recipe.options)
    return [
        EvaluationJob(name, task, v, pairs.on_the_fly(clean, recipe, v), request.protocol, options)
        for v in check_levels(task, request.levels)
    ]


def _for_restoring(task: Task, options: Mapping[str, Any]) -> dict[str, Any]:
    """What of the options that pictures were degraded with the task wants to know when it restores them."""
    known = {option.name for option in task.restore_options}
    return {name: value for name, value in options.items() if name in known}


def _folder(data: Path, dataset: str) -> Path | None:
    candidates = [data, *sorted(p for p in data.iterdir() if p.is_dir())]
    return next((p for p in candidates if p.name.lower() == dataset.lower()), None)
