"""A training run from a recipe to a checkpoint, for Python and for the command line alike."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from magn_cli.errors import TrainingError
from magn_cli.runtime.threads import use_threads
from magn_cli.training import preparation
from magn_cli.training import recipe as recipes
from magn_cli.training.curves import draw
from magn_cli.training.engine import Engine
from magn_cli.training.loop import Trainer
from magn_cli.training.preparation import PhotoProgress
from magn_cli.training.recipe import TrainingRecipe
from magn_cli.training.record import Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """What a run left behind."""

    step: int
    """Optimizer steps made, those before a resume included."""

    minutes: float
    stopped: bool
    """Whether ``should_stop`` ended it; ``resume=True`` continues such a run."""

    checkpoint: Path
    """The network for use: ``magn_cli.load(task, weights=...)`` takes it."""

    best_checkpoint: Path | None
    """The network of the best validation; None before the first one."""

    best_psnr: float | None
    """dB, mean over all validation cases."""

    log_file: Path
    curves: Path | None
    """A plot of the log; None without matplotlib or before the first validation."""


def train(
    recipe: TrainingRecipe | Mapping[str, Any],
    *,
    out: str | PathLike[str],
    resume: bool = False,
    device: str = "auto",
    threads: int | None = None,
    cache: str | PathLike[str] | None = None,
    tensorboard: bool = False,
    command: str = "",
    on_photos: PhotoProgress = lambda what, done, total: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Train a network on folders of photographs, or continue to do so.

    Under ``torchrun`` all processes call it together; the first one writes and reports.

    Args:
        recipe: a :class:`TrainingRecipe`, or its settings as they stand in a TOML file (see
            ``recipes/example.toml``). With ``resume``, settings are put over those of ``out/config.toml``.
        out: folder for state, log and checkpoints; made where it does not exist.
        resume: continue from the state in ``out``, to the same bits as without a break.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        threads: of the CPU, 1 to 1024; None: all.
        cache: folder for the decoded photographs, 3 bytes a pixel; None: ``out/cache``.
        tensorboard: write for TensorBoard as well.
        command: goes into the checkpoint as its origin; give it without folders of this machine.
        on_photos: called while the photographs are looked through.
        on_progress: called with each line of the log.
        should_stop: asked before each step; once it returns True, the state is written and the run ends.

    Raises:
        UsageError: a setting is unknown or out of range, or ``out`` holds another run.
        TrainingError: no usable photographs, no state to resume, a diverged loss, a full disk.
        WeightsError: the checkpoint to start from cannot be read.

    Example, with a folder ``photos`` of photographs and a folder ``out``:

        >>> from magn_cli.training import train
        >>> network = {"features": 16, "graph_features": 16, "blocks_before": 1, "blocks_after": 1, "window": 32,
        ...            "window_overlap": 8}
        >>> settings = {"task": "jpeg", "data": [photos], "network": network,
        ...             "training": {"max_steps": 3, "batch": 2}}
        >>> result = train(settings, out=out)
        >>> result.step, result.checkpoint.name
        (3, 'magn-s-jpeg.safetensors')
        >>> settings["training"]["max_steps"] = 5
        >>> train(settings, out=out, resume=True).step
        5
    """
    folder = Path(out)
    if resume and not (folder / "state.pt").is_file():
        raise TrainingError(f"no training state {folder / 'state.pt'}: start without --resume.")
    chosen = recipe if isinstance(recipe, TrainingRecipe) else _resolved(recipe, folder if resume else None)
    use_threads(threads)
    engine = Engine(device)
    about = {"data": [Path(source).name for source in chosen.data], "command": command}
    trainer = Trainer(chosen, folder, engine, about, tensorboard=tensorboard)
    preparation.check_unused(trainer, resume)
    place = Path(cache) if cache is not None else folder / "cache"
    train_photos, validation_photos = preparation.look_through(trainer, place, on_photos)
    preparation.begin(trainer, resume)
    stopped = trainer.run(train_photos, validation_photos, on_progress, should_stop)
    result = _result(trainer, stopped)
    engine.close()
    return result


def _resolved(settings: Mapping[str, Any], resumed: Path | None) -> TrainingRecipe:
    """Check settings, put over those of the run that is resumed."""
    values = recipes.check(_plain(settings), "the recipe")
    if resumed is not None and (file := resumed / "config.toml").is_file():
        values = recipes.merge(recipes.check(recipes.read(file), str(file)), values)
    return recipes.resolve(values)


def _plain(value: Any) -> Any:
    """Paths as texts, as they stand in a file."""
    if isinstance(value, Mapping):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, PathLike) else value


def _result(trainer: Trainer, stopped: bool) -> TrainingResult:
    state, log_file, curves = trainer.state, trainer.out / "log.csv", trainer.out / "curves.png"
    drawn = trainer.engine.first and log_file.exists() and draw(log_file, curves)
    return TrainingResult(
        step=state.step,
        minutes=state.minutes,
        stopped=stopped,
        checkpoint=trainer.checkpoint_path,
        best_checkpoint=trainer.best_path if trainer.best_path.exists() else None,
        best_psnr=state.best_psnr if math.isfinite(state.best_psnr) else None,
        log_file=log_file,
        curves=curves if drawn else None,
    )
