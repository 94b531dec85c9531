"""Positions of graph windows and tiles, computed on one axis at a time.

Windows have the size used in training, and their positions depend only on the size of the picture. A tile is the
part of a picture that is computed at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from magn_cli.model import MagnConfig

LATTICE = 8
"""Tiles and padding start at multiples of this many pixels, which keeps the JPEG grid and the Bayer grid."""


@dataclass(frozen=True)
class Span:
    """Positions from ``start`` to ``stop - 1`` on one axis."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def within(self, outer: Span) -> slice:
        """Return the slice for this span in an array that covers ``outer``."""
        return slice(self.start - outer.start, self.stop - outer.start)

    @property
    def slice(self) -> slice:
        """Slice for this span in an array that covers the whole axis."""
        return slice(self.start, self.stop)

    def __floordiv__(self, cell: int) -> Span:
        return Span(self.start // cell, self.stop // cell)

    def outward(self, cell: int) -> Span:
        """Return the smallest span of whole cells that contains this one."""
        return Span(self.start // cell * cell, -(-self.stop // cell) * cell)

    def grown(self, by: int, length: int) -> Span:
        """Return the span extended by ``by`` on both sides, within ``0..length``."""
        return Span(max(self.start - by, 0), min(self.stop + by, length))


def reach(config: MagnConfig) -> int:
    """Return the reach of the residual blocks before or after the graphs in pixels, a multiple of ``stem``.

    Each block has two 3x3 convolutions; the head or tail has one.
    """
    return config.stem * (1 + 2 * max(config.blocks_before, config.blocks_after))


def node_reach(config: MagnConfig) -> int:
    """Return the reach of the residual blocks on the grid of the nodes, before or after the graphs, in pixels."""
    return config.multiple * 2 * config.graph_residuals


def tile_multiple(config: MagnConfig) -> int:
    """Return what the sides of tiles are multiples of, in pixels."""
    return int(np.lcm(LATTICE, config.multiple))


def waiting_rows(config: MagnConfig, rows: int) -> int:
    """Return the most rows of a picture that wait for a later stage, in pixels; ``rows``: of a strip."""
    return rows + config.window + reach(config) + 2 * node_reach(config) + 2 * tile_multiple(config)


def windows(length: int, size: int, overlap: int) -> list[Span]:
    """Cover ``0..length`` with windows of ``size`` that overlap by ``overlap`` or more.

    They start at multiples of ``size - overlap``, except for the last one, which ends at ``length``. If the axis
    is shorter than a window, a single window covers it.
    """
    if length <= size:
        return [Span(0, length)]
    starts = [*range(0, length - size, size - overlap), length - size]
    return [Span(start, start + size) for start in starts]


def blending(spans: list[Span], overlap: int) -> list[NDArray[np.float32]]:
    """Return the blending weights of each window, ``(size,)``: ramps over ``overlap`` that add up to one.

    Windows come from :func:`windows`, in order.
    """
    weights = []
    for index, span in enumerate(spans):
        own = np.ones(len(span))
        ramp = (np.arange(overlap) + 0.5) / max(overlap, 1)
        if index > 0:
            own[:overlap] = ramp
        if index < len(spans) - 1:
            own[len(own) - overlap :] = ramp[::-1]
        weights.append(own)
    total = np.zeros(spans[-1].stop)
    for span, own in zip(spans, weights, strict=True):
        total[span.start : span.stop] += own
    return [(own / total[s.start : s.stop]).astype(np.float32) for s, own in zip(spans, weights, strict=True)]


def tiles(span: Span, size: int, multiple: int) -> list[Span]:
    """Cut a span into as few, nearly equal tiles of at most ``size`` as possible, starting at multiples.

    ``span.start`` and ``size`` must be multiples of ``multiple``. An empty span has no tiles.
    """
    if not len(span):
        return []
    count = -(-len(span) // size)
    even = -(-len(span) // (count * multiple)) * multiple
    starts = range(span.start, span.stop, even)
    return [Span(start, min(start + even, span.stop)) for start in starts]
