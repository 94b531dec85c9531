"""Loads networks. Settings are checked and weights are found before torch is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from os import PathLike
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from magn_cli.errors import NoSuchWeightsError, UsageError, any_of
from magn_cli.inference.auto import AutoRestorer
from magn_cli.inference.options import check_strength, check_tile
from magn_cli.inference.restored_photo import PhotoNetwork
from magn_cli.model import PRESETS
from magn_cli.runtime.device import check_device, choose_device
from magn_cli.runtime.precision import check_precision, choose_type, compute_exactly
from magn_cli.runtime.threads import check_threads, lanes, use_threads
from magn_cli.tasks import get_task
from magn_cli.tasks.auto import candidates
from magn_cli.weights.registry import entries, variant
from magn_cli.weights.resolve import ResolvedWeights, resolve

if TYPE_CHECKING:
    from magn_cli.inference.picture import PhotoRestorer
    from magn_cli.inference.tiled_network import TiledNetwork

AUTO = "auto"

Pattern = Literal["grbg", "rggb", "gbrg", "bggr"]


class LoadOptions(TypedDict, total=False):
    """The settings of :func:`magn_cli.load`, which describes them."""

    preset: str
    weights: str | PathLike[str] | None
    device: str
    precision: str
    threads: int | None
    tile: int | None
    compile: bool
    strength: float
    ensemble: bool
    pattern: Pattern | None
    options: Mapping[str, object] | None


class Loader:
    """Checked settings and resolved weights, from which networks can be loaded. Creating one needs no torch.

    ``weights`` holds the resolved weights by task: one entry, or for ``auto`` one for each task to choose from.
    """

    def __init__(
        self,
        task: str = AUTO,
        *,
        preset: str = "magn-s",
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        tile: int | None = None,
        compile: bool = False,
        strength: float = 1.0,
        ensemble: bool = False,
        pattern: Pattern | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        """Arguments and errors as for :func:`magn_cli.load`."""
        chosen = None if task == AUTO else get_task(task, or_auto=True)
        self.task, self.mosaics = task, chosen is None or chosen.mosaics
        self.options = dict(options or {}) | ({"pattern": pattern} if pattern is not None else {})
        if chosen is not None:
            self.options = chosen.settings("restore", self.options, complete=False)
        for name in () if chosen else self.options:
            raise UsageError(f"the setting {name!r} belongs to a single task; choose the task, too.")
        if weights is not None and chosen is None:
            raise UsageError("a checkpoint serves a single task; choose it with --task, or omit --weights.")
        if weights is None and preset not in (known := dict.fromkeys([*PRESETS, *(e.preset for e in entries())])):
            raise UsageError(f"unknown preset {preset!r}: choose {any_of(known)}.")
        self.strength = check_strength(chosen, strength)
        self.device, self.precision = check_device(device), check_precision(precision)
        self.threads, self.tile = check_threads(threads), check_tile(tile)
        self.compile, self.ensemble = compile, ensemble
        names = [task] if chosen else _all_with_weights(candidates(), preset)
        self.weights: dict[str, ResolvedWeights] = {name: resolve(name, preset, weights) for name in names}
        self.variants = {name: {} if weights is not None else _variants(name, preset) for name in names}
        """By task: the presets of its variants. Their weights are resolved when they are needed."""

    def load(self) -> PhotoNetwork:
        """Load the network of the task. For ``auto``, networks are loaded when a photo first needs them.

        Raises:
            UsageError: this machine has no such device.
            WeightsError: a checkpoint is damaged.
        """
        if self.task != AUTO:
            return self.load_task(self.task)
        choose_device(self.device)
        use_threads(self.threads)
        return AutoRestorer(self.load_task)

    def lanes(self) -> int:
        """Return how many pictures of at most :data:`SMALL` pixels to restore at once. Imports torch."""
        return lanes() if self.threads is None and choose_device(self.device).type == "cpu" else 1

    def load_task(self, name: str) -> PhotoRestorer:
        """Load the network of one of the tasks in :attr:`weights`; errors as for :meth:`load`."""
        own = {key: cache(partial(self._variant, name, preset)) for key, preset in self.variants[name].items()}
        return self._restorer(name, self.weights[name], own)

    def _variant(self, name: str, preset: str) -> PhotoRestorer:
        return self._restorer(name, resolve(name, preset), {})

    def _restorer(
        self, name: str, weights: ResolvedWeights, variants: Mapping[str, Callable[[], PhotoRestorer]]
    ) -> PhotoRestorer:
        from magn_cli.inference.picture import PhotoRestorer

        task, about, tiled = get_task(name), weights.about, cache(partial(self._tiled, name, weights))
        choose_device(self.device)
        if not variants:
            tiled()
        # The whole change is needed if the input is not a picture yet.
        strength = self.strength if task.blends else 1.0
        return PhotoRestorer(
            task,
            about.scale,
            tiled,
            strength,
            self.ensemble,
            weights.name,
            about.takes_unknown,
            variants,
            **self.options,
        )

    def _tiled(self, name: str, weights: ResolvedWeights) -> TiledNetwork:
        from magn_cli.inference.tiled_network import TiledNetwork
        from magn_cli.weights.checkpoint import load_checkpoint

        task = get_task(name)
        device = choose_device(self.device)
        dtype = choose_type("fp32" if self.precision == "auto" and not task.bf16 else self.precision, device)
        use_threads(self.threads)
        if device.type == "cuda":
            compute_exactly()
        model, _ = load_checkpoint(weights.path)
        return TiledNetwork(
            model, device, dtype, self.tile, compiled=self.compile, copied=False, threads=self.threads
        )


def _all_with_weights(tasks: list[str], preset: str) -> list[str]:
    """Return the tasks, or raise :class:`NoSuchWeightsError` if a preset lacks weights for one of them.

    A photo may need any of them.
    """
    there = {entry.task for entry in entries() if entry.preset == preset and not entry.missing}
    known = [task for task in tasks if task in there]
    if known == tasks:
        return tasks
    if known:
        raise NoSuchWeightsError(
            f"the preset {preset} has weights for {' and '.join(known)} only, not for all tasks that auto chooses "
            f"from; give --task {any_of(known)}."
        )
    raise NoSuchWeightsError(
        f"the preset {preset} has no weights yet for the tasks that auto chooses from ({', '.join(tasks)}); "
        "give another --preset, or one --task and its --weights FILE."
    )


def _variants(task: str, preset: str) -> dict[str, str]:
    """Return the presets for kinds of photo that the task tells apart."""
    found = {name: variant(task, preset, name) for name in get_task(task).variants}
    return {name: own for name, own in found.items() if own is not None}


def load_photo_restorer(task: str, **settings: Unpack[LoadOptions]) -> PhotoRestorer:
    """Load the network of one task for use within the package; errors as for :func:`magn_cli.load`."""
    return Loader(task, **settings).load_task(task)
