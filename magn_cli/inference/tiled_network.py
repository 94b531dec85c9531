"""Runs a network over arrays of any size, on any device."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from magn_cli.errors import ImageError
from magn_cli.files.scratch import let_go, scratch_array
from magn_cli.images import Array
from magn_cli.inference import memory
from magn_cli.inference.memory import Tile
from magn_cli.inference.tiled_inference import NonFiniteResult, TiledInference
from magn_cli.inference.tiling import Span
from magn_cli.model import Magn
from magn_cli.runtime.allocator import return_freed_memory
from magn_cli.runtime.machine_code import compiles, stop_compiling
from magn_cli.runtime.threads import one_if_small

log = logging.getLogger(__name__)

Float = NDArray[np.float32]

WINDOWS_AT_ONCE = 16

TRIMMED = 30_000_000
"""Pixels of a picture above which freed memory is returned to the system after each strip. For smaller pictures it
is kept, as the next strip would have to get it anew."""


class TiledNetwork:
    """Runs one network over pictures of any size.

    The convolutions see the true surroundings of each tile. The graphs see windows of the size used in training,
    at positions that depend only on the picture; overlapping windows are blended. So neither ``tile`` nor
    ``windows_at_once`` changes the result, except for the last bits.

    Example:
        >>> import numpy as np
        >>> from magn_cli.inference.tiled_network import TiledNetwork
        >>> from magn_cli.model import PRESETS, Magn
        >>> network = TiledNetwork(Magn(PRESETS["magn-s"]))
        >>> network.restore(np.zeros((50, 70, 3), np.uint8)).shape
        (50, 70, 3)
    """

    def __init__(
        self,
        model: Magn,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        tile: int | None = None,
        windows_at_once: int = WINDOWS_AT_ONCE,
        compiled: bool = False,
        copied: bool = True,
        threads: int | None = None,
    ) -> None:
        """Prepare a network for inference.

        Args:
            model: the network.
            device: where to compute; None for the CPU.
            dtype: float32, or the half type that the convolutions compute in.
            tile: side of a tile in pixels, which determines the memory use; None to choose by free memory.
            windows_at_once: graph windows in one batch.
            compiled: use ``torch.compile``, which compiles again for each new picture size.
            copied: work with a copy. Otherwise the network itself is changed, and of no other use afterwards.
            threads: number of CPU threads that the user asked for and torch is set to; None if small pictures may
                use fewer.
        """
        self.device = device or torch.device("cpu")
        self.dtype, self.tile, self.windows_at_once, self.threads = dtype, tile, windows_at_once, threads
        self.model = (copy.deepcopy(model) if copied else model).eval()
        self.model.fold()
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if compiled:
            for name in ("first_features", "graph", "change"):
                setattr(self.model, name, torch.compile(getattr(self.model, name)))
            for block in (*self.model.before, *self.model.after):
                for name in ("inner", "add_"):
                    setattr(block, name, torch.compile(getattr(block, name)))

    def restore(
        self,
        network_input: Array,
        level: float | None = None,
        keeps_bayer: bool = False,
        progress: Callable[[float], None] = lambda done: None,
    ) -> Float:
        """Restore one picture; returns ``(H, W, C)``, not clipped. Arguments and errors as for :meth:`strips`."""
        return joined(self.strips(network_input, level, keeps_bayer, progress), len(network_input))

    def strips(
        self,
        network_input: Array,
        level: float | None = None,
        keeps_bayer: bool = False,
        progress: Callable[[float], None] = lambda done: None,
    ) -> Iterator[tuple[Span, Float]]:
        """Restore one picture from top to bottom, with only some of its rows as floats in memory.

        Args:
            network_input: ``(H, W, C)``, H and W at least 1; uint8, uint16, or floats 0..1.
            level: value of the level channel; None if unknown.
            keeps_bayer: pad so that even tiny pictures keep their Bayer phase.
            progress: called with the share that is done, 0..1.

        Yields:
            Rows and their values ``(rows, W, C)``, not clipped. If half precision overflows or memory runs out, it
            starts again at the top, with float32 or smaller tiles.

        Raises:
            ImageError: the result is not finite, even in float32.
            MemoryError: not enough memory for the smallest tiles.
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
                height, width = network_input.shape[:2]
                with nullcontext() if self.threads else one_if_small(network_input.shape):
                    for rows, values in inference.run(network_input, level, keeps_bayer, progress):
                        yield rows, values
                        if height * width > TRIMMED:
                            return_freed_memory()
                return
            except NonFiniteResult:
                if dtype == torch.float32:
                    message = "the restored picture is not finite; check the picture and the weights."
                    raise ImageError(message) from None
                log.warning("the picture overflowed in %s; computing it again in float32", dtype)
                dtype = torch.float32
            except (RuntimeError, MemoryError) as error:
                if not memory.ran_out(error):
                    raise
                if memory.lacked_code(error) and compiles():
                    stop_compiling()
                    self.dtype = dtype = torch.float32
                    tile = tile.smaller() or tile
                else:
                    tile = self._less(tile)
            # Outside of the handler, because its traceback keeps the memory of the failed attempt alive.
            memory.release()

    def _less(self, tile: Tile) -> Tile:
        """Return the tile to try after memory ran out. Moves to the CPU if a GPU cannot hold the smallest tile."""
        smaller = tile.smaller()
        if smaller is not None:
            log.info("not enough memory; trying again with --tile %d", max(smaller.rows, smaller.columns))
            tile = smaller
        elif self.device.type != "cpu":
            log.warning("%s does not have enough memory even for small tiles; continuing on the CPU", self.device)
            self.device = torch.device("cpu")
            self.model.to(self.device)
        else:
            raise MemoryError("not enough memory for the smallest tiles")
        return tile


def joined(strips: Iterable[tuple[Span, Array]], height: int) -> Array:
    """Join the strips of :meth:`TiledNetwork.strips` to a whole picture, in a temporary file if it is large.

    Repeated rows replace earlier ones.
    """
    whole: Array | None = None
    for rows, values in strips:
        if whole is None:
            whole = scratch_array((height, *values.shape[1:]), values.dtype)
        whole[rows.slice] = values
        let_go(whole)
    if whole is None:
        raise ValueError("there are no strips to join")
    return whole
