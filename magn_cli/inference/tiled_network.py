"""A degraded array in, a restored array out, of any size, on any device."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from magn_cli.errors import ImageError
from magn_cli.images import Array
from magn_cli.inference import memory
from magn_cli.inference.memory import Tile
from magn_cli.inference.tiled_inference import NonFiniteResult, TiledInference
from magn_cli.inference.tiling import Span
from magn_cli.model import Magn

log = logging.getLogger(__name__)

Float = NDArray[np.float32]

WINDOWS_AT_ONCE = 16


class TiledNetwork:
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
        tile: int | None = None,
        windows_at_once: int = WINDOWS_AT_ONCE,
        compiled: bool = False,
    ) -> None:
        """Take a copy of the network for inference.

        Args:
            model: stays as it is.
            device: where to compute; None: the CPU.
            dtype: float32, or the half type that the convolutions compute in.
            tile: pixels a side that are worked on at once; decides the memory; None: by the memory that is free.
            windows_at_once: graph windows in one batch.
            compiled: let ``torch.compile`` write the kernels, anew for each new size of picture.
        """
        self.device = device or torch.device("cpu")
        self.dtype, self.tile, self.windows_at_once = dtype, tile, windows_at_once
        self.model = copy.deepcopy(model).eval()
        self.model.fold()
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if compiled:
            for name in ("encode", "graph", "decode"):
                setattr(self.model, name, torch.compile(getattr(self.model, name)))

    def restore(
        self,
        network_input: Array,
        level: float | None = None,
        keeps_bayer: bool = False,
        progress: Callable[[float], None] = lambda done: None,
    ) -> Float:
        """Restore one picture: arguments and errors as for :meth:`strips`; returns ``(H, W, C)``, not clipped."""
        return joined(self.strips(network_input, level, keeps_bayer, progress), len(network_input))

    def strips(
        self,
        network_input: Array,
        level: float | None = None,
        keeps_bayer: bool = False,
        progress: Callable[[float], None] = lambda done: None,
    ) -> Iterator[tuple[Span, Float]]:
        """Restore one picture from top to bottom, holding only some rows of it as floats.

        Args:
            network_input: ``(H, W, C)``, what the network sees, H and W from 1 up; uint8, uint16, or floats 0..1.
            level: as the network is told it; None: unknown.
            keeps_bayer: continue the border so that the Bayer phase is kept even in a tiny picture.
            progress: called with the share that is done, 0..1.

        Yields:
            Which rows, and their values ``(rows, W, C)``, not clipped. Where half precision overflows or memory
            runs out it begins again at the top, with float32 or smaller tiles.

        Raises:
            ImageError: the result is not finite in float32 either.
            MemoryError: there is not enough memory for the smallest tiles.
        """
        dtype = self.dtype
        tile = (
            Tile(self.tile, self.tile)
            if self.tile
            else memory.tile_for(self.model.config, network_input.shape[:2], self.device, dtype)
        )
        while True:
            try:
                inference = TiledInference(self.model, self.device, dtype, tile, self.windows_at_once)
                yield from inference.run(network_input, level, keeps_bayer, progress)
                return
            except NonFiniteResult:
                if dtype == torch.float32:
                    message = "the restored picture is not finite; check the input picture and the weights."
                    raise ImageError(message) from None
                log.warning("the picture overflowed in %s and is computed again in float32", dtype)
                dtype = torch.float32
            except (RuntimeError, MemoryError) as error:
                if not memory.ran_out(error):
                    raise
                tile = self._less(tile)
            # Out of the handler, whose traceback holds what the failed attempt had.
            memory.release()

    def _less(self, tile: Tile) -> Tile:
        """Return the tile to try after memory ran out; move to the CPU where a GPU cannot hold the smallest."""
        smaller = tile.smaller()
        if smaller is not None:
            log.info("not enough memory; trying again with --tile %d", max(smaller.rows, smaller.columns))
            tile = smaller
        elif self.device.type != "cpu":
            log.warning("%s has not enough memory even for small tiles; going on with the CPU", self.device)
            self.device = torch.device("cpu")
            self.model.to(self.device)
        else:
            raise MemoryError("not enough memory for the smallest tiles of a picture")
        return tile


def joined(strips: Iterable[tuple[Span, Array]], height: int) -> Array:
    """Return the whole of what :meth:`TiledNetwork.strips` yields; rows that come again replace what was there."""
    whole: Array | None = None
    for rows, values in strips:
        if whole is None:
            whole = np.empty((height, *values.shape[1:]), values.dtype)
        whole[rows.slice] = values
    if whole is None:
        raise ValueError("no rows came")
    return whole
