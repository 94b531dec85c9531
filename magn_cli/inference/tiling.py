"""Where graph windows and tiles lie: pure arithmetic, on one axis at a time.

The graphs of the network see windows of the size they were trained on, at places that depend on the size of
the picture alone. A tile is what is worked on at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from magn_cli.model import MagnConfig

LATTICE = 8
"""Pieces, windows and padding start at multiples of this many pixels: the JPEG grid, and so the Bayer grid."""


@dataclass(frozen=True)
class Span:
    """Positions ``start .. stop - 1`` on one axis."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def within(self, outer: Span) -> slice:
        """Return the slice of an array over ``outer`` that covers this span."""
        return slice(self.start - outer.start, self.stop - outer.start)

    @property
    def slice(self) -> slice:
        """The slice of an array over the whole axis."""
        return slice(self.start, self.stop)

    def __floordiv__(self, cell: int) -> Span:
        return Span(self.start // cell, self.stop // cell)

    def outward(self, cell: int) -> Span:
        """Return the least span of whole cells that holds this one."""
        return Span(self.start // cell * cell, -(-self.stop // cell) * cell)

    def grown(self, by: int, length: int) -> Span:
        """Return the span with ``by`` more on both sides, cut off at ``0..length``."""
        return Span(max(self.start - by, 0), min(self.stop + by, length))


def reach(config: MagnConfig) -> int:
    """How many pixels far the residual blocks before or after the graphs look, a multiple of ``stem``.

    Two 3x3 convolutions a block, and one for head or tail.
    """
    return config.stem * (1 + 2 * max(config.blocks_before, config.blocks_after))


def node_reach(config: MagnConfig) -> int:
    """How many pixels far the residual blocks on the grid of the nodes look, before or after the graphs."""
    return config.multiple * 2 * config.graph_residuals


def whole_reach(config: MagnConfig) -> int:
    """Return :func:`reach` and :func:`node_reach` in one, in whole nodes."""
    return -(-reach(config) // config.multiple) * config.multiple + node_reach(config)


def windows(length: int, size: int, overlap: int) -> list[Span]:
    """Cover ``0..length`` with windows of ``size`` that share ``overlap`` or more with the next.

    Starts are multiples of ``size - overlap``, but for the last, which ends at ``length``. An axis shorter
    than a window has one window of its own length.
    """
    if length <= size:
        return [Span(0, length)]
    starts = [*range(0, length - size, size - overlap), length - size]
    return [Span(start, start + size) for start in starts]


def blending(spans: list[Span], overlap: int) -> list[NDArray[np.float32]]:
    """Return the weights of each window, ``(size,)``: ramps over ``overlap``, one in all everywhere."""
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
    """Cut a span into the fewest about even tiles of at most ``size``, which start at multiples.

    ``span.start`` and ``size`` are multiples of ``multiple`` themselves.
    """
    count = -(-len(span) // size)
    even = -(-len(span) // (count * multiple)) * multiple
    starts = range(span.start, span.stop, even)
    return [Span(start, min(start + even, span.stop)) for start in starts]
