"""Measures how noise depends on brightness, and whether it is white or coarse.

The noise of a camera is neither the same everywhere nor white: it depends on the light, and demosaicing, noise
reduction and JPEG smear it into blotches. A single sigma says nothing of either.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from magn_cli.analysis.noise import as_gray
from magn_cli.images import Array, full_scale, to_float

Float = NDArray[np.float32]

SIDES = 16, 32
"""Side in pixels of the blocks that are compared, in the finest octave and the next."""

EDGES = 0.0, 0.1, 0.25, 0.5, 0.75, 1.0
"""Limits of the ranges of brightness: luma of a block, 0..1, on the curve of the file."""

QUIETEST = 0.05
"""Share of the blocks that is measured: those with the least detail, which show noise and hardly any texture."""

MIN_BLOCKS, MIN_QUIET = 16, 3
"""Fewest blocks of a range of brightness that tell something, and fewest that are measured."""

CLIPPED = 0.02
"""A block is not measured if more of its pixels than this share are black or white, where clipping hides noise."""

COARSE = 2.0
"""Ratio of power from which noise counts as coarse.

On Kodak24, nine in ten pictures with white noise of sigma 3 to 20 have less than 1.4 in chroma, and nine in ten
with that of a simulated camera more than 4. In luma, which gray pictures must do with, it is less than 3 and more
than 3.2.
"""

MAX_RATIO = 64.0
"""Largest ratio that is returned. JPEG can remove the finest details altogether."""

STRIP = 64
"""Rows that are processed together."""

MAX_PIXELS = 4_000_000
"""Of larger pictures, evenly spaced strips with about so many pixels are measured."""

_LUMA_AND_CHROMA = np.array([[0.299, 0.587, 0.114], [0.5, -0.5, 0], [0.25, 0.25, -0.5]], np.float32)


@dataclass(frozen=True)
class BrightnessRange:
    """The noise in a range of brightness."""

    low: float
    high: float
    """Limits of luma, 0..1."""

    share: float
    """Share of the measured blocks that is so bright, 0..1."""

    relative: float | None
    """Standard deviation of the noise here, relative to that of the whole picture; None if too few blocks tell."""


@dataclass(frozen=True)
class Grain:
    """The kind of the noise in a picture. Means nothing where there is hardly any noise, but texture."""

    luma: float
    """Power of the noise in details of two pixels, relative to that of white noise with the same power in details
    of one pixel: 1 for white noise, 4 where both are equal."""

    chroma: float | None
    """The same in chroma; None for a gray picture."""

    ranges: tuple[BrightnessRange, ...]
    """The noise by brightness, from dark to bright."""

    @property
    def is_coarse(self) -> bool:
        """Whether the noise is coarse (blotchy): in chroma, where texture does not disturb, if there is any."""
        return (self.luma if self.chroma is None else self.chroma) >= COARSE


def measure_grain(pixels: Array) -> Grain | None:
    """Measure how the noise of a picture depends on brightness, and whether it is white or coarse.

    It compares the power of two octaves, the 2x2 Haar details of the picture and of its half, in the quietest
    blocks. These are chosen by every second detail and measured by the others, so that the choice does not lower
    the result. Texture lies in luma, in rows and columns: the coarseness of luma comes from diagonal details only.

    How accurate this is on Kodak24 (``python benchmarks/grain.py``; docs/inspect.md): with the noise of simulated
    cameras of sigma 5 / 10 / 20, the relative noise of a range of brightness is 0.62 to 1.33 / 0.83 to 1.15 / 0.89
    to 1.08 of the true one in eight of ten ranges.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``; uint8, uint16, or floats 0..1.

    Returns:
        None if the picture has too few blocks that are neither black nor white.

    Example:
        >>> noisy = np.full((512, 512), 0.4) + np.random.default_rng(0).normal(0, 10 / 255, (512, 512))
        >>> measure_grain(noisy.astype(np.float32)).is_coarse
        False
    """
    octaves = _octaves(as_gray(pixels))
    if min(len(octave.luma) for octave in octaves) < MIN_BLOCKS:
        return None
    channels = octaves[0].power.shape[2]
    luma = _coarseness(octaves, slice(0, 1), slice(0, 1))
    chroma = _coarseness(octaves, slice(1, None), slice(None)) if channels > 1 else None
    return Grain(luma, chroma, _by_brightness(octaves))


@dataclass(frozen=True)
class _Octave:
    """The usable blocks of one octave."""

    luma: Float
    """Mean of each block."""

    power: Float
    """``(blocks, 2, C, 3)``: in both halves of the details, by channel and direction, diagonal first."""

    def quietest(self, channels: slice, directions: slice, inside: NDArray[np.bool_] | None = None) -> float:
        """Return the power in the quietest blocks; NaN if there are too few blocks."""
        power = self.power if inside is None else self.power[inside]
        if len(power) < MIN_BLOCKS:
            return float("nan")
        chosen_by, measured = np.moveaxis(power[:, :, channels, directions].sum((2, 3)), 1, 0)
        order = np.argsort(chosen_by, kind="stable")[: max(round(len(power) * QUIETEST), MIN_QUIET)]
        return float(measured[order].mean(dtype=np.float64))


def _coarseness(octaves: list[_Octave], channels: slice, directions: slice) -> float:
    fine, coarse = (octave.quietest(channels, directions) for octave in octaves)
    # Each octave of white noise has a quarter of the power of the one before.
    return min(4 * coarse / fine, MAX_RATIO) if fine > 0 else 1.0


def _by_brightness(octaves: list[_Octave]) -> tuple[BrightnessRange, ...]:
    shares, powers = [], []
    for low, high in pairwise(EDGES):
        inside = [(o.luma >= low) & ((o.luma < high) | (high == EDGES[-1])) for o in octaves]
        shares.append(float(inside[0].mean()))
        powers.append(sum(o.quietest(slice(None), slice(None), i) for o, i in zip(octaves, inside, strict=True)))
    known = np.isfinite(powers)
    mean = float(np.average(np.array(powers)[known], weights=np.array(shares)[known])) if known.any() else 0.0
    return tuple(
        BrightnessRange(low, high, share, (power / mean) ** 0.5 if is_known and mean > 0 else None)
        for (low, high), share, power, is_known in zip(pairwise(EDGES), shares, powers, known, strict=True)
    )


def _octaves(pixels: Array) -> list[_Octave]:
    rows, columns = (side // STRIP for side in pixels.shape[:2])
    step = max(1, -(-rows * columns * STRIP**2 // MAX_PIXELS))
    channels = 1 if pixels.ndim == 2 else 3
    found: list[list[_Octave]] = [[_Octave(np.empty(0, np.float32), np.empty((0, 2, channels, 3), np.float32))]]
    for row in range(0, rows if columns else 0, step):
        found.append(_of_strip(pixels[row * STRIP : (row + 1) * STRIP, : columns * STRIP]))
    empty = found.pop(0)[0]
    return [
        _Octave(*(np.concatenate([getattr(o, name) for o in (empty, *several)]) for name in ("luma", "power")))
        for several in (zip(*found, strict=True) if found else ([] for _ in SIDES))
    ]


def _of_strip(strip: Array) -> list[_Octave]:
    """Return the octaves of ``(STRIP, W)`` or ``(STRIP, W, 3)``, whose width is a multiple of ``STRIP``."""
    samples = strip[..., None] if strip.ndim == 2 else strip
    clipped = np.any((samples <= 0) | (samples >= full_scale(strip.dtype)), axis=-1, keepdims=True)
    values = to_float(samples)
    values = values if strip.ndim == 2 else values @ _LUMA_AND_CHROMA.T
    octaves = []
    for octave, side in enumerate(SIDES):
        cells = side >> (octave + 1)
        a, b, c, d = values[::2, ::2], values[::2, 1::2], values[1::2, ::2], values[1::2, 1::2]
        details = np.stack([a - b - c + d, a + b - c - d, a - b + c - d], -1) * np.float32(0.25)
        values = (a + b + c + d) * np.float32(0.25)
        blocks = _cut(details, cells)
        # A slope is the same in all of them.
        blocks -= blocks.mean((1, 2), keepdims=True)
        power = np.square(blocks) * np.float32(cells**2 / (cells**2 - 1))
        even = np.indices((cells, cells)).sum(0) % 2 == 0
        halves = np.stack([power[:, even].mean(1), power[:, ~even].mean(1)], 1)
        usable = _cut(np.asarray(clipped), side).mean((1, 2, 3)) <= CLIPPED
        octaves.append(_Octave(_cut(values[..., 0], cells).mean((1, 2))[usable], halves[usable]))
    return octaves


def _cut(values: Array, side: int) -> Array:
    """Cut ``(H, W, ...)`` into blocks ``(blocks, side, side, ...)``."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    blocks = values.reshape(rows, side, columns, side, *values.shape[2:]).swapaxes(1, 2)
    return blocks.reshape(rows * columns, side, side, *values.shape[2:])
