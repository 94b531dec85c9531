"""Runs the network over one picture from top to bottom, in three interleaved stages.

The first residual blocks take strips of the picture. When their rows reach the end of a row of graph windows, the
graph blocks run on these windows. When no window can change a row any more, the second residual blocks take it.
Residual blocks keep the rows that the next strip needs to see (:class:`RowStream`), so little is computed twice
but the columns between two tiles. Only rows that a later stage needs stay in memory.

The residual blocks on the grid of the nodes cost little. They run on the surroundings of a row of windows and of a
strip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magn_cli.images import Array, to_float
from magn_cli.inference.memory import Tile
from magn_cli.inference.padding import padding_index
from magn_cli.inference.row_buffer import RowBuffer
from magn_cli.inference.row_stream import RowStream, Strip
from magn_cli.inference.tiling import (
    Span,
    blending,
    node_reach,
    reach,
    tile_multiple,
    tiles,
    waiting_rows,
    windows,
)
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
        self.multiple = tile_multiple(self.config)
        self.rows, self.columns = (max(n // self.multiple, 1) * self.multiple for n in (tile.rows, tile.columns))
        self.reach, self.node_reach = reach(self.config), node_reach(self.config)

    def run(
        self, network_input: Array, level: float | None, keeps_bayer: bool, progress: Callable[[float], None]
    ) -> Iterator[tuple[Span, NDArray[np.float32]]]:
        """Restore one picture ``(H, W, C)``; see :meth:`TiledNetwork.strips`. Raises :class:`NonFiniteResult`."""
        height, width = network_input.shape[:2]
        source, level_input = self._source(network_input, keeps_bayer), self._level_input(level)
        length, taken = source.size[0], 0
        graphs = _Graphs(self, source.size)
        before, after = _Before(self, source, level_input, graphs), _After(self, source, graphs)
        for strip in tiles(Span(0, length), self.rows, self.multiple):
            before.take(strip)
            graphs.run()
            progress((0.5 * strip.stop + 0.5 * taken) / length)
            ready = graphs.done * self.cell
            if ready != length:
                ready = max(ready - self.node_reach, 0) // self.multiple * self.multiple
            for rows in tiles(Span(taken, ready), self.rows, self.multiple):
                done, values = after.take(rows, before.features)
                progress((0.5 * strip.stop + 0.5 * rows.stop) / length)
                kept = Span(done.start, min(done.stop, height))
                if kept.start < kept.stop:
                    yield kept, values[: len(kept), :width]
                taken = rows.stop
                before.features.forget(taken // self.stem)
                graphs.out.forget(Span(taken, length).grown(self.node_reach, length).start // self.cell)

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
        seen = [span.grown(self.reach, length) for span, length in zip(around, source.size, strict=True)]
        with self.computing():
            features = self.model.encode(source.tile(*seen), self._level_input(level))
            features = _inner(features, self.stem, around, seen)
            nodes = self.model.graph.before(self.model.graph.gathered(features))
        return _inner(nodes, self.cell, window, around)

    def _source(self, network_input: Array, keeps_bayer: bool) -> _Source:
        index = [padding_index(side, self.multiple, keeps_bayer) for side in network_input.shape[:2]]
        return _Source(network_input, index, self.device)

    def _level_input(self, level: float | None) -> Tensor:
        return torch.tensor([UNKNOWN_LEVEL if level is None else level], device=self.device)

    def column_tiles(self, width: int, stream: Callable[[], RowStream]) -> list[_Columns]:
        """Cut the columns of a picture into tiles, each with a stream of its own."""
        spans = tiles(Span(0, width), self.columns, self.multiple)
        return [_Columns(span, span.grown(self.reach, width), stream()) for span in spans]

    def waiting(self, size: list[int], cell: int) -> RowBuffer:
        """Return a buffer for the largest number of rows that can wait for a later stage."""
        most = min(waiting_rows(self.config, self.rows), size[0])
        return RowBuffer(most // cell, size[1] // cell, self.device)

    def computing(self) -> torch.autocast:
        """Return the context that stages run in."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)


