"""A degraded array in, a restored array out, of any size, on any device."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magn_cli.errors import ImageError
from magn_cli.model import UNKNOWN_LEVEL, Magn
from magn_cli.restoration.windows import Span, Tile, blending, tiles, windows

log = logging.getLogger(__name__)

Float = NDArray[np.float32]

LATTICE = 8
"""Tiles, windows and padding start at multiples of this many pixels: the JPEG grid, and so the Bayer grid."""

BORDER = 16
"""Pixels that the picture's border is continued by."""

DEFAULT_TILE = 1024
WINDOWS_AT_ONCE = 16


class Restorer:
    """Runs one network over pictures of any size.

    The convolutions see their true neighbours; the graphs see windows of the size they were trained on, at
    places fixed by the picture, blended where they overlap. So neither ``tile`` nor ``windows_at_once``
    changes the result (but for the last bits of floating point).
    """

    def __init__(
        self,
        model: Magn,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        tile: int = DEFAULT_TILE,
        windows_at_once: int = WINDOWS_AT_ONCE,
    ) -> None:
        """``tile``: pixels a side that are worked on at once, which decides the memory."""
        self.device = device or torch.device("cpu")
        self.dtype, self.tile, self.windows_at_once = dtype, tile, windows_at_once
        self.model = model.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        config = model.config
        self.window, self.overlap, self.stem = config.window, config.window_overlap, config.stem
        self.multiple = int(np.lcm(LATTICE, config.multiple))
        self.reach = (
            config.stem * (1 + 2 * config.blocks_before),
            config.stem * (1 + 2 * config.blocks_after),
        )

    def restore(
        self,
        seen: Float,
        level: float | None = None,
        keeps_bayer: bool = False,
        progress: Callable[[float], None] = lambda done: None,
    ) -> Float:
        """Restore one picture.

        Args:
            seen: ``(H, W, C)``, what the network sees, H and W from 1 up.
            level: as the network is told it; None: unknown.
            keeps_bayer: continue the border so that the Bayer phase is kept even in a tiny picture.
            progress: called with the share that is done, 0..1.

        Returns:
            ``(H, W, C)``, not clipped.

        Raises:
            ImageError: the result is not finite in float32 either.
        """
        height, width = seen.shape[:2]
        padded = self._pad(seen, keeps_bayer)
        plan = [self._plan(side) for side in padded.shape[:2]]
        pieces = [(row, column) for row in plan[0].tiles for column in plan[1].tiles]
        out = np.empty(padded.shape, np.float32)
        for done, (row, column) in enumerate(pieces, 1):
            piece = padded[row.encoded.slice, column.encoded.slice]
            out[row.core.slice, column.core.slice] = self._finite(
                piece,
                UNKNOWN_LEVEL if level is None else level,
                _Place(row, plan[0]),
                _Place(column, plan[1]),
            )
            progress(done / len(pieces))
        return out[BORDER : BORDER + height, BORDER : BORDER + width]

    def _plan(self, length: int) -> _Axis:
        spans = windows(length, self.window, self.overlap)
        cells = [span // self.stem for span in spans]
        return _Axis(
            tiles(length, self.tile, spans, self.reach, self.multiple),
            cells,
            [torch.from_numpy(w).to(self.device) for w in blending(cells, self.overlap // self.stem)],
        )

    def _pad(self, seen: Float, keeps_bayer: bool) -> Float:
        """Continue the border by reflection; copies of the edge along a side too short for it."""
        padded = seen
        for axis, side in enumerate(seen.shape[:2]):
            more = [(0, 0)] * 3
            more[axis] = (BORDER, BORDER + -(side + 2 * BORDER) % self.multiple)
            reflects = keeps_bayer or side > max(more[axis])
            padded = np.pad(padded, more, mode="reflect" if reflects else "edge")
        return padded

    def _finite(self, piece: Float, level: float, row: _Place, column: _Place) -> Float:
        """Restore one tile; once more in float32 where it overflowed."""
        with torch.inference_mode():
            result = self._staged(piece, level, row, column, self.dtype)
            if self.dtype != torch.float32 and not torch.isfinite(result).all():
                log.warning("a piece of the picture overflowed in %s and is computed again in float32", self.dtype)
                result = self._staged(piece, level, row, column, torch.float32)
        if not torch.isfinite(result).all():
            raise ImageError("the restored picture is not finite; check the input picture and the weights.")
        return result[0].permute(1, 2, 0).float().cpu().numpy()

    def _staged(self, piece: Float, level: float, row: _Place, column: _Place, dtype: torch.dtype) -> Tensor:
        """First residual blocks over the tile, graphs over its windows, second residual blocks over its core."""
        x = torch.from_numpy(np.ascontiguousarray(piece.transpose(2, 0, 1)))[None].to(self.device)
        x = x.contiguous(memory_format=torch.channels_last)
        told = torch.tensor([level], device=self.device)
        y, z = row.tile, column.tile
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            features = self._graphs(self.model.encode(x, told), row, column)
            result = self.model.decode(features, x[:, :, y.decoded.within(y.encoded), z.decoded.within(z.encoded)])
        return result[:, :, y.core.within(y.decoded), z.core.within(z.decoded)]

    def _graphs(self, features: Tensor, row: _Place, column: _Place) -> Tensor:
        """The graph blocks on each window, blended: features over ``encoded`` in, over ``decoded`` out."""
        y, z = row.cut(self.stem), column.cut(self.stem)
        size = [len(place.tile.graphs // self.stem) for place in (row, column)]
        blended = features.new_zeros(1, features.shape[1], *size, dtype=torch.float32)
        every = [(i, j) for i in row.tile.windows for j in column.tile.windows]
        for start in range(0, len(every), self.windows_at_once):
            some = every[start : start + self.windows_at_once]
            batch = torch.cat([features[:, :, y.incoming[i], z.incoming[j]] for i, j in some])
            for (i, j), out in zip(some, self.model.graph(batch), strict=True):
                weight = row.axis.weights[i][:, None] * column.axis.weights[j]
                blended[0, :, y.outgoing[i], z.outgoing[j]] += out * weight
        return blended[:, :, y.kept, z.kept].to(features.dtype)


@dataclass(frozen=True)
class _Axis:
    """How one axis of a picture is cut: tiles in pixels, windows in cells of the stem with their weights."""

    tiles: list[Tile]
    cells: list[Span]
    weights: list[Tensor]


@dataclass(frozen=True)
class _Slices:
    """Slices along one axis of a tile's features, in cells of the stem."""

    incoming: dict[int, slice]
    """Where each window lies in the encoded features."""

    outgoing: dict[int, slice]
    """Where it lies in the blended features."""

    kept: slice
    """The decoded span in the blended features."""


@dataclass(frozen=True)
class _Place:
    """One tile on one axis."""

    tile: Tile
    axis: _Axis

    def cut(self, stem: int) -> _Slices:
        encoded, graphs = self.tile.encoded // stem, self.tile.graphs // stem
        cells = {i: self.axis.cells[i] for i in self.tile.windows}
        return _Slices(
            {i: cell.within(encoded) for i, cell in cells.items()},
            {i: cell.within(graphs) for i, cell in cells.items()},
            (self.tile.decoded // stem).within(graphs),
        )
