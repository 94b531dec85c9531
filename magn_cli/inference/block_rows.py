"""Strips of a picture cut anew, so that they begin where rows of blocks do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from magn_cli.inference.tiling import Span

Strip = tuple[Span, NDArray[np.float32]]


def block_rows(strips: Iterable[Strip], side: int, height: int) -> Iterator[Strip]:
    """Yield the same rows in strips that begin at multiples of ``side``.

    ``strips`` follow each other or begin again at the top, see :meth:`TiledNetwork.strips`; ``height``: of the
    picture.
    """
    held: Strip | None = None
    for rows, values in strips:
        if held is not None and rows.start == held[0].stop:
            rows, values = Span(held[0].start, rows.stop), np.concatenate([held[1], values])
        stop = rows.stop if rows.stop == height else rows.stop // side * side
        held = None if stop == rows.stop else (Span(stop, rows.stop), values[stop - rows.start :])
        if stop > rows.start:
            yield Span(rows.start, stop), values[: stop - rows.start]