class _Columns:
    """A tile's columns, with the columns around them that its residual blocks must see."""

    def __init__(self, inner: Span, around: Span, stream: RowStream) -> None:
        self.inner, self.around, self.stream = inner, around, stream

    def within(self, cell: int) -> slice:
        """Return their slice in a tensor that covers the columns around, with ``cell`` pixels a value."""
        return (self.inner // cell).within(self.around // cell)


class _Before:
    """Runs the first residual blocks over strips of the picture, and gathers nodes for the graphs."""

    def __init__(self, inference: TiledInference, source: _Source, level_input: Tensor, graphs: _Graphs) -> None:
        self.inference, self.source, self.level_input, self.graphs = inference, source, level_input, graphs
        self.columns = inference.column_tiles(source.size[1], lambda: RowStream(inference.model.before))
        self.features = inference.waiting(source.size, inference.stem)
        self.given = self.gathered = 0

    @torch.inference_mode()
    def take(self, rows: Span) -> None:
        """Take some rows of the picture, and append what becomes complete to features and nodes."""
        self.given += [self._take(rows, columns) for columns in self.columns][-1]
        self._gather()

    def _take(self, rows: Span, columns: _Columns) -> int:
        """Do so for the columns of a tile; returns the number of rows of features."""
        stem, last = self.inference.stem, rows.stop == self.source.size[0]
        with self.inference.computing():
            part = columns.stream.push(self._first_features(rows, columns), last)
        if len(part):
            given = Span(self.given, self.given + len(part))
            self._buffer.write(part.rows[:, :, :, columns.within(stem)], given, columns.inner // stem)
        return len(part)

    @property
    def _buffer(self) -> RowBuffer:
        """Where features wait: without a grid of their own, they are the nodes."""
        return self.graphs.incoming if self.inference.model.graph.gather is None else self.features

    def _first_features(self, rows: Span, columns: _Columns) -> Strip:
        """Run the head on some rows, and on those above them that leave room in the tensor."""
        stem, length = self.inference.stem, self.source.size[0]
        # Beyond the rows that the head sees, the picture goes on, unless it ends there.
        around = Span(rows.start - stem * (columns.stream.room + 1), rows.stop + stem).grown(0, length)
        held = self.inference.model.first_features(self.source.tile(around, columns.around), self.level_input)
        return Strip(held, (rows.start - around.start) // stem, (rows.stop - around.start) // stem)

    def _gather(self) -> None:
        graph, cell = self.inference.model.graph, self.inference.cell // self.inference.stem
        rows = Span(self.gathered, self.given) // cell
        if graph.gather is None or not len(rows):
            return
        whole = Span(rows.start * cell, rows.stop * cell)
        with self.inference.computing():
            nodes = graph.gathered(self.features.cut(whole, Span(0, self.features.width)))
        self.graphs.incoming.write(nodes, rows, Span(0, self.graphs.incoming.width))
        self.gathered = whole.stop


class _After:
    """Applies the graphs to the features, and runs the second residual blocks and the tail."""

    def __init__(self, inference: TiledInference, source: _Source, graphs: _Graphs) -> None:
        self.inference, self.source, self.graphs = inference, source, graphs
        model = inference.model
        self.columns = inference.column_tiles(source.size[1], lambda: RowStream(model.after, model))
        self.given = 0

    @torch.inference_mode()
    def take(self, rows: Span, features: RowBuffer) -> tuple[Span, NDArray[np.float32]]:
        """Take some rows of features; returns the rows of the picture that are complete, ``(rows, W, C)``."""
        parts = [self._take(rows, columns, features) for columns in self.columns]
        done = Span(self.given, self.given + len(parts[0]))
        self.given = done.stop
        return done, parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _take(self, rows: Span, columns: _Columns, features: RowBuffer) -> NDArray[np.float32]:
        """Do so for the columns of a tile."""
        source = self.source
        with self.inference.computing():
            change = columns.stream.push(self._applied(features, rows, columns), rows.stop == source.size[0])
            done = Span(self.given, self.given + len(change))
            if not len(done):
                return np.empty((0, len(columns.inner), source.channels), np.float32)
            result = source.tile(done, columns.inner) + change.rows[:, :, :, columns.within(1)]
            if not torch.isfinite(result).all():
                raise NonFiniteResult
        return result[0].permute(1, 2, 0).float().cpu().numpy()

    def _applied(self, features: RowBuffer, rows: Span, columns: _Columns) -> Strip:
        """Return some rows of the features with the result of the graphs, with room above them."""
        inference, graph, room = self.inference, self.inference.model.graph, columns.stream.room
        stem, cell, size = inference.stem, inference.cell, self.source.size
        fine = rows // stem, columns.around // stem
        shape = (1, inference.config.features, room + len(fine[0]), len(fine[1]))
        held = torch.empty(
            shape, dtype=inference.dtype, device=inference.device, memory_format=torch.channels_last
        )
        strip = Strip(held, room, room + len(fine[0]))
        if graph.gather is None:
            strip.rows.copy_(self.graphs.out.cut(*fine))
            return strip
        inner = rows, columns.around
        cells = [span.outward(cell) for span in inner]
        around = [span.grown(inference.node_reach, length) for span, length in zip(cells, size, strict=True)]
        nodes = self.graphs.out.cut(around[0] // cell, around[1] // cell).to(inference.dtype)
        own = _inner(graph.after(nodes), cell, cells, around)
        torch.add(features.cut(*fine), _inner(graph.spread(own), stem, inner, cells), out=strip.rows)
        return strip


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
