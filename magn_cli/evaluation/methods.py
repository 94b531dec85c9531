"""What is measured: the degraded input, baselines, networks of others, and the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.evaluation import baselines
from magn_cli.evaluation.others import Others, settings
from magn_cli.evaluation.plan import EvaluationJob
from magn_cli.evaluation.request import AUTO, NetworkSettings, Request
from magn_cli.evaluation.run import Float, LoadedPair
from magn_cli.tasks import Baseline
from magn_cli.weights import hub

if TYPE_CHECKING:
    from magn_cli.api.loading import Loader
    from magn_cli.inference.picture import PhotoRestorer
    from magn_cli.inference.restored_photo import PhotoNetwork


@dataclass(frozen=True, kw_only=True)
class MethodFacts:
    """What reports say of a method, wherever it runs."""

    name: str
    level_input: str = "-"
    """``given`` or ``unknown``: whether a network is told the level; ``-`` for a baseline."""

    is_network: bool = False
    """Whether it is the network for one task, which is asked about."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """How it is run, by name, where it is a network."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """Something to be measured."""

    facts: MethodFacts
    run: Callable[[LoadedPair], Float]
    photos: PhotoNetwork | None = None
    """What restores whole files, as ``magn restore`` does; None: pixels are all it takes."""

    def measured(self, pair: LoadedPair) -> Float:
        """Return what becomes of a degraded picture; a file whose level is to be found is restored as a file."""
        if self.photos is None or pair.photo is None or not pair.is_found:
            return self.run(pair)
        return images.to_float(self.photos.restore(pair.photo).pixels)


def methods(work: Sequence[EvaluationJob], request: Request) -> dict[str, list[Method]]:
    """Load the methods for each task in ``work``: the input, baselines, networks of others, then the network.

    Raises :class:`UsageError` for an unknown baseline, :class:`WeightsError` as :func:`magn_cli.load` does.
    """
    others = Others(request) if request.against else None
    found: dict[str, list[Method]] = {}
    for job in _one_of_each_task(work):
        chosen = [
            Method(
                facts=MethodFacts(name=name),
                run=_of_pair(baselines.method(name, job.task, **job.options)),
            )
            for name in dict.fromkeys([baselines.INPUT, *request.baselines])
        ]
        if others is not None:
            chosen += _of_others(others, job)
        if request.network is not None:
            chosen.append(
                _auto(request.network) if request.task == AUTO else _network(job, request, request.network)
            )
        found[job.task.name] = chosen
    return found


def weights(work: Sequence[EvaluationJob], request: Request) -> dict[str, str]:
    """Return the sha256 of the network's weights by task, without loading them.

    Raises :class:`WeightsError` where there are none, as :func:`methods` does.
    """
    if request.network is None:
        return {}
    tasks = [AUTO] if request.task == AUTO else [job.task.name for job in _one_of_each_task(work)]
    found = [_loader(task, request.network).weights for task in tasks]
    return {task: one.sha256 for by_task in found for task, one in by_task.items()}


def _one_of_each_task(work: Sequence[EvaluationJob]) -> list[EvaluationJob]:
    found: dict[str, EvaluationJob] = {}
    for job in work:
        found.setdefault(job.task.name, job)
    return list(found.values())


def _of_others(others: Others, job: EvaluationJob) -> list[Method]:
    return [
        Method(
            facts=MethodFacts(
                name=network.path.name,
                level_input=others.level_input(network, job.task),
                settings=settings(network),
            ),
            run=partial(others.restored, network, job.task, job.options),
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


def _network(job: EvaluationJob, request: Request, settings: NetworkSettings) -> Method:
    task, blind = job.task.name, request.blind
    loader = _loader(task, settings, job.options)
    restorer = loader.load_task(task)
    name = settings.preset if settings.weights is None else hub.stem(str(settings.weights))
    name += ", ensemble" if settings.ensemble else ""
    level_input = "-" if restorer.scale is None else "unknown" if blind else "given"

    def run(pair: LoadedPair) -> Float:
        return restorer.restore_values(pair.degraded, None if blind else pair.level, photo=pair.photo)

    used = loader.weights[task]
    told = {"given": "given to the network", "unknown": "unknown"}.get(level_input)
    shown = {
        "network": f"{name} for {task}, {used.path.name}",
        "sha256": used.sha256,
        **({"level": told} if told else {}),
        **_how(restorer),
    }
    facts = MethodFacts(name=name, level_input=level_input, is_network=True, settings=shown)
    return Method(facts=facts, run=run, photos=None if blind else restorer)


def _how(restorer: PhotoRestorer) -> dict[str, str]:
    import torch

    from magn_cli.runtime.device import describe

    runner = restorer.tiled
    threads = f", {torch.get_num_threads()} threads" if runner.device.type == "cpu" else ""
    return {
        "device": f"{describe(runner.device)}{threads}",
        "precision": str(runner.dtype).removeprefix("torch."),
    }


def _auto(settings: NetworkSettings) -> Method:
    """Return what chooses a task for each photo, as ``magn restore --task auto`` does."""

    def run(pair: LoadedPair) -> Float:
        raise ImageError("--task auto needs the degraded files: name a set of real pairs with --set.")

    facts = MethodFacts(name=f"{settings.preset}, auto")
    return Method(facts=facts, run=run, photos=_loader(AUTO, settings).load())


def _of_pair(baseline: Baseline) -> Callable[[LoadedPair], Float]:
    return lambda pair: baseline(pair.degraded, pair.level)
