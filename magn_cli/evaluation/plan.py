"""From what a user asks for to the work: which sets at which levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magn_cli.degrade import DegradeRecipe, check_levels, find
from magn_cli.degrade import manifest as manifests
from magn_cli.errors import ImageError, UsageError, any_of
from magn_cli.evaluation import pairs
from magn_cli.evaluation.benchmarks import Benchmark, benchmark, table
from magn_cli.evaluation.request import AUTO, Request
from magn_cli.evaluation.run import Pair, Protocol
from magn_cli.files import sentences, store_of
from magn_cli.tasks import TASKS, Task, get_task


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
        names = any_of(b.dataset for b in wanted)
        raise ImageError(f"{request.data} has no folder {names}: put the set there, or give another --data.")
    work = [job for b, folder in there.items() for job in _of_benchmark(request, b, folder)]
    return work, [b.dataset for b in wanted if b not in there]


def _of_benchmark(request: Request, found: Benchmark, folder: Path) -> list[EvaluationJob]:
    chooses = request.task == AUTO and found.pairs is not None
    if request.task not in (None, found.task) and not chooses:
        raise UsageError(f"{found.dataset} is a test set for {found.task}: omit --task.")
    task = get_task(found.task)
    if found.pairs is not None:
        _only_auto(request)
        if request.protocol == "paper":
            raise UsageError(
                f"{found.dataset} has real pairs, which the paper does not: give --protocol modern, or omit it."
            )
        return [
            EvaluationJob(found.dataset, task, v, pairs.real(folder, found.pairs, task, v), "modern", {}, found)
            for v in ([None] if request.levels is None else check_levels(task, request.levels))
        ]
    levels = found.levels if request.levels is None else check_levels(task, request.levels)
    recipe = DegradeRecipe(found.task, request.seed, found.gray, request.options)
    known, sources = _for_restoring(task, recipe.options), find(folder)
    return [
        EvaluationJob(
            found.dataset, task, level, pairs.on_the_fly(sources, recipe, level), _protocol(request), known, found
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
    store = store_of([clean, *([] if request.degraded is None else [request.degraded])])
    known = None
    if request.degraded is not None:
        with sentences.using(request.degraded):
            found = store.status(request.degraded)
        if found is not None and found.kind == "folder":
            known = manifests.read(request.degraded, store)
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
                name,
                task,
                v,
                pairs.of_manifest(clean, request.degraded, known, v, store),
                _protocol(request),
                options,
            )
            for v in levels
        ]
    if request.task is None:
        raise UsageError(f"the task is unknown: give --task {any_of(TASKS)}.")
    task = get_task(request.task)
    if request.degraded is not None:
        levels = [None] if request.levels is None else [*check_levels(task, request.levels)]
        if len(levels) > 1:
            raise UsageError("a folder of degraded pictures has a single level: give one number, or omit --level.")
        options = _for_restoring(task, task.settings("degrade", request.options, complete=False))
        return [
            EvaluationJob(
                name,
                task,
                v,
                pairs.of_folders(clean, request.degraded, task, v, store),
                _protocol(request),
                options,
            )
            for v in levels
        ]
    recipe = DegradeRecipe(request.task, request.seed, None, request.options)
    options, wanted = _for_restoring(task, recipe.options), check_levels(task, request.levels)
    sources = find(clean, store=store)
    return [
        EvaluationJob(name, task, v, pairs.on_the_fly(sources, recipe, v, store), _protocol(request), options)
        for v in wanted
    ]


def _protocol(request: Request) -> Protocol:
    """Return the protocol for pictures that are degraded as in the paper."""
    return request.protocol or "paper"


def _for_restoring(task: Task, options: Mapping[str, Any]) -> dict[str, Any]:
    """What of the options that pictures were degraded with the task wants to know when it restores them."""
    known = {option.name for option in task.restore_options}
    return {name: value for name, value in options.items() if name in known}


def _folder(data: Path, dataset: str) -> Path | None:
    candidates = [data, *sorted(p for p in data.iterdir() if p.is_dir())]
    return next((p for p in candidates if p.name.lower() == dataset.lower()), None)
