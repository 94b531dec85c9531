"""Validation as users will see it: whole pictures through the restorer, at the task's levels and in
the task's further cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from magn_cli import images
from magn_cli.evaluation.metrics import psnr, ssim_gaussian
from magn_cli.inference.tiled_network import TiledNetwork
from magn_cli.model import Magn
from magn_cli.tasks import PairOptions, Pixels, Task

SIDE = 256
PICTURES = 8


@dataclass(frozen=True)
class Quality:
    """Means over pictures, against the clean pictures, all channels together."""

    psnr: float
    """dB, over the levels of the paper's table."""

    ssim: float
    """Over the same; Gaussian window."""

    gain: float
    """dB more than the degraded pictures, over the same."""

    overall: float
    """dB, over these levels and the task's further cases, each counted alike: what the best checkpoint is chosen
    by."""

    figures: dict[str, float]
    """By column of the log. ``psnr_<case>``: dB, for each further case. ``psnr_mean``: :attr:`overall`, where
    there are such cases. ``change_<level>``: by how much the network changes a picture when it is told that level,
    root mean square in gray levels (of 255)."""


@dataclass(frozen=True)
class _Sample:
    clean: Pixels
    network_input: Pixels
    level_input: float | None


class Validation:
    """The middle 256x256 pixels of some photographs, degraded once."""

    def __init__(self, photos: Sequence[NDArray[np.uint8]], task: Task, pairs: PairOptions) -> None:
        """Take up to 8 of ``photos``, ``(H, W, 3)``; levels of the paper that lie in the range of ``pairs``."""
        rng = np.random.default_rng(0)
        chosen = np.unique(np.linspace(0, len(photos) - 1, min(PICTURES, len(photos))).round().astype(int))
        levels = [level for level in task.validation_levels if _within(level, pairs)] or [
            float(np.mean(pairs.levels))
        ]
        middles = [images.to_float(_middle(photos[int(index)], task.alignment)) for index in chosen]
        self._task = task
        self._samples = [
            self._sample(clean, task.degrade(clean, level, rng), level) for clean in middles for level in levels
        ]
        self._before = _mean(psnr(s.network_input, s.clean) for s in self._samples)
        self._cases = {
            case.name: [
                self._sample(clean, case.degrade(clean, np.random.default_rng((number, index))), case.level)
                for index, clean in enumerate(middles)
            ]
            for number, case in enumerate(task.validation_cases(pairs))
            if _within(case.level, pairs)
        }
        self._levels = len(levels)
        self._control: Pixels | None = None
        if task.control_levels and middles:
            degraded = task.degrade(middles[0], task.control_degraded_at, np.random.default_rng(0))
            self._control = task.network_input(degraded)

    @property
    def columns(self) -> list[str]:
        """Columns of :attr:`Quality.figures`, in order."""
        cases = [f"psnr_{name}" for name in self._cases]
        return [*cases, *(["psnr_mean"] if cases else []), *(f"change_{v:g}" for v in self._task.control_levels)]

    @property
    def cases(self) -> list[str]:
        """What decides the best checkpoint beside the levels of the paper's table."""
        return list(self._cases)

    def measure(self, model: Magn, device: torch.device, dtype: torch.dtype) -> Quality:
        """Restore the pictures with a network, in float32 or the half type given."""
        network = TiledNetwork(model, device, dtype)
        decibels, similarities = [], []
        for sample in self._samples:
            restored = _restored(network, sample)
            decibels.append(psnr(restored, sample.clean))
            similarities.append(ssim_gaussian(restored, sample.clean))
        after = _mean(decibels)
        cases = {
            name: _mean(psnr(_restored(network, s), s.clean) for s in samples)
            for name, samples in self._cases.items()
        }
        overall = (self._levels * after + sum(cases.values())) / (self._levels + len(cases)) if cases else after
        figures = {f"psnr_{name}": value for name, value in cases.items()}
        figures |= {"psnr_mean": overall} if cases else {}
        figures |= self._changes(network) if model.config.level_channel else {}
        return Quality(after, _mean(similarities), after - self._before, overall, figures)

    def _changes(self, network: TiledNetwork) -> dict[str, float]:
        scale, picture = self._task.scale, self._control
        if scale is None or picture is None:
            return {}
        found = {}
        for level in self._task.control_levels:
            change = network.restore(picture, scale.to_network(level)) - picture
            found[f"change_{level:g}"] = 255 * float(np.sqrt(np.square(change, dtype=np.float64).mean()))
        return found

    def _sample(self, clean: Pixels, degraded: Pixels, level: float | None) -> _Sample:
        scale = self._task.scale
        level_input = scale.to_network(level) if scale and level is not None else None
        return _Sample(clean, self._task.network_input(degraded), level_input)


def _restored(network: TiledNetwork, sample: _Sample) -> Pixels:
    return network.restore(sample.network_input, sample.level_input).clip(0, 1)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _within(level: float | None, pairs: PairOptions) -> bool:
    return level is None or not pairs.levels or pairs.levels[0] <= level <= pairs.levels[1]


def _middle(photo: NDArray[np.uint8], grid: int) -> NDArray[np.uint8]:
    top, left = (max(0, (side - SIDE) // 2) // grid * grid for side in photo.shape[:2])
    return photo[top : top + SIDE, left : left + SIDE]
