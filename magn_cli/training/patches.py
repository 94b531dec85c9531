"""From a folder of photographs to pairs of degraded and clean crops."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from magn_cli import gray, images
from magn_cli.errors import ImageError, TrainingError
from magn_cli.model import UNKNOWN_LEVEL
from magn_cli.tasks import Pixels, Task, as_rgb

log = logging.getLogger(__name__)

CONTEXT = 16
"""Pixels around a crop that are degraded with it and cut off again: a crop in training should have the
neighbours that a piece of a whole file has (chroma is interpolated across blocks)."""

HELD_OUT_EVERY = 32
"""One photo in this many is kept for validation."""


@dataclass(frozen=True)
class PatchOptions:
    """How pairs are drawn."""

    crop: int
    """Side of a crop in pixels."""

    gray: float = 0.25
    """Share of pairs made gray."""

    unknown: float = 0.2
    """Share of pairs whose level the network is not told."""


def load_photos(folders: Sequence[Path], smallest: int) -> list[tuple[str, NDArray[np.uint8]]]:
    """Decode all photographs of some folders, in order of their path, into ``(H, W, 3)`` of 8 bit.

    Files that are no picture or smaller than ``smallest`` are named in the log and left out. Raises
    :class:`TrainingError` where a folder does not exist or nothing usable is left.
    """
    photos = []
    for folder in folders:
        if not folder.is_dir():
            raise TrainingError(f"there is no folder {folder}; give --data a folder of photographs.")
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in images.INPUT_SUFFIXES):
            try:
                pixels = images.read(path).pixels
            except ImageError as error:
                log.warning("left out of the training data: %s", error)
                continue
            if min(pixels.shape[:2]) < smallest:
                log.warning("left out of the training data: %s is smaller than %d pixels.", path, smallest)
                continue
            if pixels.dtype != np.uint8:
                pixels = images.from_float(images.to_float(pixels), np.dtype(np.uint8))
            photos.append((path.name, as_rgb(pixels)))
    if not photos:
        where = ", ".join(map(str, folders))
        raise TrainingError(f"no photograph of at least {smallest} pixels a side was found in {where}.")
    return photos


def split_photos(
    photos: list[tuple[str, NDArray[np.uint8]]],
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Return photos to train on and photos to validate on; the same photos train where there are few."""
    if len(photos) < HELD_OUT_EVERY:
        return [p for _, p in photos], [p for _, p in photos[:8]]
    held = [p for i, (_, p) in enumerate(photos) if i % HELD_OUT_EVERY == 0]
    return [p for i, (_, p) in enumerate(photos) if i % HELD_OUT_EVERY], held


class Pairs(Dataset[tuple[Tensor, Tensor, float]]):
    """Degraded crop, clean crop, level for the network. Item i depends on ``(seed, i)`` and on nothing else.

    So training can be resumed at any item with the very pairs an undisturbed run would have seen, whatever
    the number of worker processes.
    """

    def __init__(
        self, photos: Sequence[NDArray[np.uint8]], task: Task, options: PatchOptions, seed: int, length: int
    ) -> None:
        self.photos, self.task, self.options, self.seed, self.length = photos, task, options, seed, length
        areas = np.array([p.shape[0] * p.shape[1] for p in photos], float)
        self.chances = areas / areas.sum()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, float]:
        rng = np.random.default_rng((self.seed, index))
        photo = self.photos[rng.choice(len(self.photos), p=self.chances)]
        clean, inner = self._cut(photo, rng)
        if rng.random() < self.options.gray:
            clean = (gray.luma if rng.random() < 0.5 else gray.gray)(clean)
        level = self.task.training_level(rng)
        options = self.task.training_options(rng)
        degraded = self.task.degrade(clean, level, rng, **options)
        told = UNKNOWN_LEVEL
        if self.task.scale is not None and level is not None and rng.random() >= self.options.unknown:
            told = self.task.scale.to_network(level)
        seen = self.task.network_input(degraded[inner], **options)
        return _tensor(seen), _tensor(as_rgb(clean[inner])), told

    def _cut(self, photo: NDArray[np.uint8], rng: np.random.Generator) -> tuple[Pixels, tuple[slice, slice]]:
        """A crop with its context, turned and mirrored, and where the crop lies in it."""
        grid, crop = self.task.alignment, self.options.crop
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


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
