"""Where tiles and graph windows lie: pure arithmetic, on one axis at a time.

The graphs of the network see windows of the size they were trained on, at places that depend on the size of
the picture alone. A tile is a piece of the picture that is worked on at once: it takes in every window that
its result depends on, and true neighbours for the convolutions, so the tile size decides memory and never
the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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

    def grown(self, by: int, length: int, multiple: int) -> Span:
        """Return the span with ``by`` more on both sides, on multiples, cut off at ``0..length``."""
        start = max(self.start - by, 0) // multiple * multiple
        stop = min(-(-(self.stop + by) // multiple) * multiple, length)
        return Span(start, stop)


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


@dataclass(frozen=True)
class Tile:
    """What one piece of the result depends on, each span inside the one after it."""

    core: Span
    """The result that is kept."""

    decoded: Span
    """The core with the neighbours that the second residual blocks look at."""

    windows: range
    """The windows that touch ``decoded``."""

    graphs: Span
    """From the first of these windows to the end of the last."""

    encoded: Span
    """The graphs' span with the neighbours that the first residual blocks look at."""


def tiles(length: int, tile: int, spans: list[Span], reach: tuple[int, int], multiple: int) -> list[Tile]:
    """Cut ``0..length`` into about even tiles of at most ``tile``, where it costs the fewest neighbours.

    Args:
        length: a multiple of ``multiple``.
        tile: largest core; at least ``multiple``.
        spans: the windows of this axis.
        reach: how far the first and the second residual blocks look, in the same unit.
        multiple: cores, windows and spans start at multiples of this.
    """
    cut = []
    for core in _cores(length, max(tile, multiple), spans, reach[1], multiple):
        decoded = core.grown(reach[1], length, multiple)
        touching = [i for i, s in enumerate(spans) if s.start < decoded.stop and s.stop > decoded.start]
        graphs = Span(min(spans[i].start for i in touching), max(spans[i].stop for i in touching))
        encoded = graphs.grown(reach[0], length, multiple)
        cut.append(Tile(core, decoded, range(touching[0], touching[-1] + 1), graphs, encoded))
    return cut


def _cores(length: int, tile: int, spans: list[Span], reach: int, multiple: int) -> list[Span]:
    """Cut ``0..length``; where tiles are large enough, just after windows meet.

    There the neighbours that decoding needs on one side end with a window, and on the other start with one.
    """
    step = spans[1].start if len(spans) > 1 else length
    overlap = len(spans[0]) - step
    after = overlap - (-reach // multiple) * multiple
    aligned = tile >= 2 * step and len(spans) > 1
    count = -(-length // (tile - step if aligned else tile))
    size = -(-length // (count * multiple)) * multiple
    starts = list(range(0, length, size))
    if aligned:
        starts[1:] = [start + (after - start) % step for start in starts[1:]]
    starts = [start for start in starts if start < length]
    return [Span(start, stop) for start, stop in zip(starts, [*starts[1:], length], strict=True)]
