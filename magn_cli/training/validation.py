"""Validation as users will see it: whole pictures through the restorer, at a task's levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from magn_cli import images
from magn_cli.evaluation.metrics import psnr, ssim_gaussian
from magn_cli.inference.restorer import Restorer
from magn_cli.model import Magn
from magn_cli.tasks import PairOptions, Pixels, Task

SIDE = 256
PICTURES = 8


@dataclass(frozen=True)
class Quality:
    """Means over pictures and levels, against the clean pictures, all channels together."""

    psnr: float
    """dB."""

    ssim: float
    """Gaussian window."""

    gain: float
    """dB more than the degraded pictures."""


class Validation:
    """The middle 256x256 pixels of some photographs, degraded once."""

    def __init__(self, photos: Sequence[NDArray[np.uint8]], task: Task, pairs: PairOptions) -> None:
        """Take up to 8 of ``photos``, ``(H, W, 3)``; levels of the paper that lie in the range of ``pairs``."""
        rng = np.random.default_rng(0)
        chosen = np.unique(np.linspace(0, len(photos) - 1, min(PICTURES, len(photos))).round().astype(int))
        levels = [level for level in task.validation_levels if _within(level, pairs)] or [
            float(np.mean(pairs.levels))
        ]
        self.pictures: list[tuple[Pixels, Pixels, float | None]] = []
        for index in chosen:
            clean = images.to_float(_middle(photos[int(index)], task.alignment))
            for level in levels:
                network_input = task.network_input(task.degrade(clean, level, rng))
                level_input = task.scale.to_network(level) if task.scale and level is not None else None
                self.pictures.append((clean, network_input, level_input))
        self.before = float(np.mean([psnr(network_input, clean) for clean, network_input, _ in self.pictures]))

    def measure(self, model: Magn, device: torch.device, dtype: torch.dtype) -> Quality:
        """Restore the pictures with a network, in float32 or the half type given."""
        restorer = Restorer(model, device, dtype)
        decibels, similarities = [], []
        for clean, network_input, level_input in self.pictures:
            restored = restorer.restore(network_input, level_input).clip(0, 1)
            decibels.append(psnr(restored, clean))
            similarities.append(ssim_gaussian(restored, clean))
        after = float(np.mean(decibels))
        return Quality(after, float(np.mean(similarities)), after - self.before)


def _within(level: float | None, pairs: PairOptions) -> bool:
    return level is None or not pairs.levels or pairs.levels[0] <= level <= pairs.levels[1]


def _middle(photo: NDArray[np.uint8], grid: int) -> NDArray[np.uint8]:
    top, left = (max(0, (side - SIDE) // 2) // grid * grid for side in photo.shape[:2])
    return photo[top : top + SIDE, left : left + SIDE]
