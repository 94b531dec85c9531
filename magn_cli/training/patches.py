"""From photographs to pairs of degraded and clean crops, in an order that any number of processes share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from magn_cli import images
from magn_cli.images import gray
from magn_cli.model import UNKNOWN_LEVEL
from magn_cli.tasks import PairOptions, Pixels, Task, TrainingPair, as_rgb
from magn_cli.training.patterns import draw_pattern

CONTEXT = 16
"""Pixels around a crop that are degraded with it and cut off again: a crop in training should have the
neighbours that a piece of a whole file has (chroma is interpolated across blocks)."""


class Crops(NamedTuple):
    """A pair, or a batch of them, as the network takes it."""

    degraded: Tensor
    """``(C, H, W)``."""

    clean: Tensor
    """``(3, H, W)``."""

    level: Tensor
    """``()``."""

    noisier: Tensor
    """``(C, H, W)``: :attr:`TrainingPair.noisier`, or ``degraded`` where ``clean`` is the target."""

    noisier_level: Tensor
    """``()``: what the network is told with ``noisier``."""


class Pairs(Dataset[Crops]):
    """Pairs to train on. Item i is of ``(seed, i)`` only.

    So training can be resumed at any item with the very pairs an undisturbed run would have seen, whatever
    the number of processes.
    """

    def __init__(
        self, photos: Sequence[NDArray[np.uint8]], task: Task, crop: int, options: PairOptions, seed: int
    ) -> None:
        """``crop``: side in pixels; no photo may be smaller."""
        self.photos, self.task, self.crop, self.options, self.seed = photos, task, crop, options, seed
        shapes = getattr(photos, "shapes", None) or [p.shape[:2] for p in photos]
        areas = np.array([rows * columns for rows, columns in shapes], float)
        self.chances = areas / areas.sum()

    def __getitem__(self, index: int) -> Crops:
        rng = np.random.default_rng((self.seed, index))
        photo = self.photos[int(rng.choice(len(self.photos), p=self.chances))]
        clean, inner = self._cut(photo, rng)
        if self.options.patterns and rng.random() < self.options.patterns:
            clean = draw_pattern(clean, rng, noise=not self.task.random)
        if rng.random() < self.options.gray:
            clean = (gray.luma if rng.random() < 0.5 else gray.gray)(clean)
        pair = self.task.training_pair(clean, rng, self.options)
        level_input = noisier_level = UNKNOWN_LEVEL
        if self.task.scale is not None and pair.level is not None and rng.random() >= self.options.unknown:
            level_input = noisier_level = self.task.scale.to_network(pair.level)
            if pair.noisier_level is not None:
                noisier_level = self.task.scale.to_network(pair.noisier_level)
        degraded = self._input(pair.degraded[inner], pair)
        return Crops(
            degraded,
            _tensor(as_rgb(pair.clean[inner])),
            torch.tensor(level_input, dtype=torch.float32),
            degraded if pair.noisier is None else self._input(pair.noisier[inner], pair),
            torch.tensor(noisier_level, dtype=torch.float32),
        )

    def _input(self, pixels: Pixels, pair: TrainingPair) -> Tensor:
        return _tensor(self.task.network_input(pixels, **pair.options))

    def _cut(self, photo: NDArray[np.uint8], rng: np.random.Generator) -> tuple[Pixels, tuple[slice, slice]]:
        """A crop with its context, turned and mirrored, and where the crop lies in it."""
        grid, crop = self.task.alignment, self.crop
        turned = int(rng.integers(8))
        corner = [int(rng.integers((side - crop) // grid + 1)) * grid for side in photo.shape[:2]]
        begin = [max(c - CONTEXT, 0) for c in corner]
        end = [min(c + crop + CONTEXT, side) for c, side in zip(corner, photo.shape[:2], strict=True)]
        end = [b + (e - b) // grid * grid for b, e in zip(begin, end, strict=True)]
        patch = images.to_float(photo[begin[0] : end[0], begin[1] : end[1]])
        inner = np.zeros(patch.shape[:2], bool)
        inner[corner[0] - begin[0] :, corner[1] - begin[1] :][:crop, :crop] = True
        patch, inner = (np.rot90(a[::-1] if turned >= 4 else a, turned % 4) for a in (patch, inner))
        top, left = (int(np.flatnonzero(inner.any(axis=axis))[0]) for axis in (1, 0))
        return np.ascontiguousarray(patch), (slice(top, top + crop), slice(left, left + crop))


@dataclass(frozen=True)
class Order(Sampler[list[int]]):
    """Which pairs one process takes: batch for batch, from an optimizer step on, without end.

    One step takes ``batch`` pairs: ``parts`` times, each process its share. So the pairs of a step, and the
    mean of their gradients, do not depend on the number of processes or parts.
    """

    first_step: int
    batch: int
    parts: int = 1
    rank: int = 0
    world: int = 1

    def __iter__(self) -> Iterator[list[int]]:
        share = self.batch // (self.parts * self.world)
        step = self.first_step
        while True:
            for part in range(self.parts):
                begin = step * self.batch + (part * self.world + self.rank) * share
                yield list(range(begin, begin + share))
            step += 1


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
