"""Runs the network over one picture from top to bottom, in three interleaved stages.

The first residual blocks run over tiles of the picture. When their rows reach the end of a row of graph windows,
the graph blocks run on these windows. When no window can change a row any more, the second residual blocks run
over tiles of that row. Each stage sees the true surroundings of its tile, so only these are computed twice, and
only rows that a later stage needs stay in memory.

The residual blocks on the grid of the nodes reach far and cost little. They run on the surroundings of a row of
windows and of a tile by themselves, so that the tiles of features need fewer surroundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magn_cli.images import Array, to_float
from magn_cli.inference.memory import Tile
from magn_cli.inference.padding import BORDER, padding_index
from magn_cli.inference.row_buffer import RowBuffer
from magn_cli.inference.tiling import LATTICE, Span, blending, node_reach, reach, tiles, whole_reach, windows
from magn_cli.model import UNKNOWN_LEVEL, Magn


class NonFiniteResult(Exception):  # noqa: N818 - tells the caller to start again, so it is no error of its own
    """The network returned a value that is not finite."""


class TiledInference:
    """Runs one network over pictures with a fixed device, precision and tile size."""

    def __init__(
        self, model: Magn, device: torch.device, dtype: torch.dtype, tile: Tile, windows_at_once: int
    ) -> None:
        """Combine a network and its settings.

        Args:
            model: the network, on ``device``.
            device: where to compute.
            dtype: float32, or the half type that the stages compute in.
            tile: largest tile, without its surroundings.
            windows_at_once: graph windows in one batch.
        """
        self.model, self.device, self.dtype, self.windows_at_once = model, device, dtype, windows_at_once
        self.config, self.stem, self.cell = model.config, model.config.stem, model.config.multiple
        self.multiple = int(np.lcm(LATTICE, self.cell))
        self.rows, self.columns = (max(n // self.multiple, 1) * self.multiple for n in (tile.rows, tile.columns))
        self.held_back = -(-self.config.window // self.multiple) * self.multiple
        self.reach, self.node_reach = reach(self.config), node_reach(self.config)
        self.whole_reach = whole_reach(self.config)

    def run(
        self, network_input: Array, level: float | None, keeps_bayer: bool, progress: Callable[[float], None]
    ) -> Iterator[tuple[Span, NDArray[np.float32]]]:
        """Restore one picture ``(H, W, C)``; see :meth:`TiledNetwork.strips`. Raises :class:`NonFiniteResult`."""
        height, width = network_input.shape[:2]
        source, level_input = self._source(network_input, keeps_bayer), self._level_input(level)
        length, decoded = source.size[0], 0
        features, graphs = self.waiting(source.size, self.stem), _Graphs(self, source.size)
        for strip in tiles(Span(0, length), self.rows, self.multiple):
            self._encode(source, strip, level_input, features, graphs.incoming)
            graphs.run()
            progress((0.5 * strip.stop + 0.5 * decoded) / length)
            ready = graphs.done * self.cell
            if ready != length:
                ready = max(ready - self.whole_reach, 0) // self.multiple * self.multiple
            if ready == decoded:
                continue
            # The last rows include those that the graphs held back; they need no smaller tile of their own.
            for rows in tiles(Span(decoded, ready), self.rows + self.held_back, self.multiple):
                values = self._decoded(source, features, graphs.out, rows)
                progress((0.5 * strip.stop + 0.5 * rows.stop) / length)
                kept = Span(max(rows.start - BORDER, 0), min(rows.stop - BORDER, height))
                if kept.start < kept.stop:
                    first = kept.start + BORDER - rows.start
                    yield kept, values[first : first + len(kept), BORDER : BORDER + width]
            decoded = ready
            rest = Span(decoded, length)
            features.forget(rest.grown(self.reach, length).start // self.stem)
            graphs.out.forget(rest.grown(self.whole_reach, length).start // self.cell)

    @torch.inference_mode()
    def nodes(
        self, network_input: Array, level: float | None, keeps_bayer: bool, rows: Span, columns: Span
    ) -> Tensor:
        """Return the nodes that the graphs get in one window, ``(1, F, rows, columns)`` on the grid of the nodes.

        Args:
            network_input: ``(H, W, C)``.
            level: value of the level channel; None if unknown.
            keeps_bayer: as for :meth:`TiledNetwork.strips`.
            rows: of the window, in pixels of the padded picture; multiples of the network's.
            columns: likewise.
        """
        source, window = self._source(network_input, keeps_bayer), (rows, columns)
        around = [span.grown(self.node_reach, length) for span, length in zip(window, source.size, strict=True)]
        features = self._encoded(source, around[0], around[1], self._level_input(level))
        with self.computing():
            nodes = self.model.graph.before(self.model.graph.gathered(features))
        return self._inner(nodes, self.cell, window, around)

    def _source(self, network_input: Array, keeps_bayer: bool) -> _Source:
        index = [padding_index(side, self.multiple, keeps_bayer) for side in network_input.shape[:2]]
        return _Source(network_input, index, self.device)

    def _level_input(self, level: float | None) -> Tensor:
        return torch.tensor([UNKNOWN_LEVEL if level is None else level], device=self.device)

    def waiting(self, size: list[int], cell: int) -> RowBuffer:
        """Return a buffer for the largest number of rows that can wait for a later stage."""
        around = 2 * self.whole_reach + self.node_reach + 2 * self.multiple
        most = min(self.rows + self.held_back + around, size[0])
        return RowBuffer(most // cell, size[1] // cell, self.device)

    def computing(self) -> torch.autocast:
        """Return the context that stages run in."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    @torch.inference_mode()
    def _encode(
        self, source: _Source, rows: Span, level_input: Tensor, features: RowBuffer, nodes: RowBuffer
    ) -> None:
        """Run the first residual blocks over all columns of some rows, and append to features and nodes."""
        for columns in tiles(Span(0, source.size[1]), self.columns, self.multiple):
            part = self._encoded(source, rows, columns, level_input)
            if self.model.graph.gather is not None:
                features.write(part, rows // self.stem, columns // self.stem)
            with self.computing():
                gathered = self.model.graph.gathered(part)
            nodes.write(gathered, rows // self.cell, columns // self.cell)

    def _encoded(self, source: _Source, rows: Span, columns: Span, level_input: Tensor) -> Tensor:
        """Run the first residual blocks over a tile with its surroundings; returns the tile's features."""
        around, beside = rows.grown(self.reach, source.size[0]), columns.grown(self.reach, source.size[1])
        with self.computing():
            features = self.model.encode(source.tile(around, beside), level_input)
        return self._inner(features, self.stem, (rows, columns), (around, beside))

    @torch.inference_mode()
    def _decoded(self, source: _Source, features: RowBuffer, nodes: RowBuffer, rows: Span) -> NDArray[np.float32]:
        """Run the second residual blocks over all columns of some rows; returns ``(rows, W, C)``."""
        size = source.size
        around = rows.grown(self.reach, size[0])
        out = np.empty((len(rows), size[1], source.channels), np.float32)
        for columns in tiles(Span(0, size[1]), self.columns, self.multiple):
            beside = columns.grown(self.reach, size[1])
            with self.computing():
                part = self._applied(features, nodes, around, beside, size)
                result = self.model.decode(part, source.tile(around, beside))
                result = result[0, :, rows.within(around), columns.within(beside)]
                if not torch.isfinite(result).all():
                    raise NonFiniteResult
            out[:, columns.slice] = result.permute(1, 2, 0).float().cpu().numpy()
        return out

    def _applied(
        self, features: RowBuffer, nodes: RowBuffer, rows: Span, columns: Span, size: list[int]
    ) -> Tensor:
        """Return a part of the features with the result of the graphs, ``(1, F, rows / stem, columns / stem)``."""
        if self.model.graph.gather is None:
            return nodes.cut(rows // self.stem, columns // self.stem).to(self.dtype)
        cells = [span.outward(self.cell) for span in (rows, columns)]
        around = [span.grown(self.node_reach, length) for span, length in zip(cells, size, strict=True)]
        held = nodes.cut(around[0] // self.cell, around[1] // self.cell).to(self.dtype)
        own = self._inner(self.model.graph.after(held), self.cell, cells, around)
        change = self._inner(self.model.graph.spread(own), self.stem, (rows, columns), cells)
        return features.cut(rows // self.stem, columns // self.stem) + change

    @staticmethod
    def _inner(part: Tensor, cell: int, inner: Sequence[Span], outer: Sequence[Span]) -> Tensor:
        """Cut the rows and columns ``inner`` from a tensor that covers ``outer``, with ``cell`` pixels a value."""
        rows, columns = ((i // cell).within(o // cell) for i, o in zip(inner, outer, strict=True))
        return part[:, :, rows, columns]


class _Source:
    """The padded picture, which it returns in tiles of floats."""

    def __init__(self, network_input: Array, index: list[NDArray[np.intp]], device: torch.device) -> None:
        self.network_input, self.index, self.device = network_input, index, device
        self.size, self.channels = [len(i) for i in index], network_input.shape[2]

    def tile(self, rows: Span, columns: Span) -> Tensor:
        """Return a tile ``(1, C, rows, columns)`` in channels-last memory format."""
        down, across = self.index[0][rows.slice], self.index[1][columns.slice]
        # An index that turns back at the border makes a copy of its own.
        held = self.network_input[_slice(down) or down]
        values = np.ascontiguousarray(to_float(held[:, _slice(across) or across]))
        return torch.from_numpy(values)[None].to(self.device).permute(0, 3, 1, 2)


def _slice(index: NDArray[np.intp]) -> slice | None:
    """Return the slice of an index that goes up by one; None if it does not."""
    first, last = int(index[0]), int(index[-1])
    return slice(first, last + 1) if last - first + 1 == len(index) and (np.diff(index) == 1).all() else None


class _Graphs:
    """Runs the graph blocks on the windows of one picture, one row of windows after the other."""

    def __init__(self, inference: TiledInference, size: list[int]) -> None:
        self.inference, config = inference, inference.config
        cut = [windows(side, config.window, config.window_overlap) for side in size]
        self.spans = [[span // inference.cell for span in spans] for spans in cut]
        self.weights = [
            [
                torch.from_numpy(w).to(inference.device)
                for w in blending(spans, config.window_overlap // inference.cell)
            ]
            for spans in self.spans
        ]
        self.incoming, self.out = inference.waiting(size, inference.cell), inference.waiting(size, inference.cell)
        self.next = 0
        self.reach, self.length = inference.node_reach // inference.cell, size[0] // inference.cell

    @property
    def done(self) -> int:
        """Number of rows of :attr:`out`, from the top, that no later window can change."""
        rows = self.spans[0]
        return rows[-1].stop if self.next == len(rows) else rows[self.next].start

    @torch.inference_mode()
    def run(self) -> None:
        """Run all windows that the incoming nodes have completed."""
        rows = self.spans[0]
        known = self.incoming.span.stop
        complete = [i for i in range(self.next, len(rows)) if self._around(rows[i]).stop <= known]
        if not complete:
            return
        assert self.incoming.held is not None
        self.out.extend(rows[complete[-1]].stop, self.incoming.held.shape[1], torch.float32).zero_()
        for which in complete:
            self._run_row(rows[which], self.weights[0][which])
        self.next = complete[-1] + 1
        if self.next < len(rows):
            self.incoming.forget(self._around(rows[self.next]).start)

    def _around(self, row: Span) -> Span:
        """Return a row of windows with the surroundings that the residual blocks on its grid see."""
        return row.grown(self.reach, self.length)

    def _run_row(self, row: Span, down: Tensor) -> None:
        """Run the windows of one row, in batches that do not depend on the tiles."""
        assert self.out.held is not None
        around = self._around(row)
        with self.inference.computing():
            nodes = self.inference.model.graph.before(self.incoming.cut(around, Span(0, self.incoming.width)))
        nodes = nodes[:, :, row.within(around)]
        blended = self.out.held[0, :, row.within(self.out.span)]
        columns = list(zip(self.spans[1], self.weights[1], strict=True))
        for first in range(0, len(columns), self.inference.windows_at_once):
            some = columns[first : first + self.inference.windows_at_once]
            with self.inference.computing():
                batch = torch.cat([nodes[:, :, :, column.slice] for column, _ in some])
                for (column, across), out in zip(some, self.inference.model.graph(batch), strict=True):
                    blended[:, :, column.slice] += out * (down[:, None] * across)
