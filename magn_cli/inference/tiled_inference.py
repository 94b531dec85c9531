"""One picture's way through the network, from top to bottom, in three stages that follow each other.

The first residual blocks run over tiles of the picture; as soon as their rows reach the end of a row of graph
windows, the graph blocks run on these windows; as soon as no window can change a row any more, the second
residual blocks run over tiles of those rows. Each stage sees the true neighbours of its tile, so only these
are computed twice, and only rows that a later stage still needs are held. The residual blocks on the grid of
the nodes see far and cost little: they run with the graphs and on the nodes around a tile, so that the tiles of
features need fewer neighbours.
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


class NonFiniteResult(Exception):  # noqa: N818 - as Python's own OverflowError, but for one picture's restart
    """A result is not finite."""


class TiledInference:
    """How one network runs over pictures with one setting of device, precision and size of the tiles."""

    def __init__(
        self, model: Magn, device: torch.device, dtype: torch.dtype, tile: Tile, windows_at_once: int
    ) -> None:
        """``tile``: the largest that is worked on at once, neighbours not counted."""
        self.model, self.device, self.dtype, self.windows_at_once = model, device, dtype, windows_at_once
        self.config, self.stem, self.cell = model.config, model.config.stem, model.config.multiple
        self.multiple = int(np.lcm(LATTICE, self.cell))
        self.rows, self.columns = (max(n // self.multiple, 1) * self.multiple for n in (tile.rows, tile.columns))
        self.held_back = -(-self.config.window // self.multiple) * self.multiple
        self.reach, self.node_reach, self.whole_reach = (f(self.config) for f in (reach, node_reach, whole_reach))

    def run(
        self, network_input: Array, level: float | None, keeps_bayer: bool, progress: Callable[[float], None]
    ) -> Iterator[tuple[Span, NDArray[np.float32]]]:
        """Restore one picture ``(H, W, C)``; see :meth:`TiledNetwork.strips`. Raises :class:`NonFiniteResult`."""
        height, width = network_input.shape[:2]
        index = [padding_index(side, self.multiple, keeps_bayer) for side in (height, width)]
        source = _Source(network_input, index, self.device)
        level_input = torch.tensor([UNKNOWN_LEVEL if level is None else level], device=self.device)
        length, decoded = source.size[0], 0
        features, graphs = self.waiting(source.size, self.stem), _Graphs(self, source.size)
        for strip in tiles(Span(0, length), self.rows, self.multiple):
            self._encode(source, strip, level_input, features, graphs.incoming)
            graphs.run()
            progress((0.5 * strip.stop + 0.5 * decoded) / length)
            ready = graphs.done * self.cell
            ready = (
                length if ready == length else max(ready - self.whole_reach, 0) // self.multiple * self.multiple
            )
            if ready == decoded:
                continue
            # What the graphs held back comes on top at the end: no reason for another, smaller tile.
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

    def waiting(self, size: list[int], cell: int) -> RowBuffer:
        """Return room for as many rows of features as ever wait for a later stage."""
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
        """First residual blocks over all columns of some rows, appended to features and nodes."""
        size = source.size
        around = rows.grown(self.reach, size[0])
        for columns in tiles(Span(0, size[1]), self.columns, self.multiple):
            beside = columns.grown(self.reach, size[1])
            with self.computing():
                whole = self.model.encode(source.tile(around, beside), level_input)
                part = self._cropped(whole, self.stem, (rows, columns), (around, beside))
                if self.model.graph.gather is not None:
                    features.write(part, rows // self.stem, columns // self.stem)
                nodes.write(self.model.graph.gathered(part), rows // self.cell, columns // self.cell)

    @torch.inference_mode()
    def _decoded(self, source: _Source, features: RowBuffer, nodes: RowBuffer, rows: Span) -> NDArray[np.float32]:
        """Second residual blocks over all columns of some rows: ``(rows, W, C)``."""
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
        """Features of some rows and columns with the graphs applied: ``(1, F, rows / stem, columns / stem)``."""
        if self.model.graph.gather is None:
            return nodes.cut(rows // self.stem, columns // self.stem).to(self.dtype)
        # Whole nodes, and then those that the residual blocks on their grid need around them.
        cells = [span.outward(self.cell) for span in (rows, columns)]
        around = [cell.grown(self.node_reach, length) for cell, length in zip(cells, size, strict=True)]
        held = nodes.cut(around[0] // self.cell, around[1] // self.cell).to(self.dtype)
        inner = self._cropped(self.model.graph.after(held), self.cell, cells, around)
        change = self._cropped(self.model.graph.spread(inner), self.stem, (rows, columns), cells)
        return features.cut(rows // self.stem, columns // self.stem) + change

    def _cropped(self, part: Tensor, cell: int, inner: Sequence[Span], outer: Sequence[Span]) -> Tensor:
        """Cut rows and columns out of a tensor that holds more, on a grid of ``cell`` pixels."""
        rows, columns = ((i // cell).within(o // cell) for i, o in zip(inner, outer, strict=True))
        return part[:, :, rows, columns]


class _Source:
    """The picture with its border continued, given out in tiles of floats."""

    def __init__(self, network_input: Array, index: list[NDArray[np.intp]], device: torch.device) -> None:
        self.network_input, self.index, self.device = network_input, index, device
        self.size, self.channels = [len(i) for i in index], network_input.shape[2]

    def tile(self, rows: Span, columns: Span) -> Tensor:
        """``(1, C, rows, columns)``, channels last."""
        values = to_float(self.network_input[self.index[0][rows.slice][:, None], self.index[1][columns.slice]])
        return torch.from_numpy(values)[None].to(self.device).permute(0, 3, 1, 2)


class _Graphs:
    """The graph blocks on the windows of one picture, row of windows by row of windows."""

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
        """Rows of :attr:`out`, from the top of the picture, that no later window changes."""
        rows = self.spans[0]
        return rows[-1].stop if self.next == len(rows) else rows[self.next].start

    @torch.inference_mode()
    def run(self) -> None:
        """Run the windows that have become complete with the nodes that came in."""
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
        """A row of windows with the nodes that its residual blocks see."""
        return row.grown(self.reach, self.length)

    def _run_row(self, row: Span, down: Tensor) -> None:
        """Run the windows of one row, in batches that are the same however the picture is cut."""
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
