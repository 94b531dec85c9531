"""The Python interface: a path or an array in, a restored array out."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magn_cli import images
from magn_cli.errors import UsageError, WeightsError
from magn_cli.files import checksum
from magn_cli.inference.auto import AutoRestorer
from magn_cli.inference.picture import Level, PhotoRestorer, check_strength, photo_of
from magn_cli.inference.restorer import Restorer
from magn_cli.model import PRESETS
from magn_cli.runtime.device import choose_device
from magn_cli.runtime.precision import choose_type, compute_exactly
from magn_cli.runtime.threads import use_threads
from magn_cli.tasks import get_task
from magn_cli.tasks.auto import candidates
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.registry import entries
from magn_cli.weights.resolve import locate


def load(
    task: str,
    *,
    preset: str = "magn-s",
    weights: str | PathLike[str] | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    tile: int | None = None,
    compiled: bool = False,
    strength: float = 1.0,
    ensemble: bool = False,
    **options: Any,
) -> PhotoRestorer:
    """Load a task's network once, to restore many pictures with.

    Args:
        task: ``denoise``, ``jpeg`` or ``demosaic``.
        preset: which of the registry's checkpoints (docs/weights.md); ignored where ``weights`` is given.
        weights: a ``.safetensors`` file made by ``magn train``, or one on the Hugging Face Hub:
            ``hf://user/repo/file.safetensors@revision``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``; auto: bf16 where it is faster
            and the task bears it (not demosaic).
        threads: of the CPU; None: all.
        tile: pixels a side that are worked on at once; decides the memory, not the result; None: by the
            memory that is free.
        compiled: let ``torch.compile`` write the kernels, which takes a minute or two at first.
        strength: share of the network's change that is applied to photos, 0..1.
        ensemble: take the mean over the picture's eight turned and mirrored forms: a little better, eight times
            as slow.
        options: the task's own, such as ``pattern`` of demosaic.

    Raises:
        UsageError: an unknown task, preset, device, precision or setting.
        WeightsError: no such checkpoint, or one that is damaged or for another task.
    """
    chosen = get_task(task)
    options = chosen.settings("restore", options, complete=False)
    if weights is None and preset not in (known := dict.fromkeys([*PRESETS, *(e.preset for e in entries())])):
        raise UsageError(f"there is no preset {preset!r}; use one of {', '.join(known)}.")
    check_strength(chosen, strength)
    use_threads(threads)
    where = choose_device(device)
    dtype = choose_type("fp32" if precision == "auto" and not chosen.bf16 else precision, where)
    path = locate(task, preset, weights)
    model, about = load_checkpoint(path)
    if about.task != task:
        mend = f"use --task {about.task}" if weights is not None else "mend the registry that names it"
        raise WeightsError(f"{path} is a checkpoint for {about.task}, not for {task}; {mend}.")
    if about.config.channels != 3:
        raise WeightsError(f"{path} is a network for {about.config.channels} channel; use one trained for 3.")
    if where.type == "cuda":
        compute_exactly()
    restorer = Restorer(model, where, dtype, tile, compiled=compiled)
    network = f"{about.preset} {checksum.of(path)[:8]}"
    return PhotoRestorer(chosen, about.scale, restorer, strength, ensemble, network, **options)


def load_auto(**settings: Any) -> AutoRestorer:
    """Load what restores each photo by the task that it needs: ``jpeg``, ``denoise``, ``demosaic``, or nothing.

    Args:
        settings: as for :func:`load`, but for ``weights``, which are for one task.

    Raises:
        UsageError: an unknown setting.
        WeightsError: as for :func:`load`.
    """
    if settings.get("weights") is not None:
        raise UsageError("a checkpoint is for one task; name it with --task, or leave --weights away.")
    # Where the input is no picture yet, no share of the change could be applied to it.
    whole = {"strength": 1.0}
    return AutoRestorer(
        {name: load(name, **(settings | ({} if get_task(name).blends else whole))) for name in candidates()}
    )


def restore(
    source: str | PathLike[str] | NDArray[Any], task: str, *, level: Level = "auto", **settings: Any
) -> NDArray[Any]:
    """Restore one picture.

    Args:
        source: path of a picture, or for ``demosaic`` of a camera's raw file; or an array ``(H, W)`` gray or
            ``(H, W, 3)`` RGB, uint8, uint16, or floats 0..1.
        task: ``denoise``, ``jpeg`` or ``demosaic``; ``auto``: one of these or nothing, by what is seen.
        level: in the task's units (sigma of 255, JPEG quality), ``auto`` or ``unknown``.
        settings: as for :func:`load`.

    Returns:
        An array of the same shape and type as the one given (a CFA mosaic ``(H, W)`` gives ``(H, W, 3)``);
        for a path, an RGB or gray array of the file's depth, the right way up (uint16 for a camera's raw file).

    Raises:
        ImageError: the file cannot be read.
        UsageError, WeightsError: as :func:`load`; a level out of range.
    """
    restorer = load_auto(**settings) if task == "auto" else load(task, **settings)
    if not isinstance(source, np.ndarray):
        return restorer.restore(images.read(Path(source), mosaics=restorer.mosaics), level).pixels
    pixels = restorer.restore(photo_of(source), level).pixels
    if source.ndim == 3 and pixels.ndim == 2:
        pixels = pixels[:, :, None]
    return pixels.astype(source.dtype)
