"""One picture's way through the network, from top to bottom, in three stages that follow each other.

The first residual blocks run over pieces of the picture; as soon as their rows reach the end of a row of graph
windows, the graph blocks run on these windows; as soon as no window can change a row any more, the second
residual blocks run over pieces of those rows. Each stage sees the true neighbours of its piece, so only these
are computed twice, and only rows that a later stage still needs are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magn_cli.images import Array, to_float
from magn_cli.model import UNKNOWN_LEVEL, Magn
from magn_cli.restoration.border import BORDER, continued
from magn_cli.restoration.windows import Span, blending, pieces, windows

LATTICE = 8
"""Pieces, windows and padding start at multiples of this many pixels: the JPEG grid, and so the Bayer grid."""


class Overflow(Exception):  # noqa: N818 - as Python's own OverflowError, but for one picture's restart
    """A result is not finite."""


class Flow:
    """How one network runs over pictures with one setting of device, precision and tile."""

    def __init__(
        self, model: Magn, device: torch.device, dtype: torch.dtype, tile: int, windows_at_once: int
    ) -> None:
        """``tile``: at most so many pixels a side in one piece, neighbours not counted."""
        self.model, self.device, self.dtype, self.windows_at_once = model, device, dtype, windows_at_once
        config = model.config
        self.stem, self.cell = config.stem, config.multiple
        self.window, self.overlap = config.window, config.window_overlap
        self.multiple = int(np.lcm(LATTICE, self.cell))
        self.held_back = -(-self.window // self.multiple) * self.multiple
        self.tile = max(tile // self.multiple, 1) * self.multiple
        self.reach = [
            _reach(self.cell, config.stem, n, config.graph_residuals)
            for n in (config.blocks_before, config.blocks_after)
        ]

    def run(
        self, seen: Array, level: float | None, keeps_bayer: bool, progress: Callable[[float], None]
    ) -> Iterator[tuple[Span, NDArray[np.float32]]]:
        """Restore one picture ``(H, W, C)``; see :meth:`Restorer.bands`. Raises :class:`Overflow`."""
        height, width = seen.shape[:2]
        source = _Source(
            seen, [continued(side, self.multiple, keeps_bayer) for side in (height, width)], self.device
        )
        told = torch.tensor([UNKNOWN_LEVEL if level is None else level], device=self.device)
        graphs = _Graphs(self, source.size)
        length = source.size[0]
        features, decoded = _Rows(), 0
        for band in pieces(Span(0, length), self.tile, self.multiple):
            new_features, new_nodes = self._encoded(source, band, told)
            features.append(new_features)
            graphs.add(new_nodes)
            progress((0.5 * band.stop + 0.5 * decoded) / length)
            ready = graphs.done * self.cell
            ready = length if ready == length else max(ready - self.reach[1], 0) // self.multiple * self.multiple
            if ready == decoded:
                continue
            # What the graphs held back comes on top at the end: no reason for another, smaller piece.
            for rows in pieces(Span(decoded, ready), self.tile + self.held_back, self.multiple):
                values = self._decoded(source, features, graphs.out, rows)
                progress((0.5 * band.stop + 0.5 * rows.stop) / length)
                kept = Span(max(rows.start - BORDER, 0), min(rows.stop - BORDER, height))
                if kept.start < kept.stop:
                    first = kept.start + BORDER - rows.start
                    yield kept, values[first : first + len(kept), BORDER : BORDER + width]
            decoded = ready
            needed = Span(decoded, length).grown(self.reach[1], length).start
            features.forget(needed // self.stem)
            graphs.out.forget(needed // self.cell)

    def computing(self) -> torch.autocast:
        """Return the context that stages run in."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _encoded(self, source: _Source, rows: Span, told: Tensor) -> tuple[Tensor | None, Tensor]:
        """First residual blocks over all columns of some rows: features and nodes of just these rows."""
        size = source.size
        around = rows.grown(self.reach[0], size[0])
        out: list[Tensor | None] = [None, None]
        for columns in pieces(Span(0, size[1]), self.tile, self.multiple):
            beside = columns.grown(self.reach[0], size[1])
            with torch.inference_mode(), self.computing():
                both = self.model.encode(source.piece(around, beside), told)
                for which, (part, cell) in enumerate(zip(both, (self.stem, self.cell), strict=True)):
                    if part is None:
                        continue
                    inner = part[
                        :, :, (rows // cell).within(around // cell), (columns // cell).within(beside // cell)
                    ]
                    whole = out[which]
                    if whole is None:
                        shape = (*inner.shape[:3], size[1] // cell)
                        out[which] = whole = _memory(shape, inner.dtype, self.device)
                    whole[:, :, :, (columns // cell).slice] = inner
        assert out[1] is not None
        return out[0], out[1]

    def _decoded(self, source: _Source, features: _Rows, nodes: _Rows, rows: Span) -> NDArray[np.float32]:
        """Second residual blocks over all columns of some rows: ``(rows, W, C)``."""
        size = source.size
        around = rows.grown(self.reach[1], size[0])
        out = np.empty((len(rows), size[1], source.channels), np.float32)
        for columns in pieces(Span(0, size[1]), self.tile, self.multiple):
            beside = columns.grown(self.reach[1], size[1])
            with torch.inference_mode(), self.computing():
                result = self.model.decode(
                    features.cut(around // self.stem, beside // self.stem) if features.held is not None else None,
                    nodes.cut(around // self.cell, beside // self.cell, self.dtype),
                    source.piece(around, beside),
                )[0, :, rows.within(around), columns.within(beside)]
                if not torch.isfinite(result).all():
                    raise Overflow
            out[:, columns.slice] = result.permute(1, 2, 0).float().cpu().numpy()
        return out


def _reach(cell: int, stem: int, blocks: int, on_nodes: int) -> int:
    """How many pixels far a stage looks: two 3x3 convolutions a block, and one for head or tail."""
    pixels = stem * (1 + 2 * blocks) + cell * 2 * on_nodes
    return -(-pixels // cell) * cell


def _memory(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=device, memory_format=torch.channels_last)


class _Source:
    """The picture with its border continued, given out in pieces of floats."""

    def __init__(self, seen: Array, index: list[NDArray[np.intp]], device: torch.device) -> None:
        self.seen, self.index, self.device = seen, index, device
        self.size, self.channels = [len(i) for i in index], seen.shape[2]

    def piece(self, rows: Span, columns: Span) -> Tensor:
        """``(1, C, rows, columns)``, channels last."""
        values = to_float(self.seen[self.index[0][rows.slice][:, None], self.index[1][columns.slice]])
        return torch.from_numpy(values)[None].to(self.device).permute(0, 3, 1, 2)


class _Rows:
    """Rows of features over the whole width, of which those at the top can be forgotten."""

    def __init__(self) -> None:
        self.start = 0
        self.held: Tensor | None = None

    @property
    def span(self) -> Span:
        """Which rows are held."""
        return Span(self.start, self.start + (0 if self.held is None else self.held.shape[2]))

    def append(self, more: Tensor | None) -> None:
        """Add rows below: ``(1, F, rows, W)``."""
        if more is not None:
            self.held = more if self.held is None else torch.cat([self.held, more], dim=2)

    def forget(self, before: int) -> None:
        """Give back the memory of rows above."""
        if self.held is not None and before > self.start:
            # A copy: a view would keep all of it.
            self.held = self.held[:, :, before - self.start :].clone(memory_format=torch.channels_last)
            self.start = before

    def cut(self, rows: Span, columns: Span, dtype: torch.dtype | None = None) -> Tensor:
        """Return a piece, ``(1, F, rows, columns)``."""
        assert self.held is not None
        return self.held[:, :, rows.within(self.span), columns.slice].to(dtype or self.held.dtype)


class _Graphs:
    """The graph blocks on the windows of one picture, row of windows by row of windows."""

    def __init__(self, flow: Flow, size: list[int]) -> None:
        self.flow = flow
        self.spans = [[s // flow.cell for s in windows(side, flow.window, flow.overlap)] for side in size]
        self.weights = [
            [torch.from_numpy(w).to(flow.device) for w in blending(spans, flow.overlap // flow.cell)]
            for spans in self.spans
        ]
        self.incoming, self.out, self.next = _Rows(), _Rows(), 0

    @property
    def done(self) -> int:
        """Rows of :attr:`out`, from the top of the picture, that no later window changes."""
        rows = self.spans[0]
        return rows[-1].stop if self.next == len(rows) else rows[self.next].start

    def add(self, nodes: Tensor) -> None:
        """Take the next rows of nodes, ``(1, F, rows, W)``, and run the windows that are complete with them."""
        self.incoming.append(nodes)
        rows = self.spans[0]
        complete = [i for i in range(self.next, len(rows)) if rows[i].stop <= self.incoming.span.stop]
        if not complete:
            return
        more = rows[complete[-1]].stop - self.out.span.stop
        self.out.append(_memory((1, nodes.shape[1], more, nodes.shape[3]), torch.float32, nodes.device).zero_())
        for which in complete:
            self._run_row(rows[which], self.weights[0][which])
        self.next = complete[-1] + 1
        if self.next < len(rows):
            self.incoming.forget(rows[self.next].start)

    def _run_row(self, row: Span, down: Tensor) -> None:
        """Run the windows of one row, in batches that are the same however the picture is cut."""
        assert self.out.held is not None
        blended = self.out.held[0, :, row.within(self.out.span)]
        columns = list(zip(self.spans[1], self.weights[1], strict=True))
        for first in range(0, len(columns), self.flow.windows_at_once):
            some = columns[first : first + self.flow.windows_at_once]
            with torch.inference_mode(), self.flow.computing():
                batch = torch.cat([self.incoming.cut(row, column) for column, _ in some])
                for (column, across), out in zip(some, self.flow.model.graph(batch), strict=True):
                    blended[:, :, column.slice] += out * (down[:, None] * across)
