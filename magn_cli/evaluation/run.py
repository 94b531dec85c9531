"""Running a method over pictures and measuring what comes out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from magn_cli import images
from magn_cli.errors import ImageError, UsageError
from magn_cli.evaluation import metrics
from magn_cli.files import Access
from magn_cli.tasks import Task

Float = NDArray[np.float32]
Protocol = Literal["paper", "modern"]


@dataclass(frozen=True)
class LoadedPair:
    """Two pictures, ``(H, W)`` or ``(H, W, 3)``, 0..1, and the level that lies between them."""

    degraded: Float
    reference: Float
    level: float | None
    """None: the task has none, or nobody knows it."""

    photo: images.Photo | None = None
    """The degraded picture with what its file says of it; None: no file stands behind it."""

    is_found: bool = False
    """Whether :attr:`level` was found in the file, as ``magn restore`` finds it."""

    access: Access | None = None
    """Who may read both files."""


@dataclass(frozen=True)
class Pair:
    """A degraded picture and the clean one it came from."""

    name: str
    load: Callable[[], LoadedPair]
    """Raises :class:`ImageError`. Can be pickled."""

    files: tuple[Path, ...] = ()
    """What it reads."""


@dataclass(frozen=True)
class Row:
    """What was measured on one picture."""

    name: str
    level: float | None
    psnr: float
    """dB."""

    ssim_uniform: float
    ssim_gaussian: float
    psnr_b: float | None
    """dB; None where the task has nothing to do with blocks."""

    seconds: float
    """Of the method alone."""

    megapixels: float


def measure(
    pair: Pair,
    task: Task,
    methods: Iterable[Callable[[LoadedPair], Float]],
    protocol: Protocol,
    watch: Callable[[Float, LoadedPair], None] = lambda restored, loaded: None,
) -> Iterator[Row | ImageError]:
    """Run methods over one pair, which is loaded once: a row for each, or the error it ended in.

    ``watch`` is shown what was measured and its pair, before each row.

    Raises :class:`ImageError` where the pair cannot be loaded. Protocol ``paper``: rounded to 8 bit, or
    clipped only, as :class:`PaperTable` says. ``modern``: always rounded to 8 bit.
    """
    loaded = pair.load()
    for method in methods:
        try:
            began = time.perf_counter()
            restored = method(loaded)
            seconds = time.perf_counter() - began
            finished = _finished(restored, task, protocol)
            row = _row(pair.name, task, finished, loaded, seconds)
            watch(finished, loaded)
            yield row
        except ImageError as error:
            yield error


def mean(rows: list[Row]) -> Row:
    """Return the mean over pictures, with the time and the megapixels of all."""
    if not rows:
        raise UsageError("no picture was measured: there is no mean.")

    def of(name: str) -> float:
        return float(np.mean([getattr(row, name) for row in rows]))

    return Row(
        "mean",
        rows[0].level,
        of("psnr"),
        of("ssim_uniform"),
        of("ssim_gaussian"),
        None if rows[0].psnr_b is None else of("psnr_b"),
        math.fsum(row.seconds for row in rows),
        math.fsum(row.megapixels for row in rows),
    )


def ssim_name(task: Task, protocol: Protocol) -> Literal["ssim_uniform", "ssim_gaussian"]:
    """Return which SSIM a protocol means: that of the task's table in the paper, else the Gaussian window."""
    return task.paper.ssim if protocol == "paper" and task.paper is not None else "ssim_gaussian"


def is_rounded(task: Task, protocol: Protocol) -> bool:
    """Return whether a protocol rounds results to 8 bit; else they are clipped only."""
    return protocol == "modern" or task.paper is None or task.paper.rounded


def _finished(restored: Float, task: Task, protocol: Protocol) -> Float:
    if not is_rounded(task, protocol):
        return np.clip(restored, 0, 1)
    return images.to_float(images.from_float(restored, np.uint8))


def _row(name: str, task: Task, restored: Float, loaded: LoadedPair, seconds: float) -> Row:
    reference = loaded.reference
    if restored.shape != reference.shape:
        kinds = ["gray" if p.ndim == 2 else "colour" for p in (reference, restored)]
        raise ImageError(
            f"{name} cannot be compared: the reference is {kinds[0]}, the result {kinds[1]}; "
            "use pictures of the same kind."
        )
    return Row(
        name,
        loaded.level,
        metrics.psnr(restored, reference),
        metrics.ssim_uniform(restored, reference),
        metrics.ssim_gaussian(restored, reference),
        metrics.psnr_b(restored, reference) if task.blocking else None,
        seconds,
        reference.shape[0] * reference.shape[1] / 1e6,
    )
