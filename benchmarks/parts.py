"""The steps from the bare network to ``magn restore``, each run on the same pixels; for ``network.py --parts``."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from magn_cli import images, load
from magn_cli.images import from_float, photo_of
from magn_cli.inference.tiled_network import WINDOWS_AT_ONCE, TiledNetwork
from magn_cli.model import Magn

TILE = 512
"""Side of the bare network's tiles. Among 256, 512 and 1024, it was the fastest or as fast."""

LEVEL = 0.3
Runs = dict[str, Callable[[torch.dtype], Callable[[], object]]]


def runs(model: Magn, task: str, picture: NDArray[np.float32], device: torch.device) -> Runs:
    """Return the steps by name; each adds one cost to the step before it."""
    stored = from_float(picture, np.dtype(np.uint8))
    file = images.encode(stored, "PNG")
    alone = copy.deepcopy(model)
    alone.config = dataclasses.replace(model.config, window_overlap=0)

    def tiled(network: Magn, pixels: NDArray[np.float32], dtype: torch.dtype) -> Callable[[], object]:
        ready = TiledNetwork(network, device, dtype)
        return lambda: ready.restore(pixels, LEVEL)

    def restoring(dtype: torch.dtype, *, files: bool) -> Callable[[], object]:
        precision = "fp32" if dtype == torch.float32 else "bf16"
        restorer = load(task, device=str(device), precision=precision, threads=torch.get_num_threads())

        def run() -> None:
            photo = images.decode(file) if files else photo_of(stored)
            result = restorer.photos.restore(photo)
            if files:
                images.encode(result.pixels, "PNG")

        return run

    return {
        "bare network": lambda dtype: bare(model, picture, device, dtype),
        "with surroundings of tiles": lambda dtype: tiled(alone, picture, dtype),
        "with overlap of windows": lambda dtype: tiled(model, picture, dtype),
        "with level and rounding": lambda dtype: restoring(dtype, files=False),
        "with reading and writing PNG": lambda dtype: restoring(dtype, files=True),
    }


def bare(model: Magn, picture: NDArray[np.float32], device: torch.device, dtype: torch.dtype) -> Callable[[], Any]:
    """Return a run of the bare network on separate tiles and windows."""
    network, level = TiledNetwork(model, device, dtype).model, torch.tensor([LEVEL], device=device)
    tiles = [
        torch.from_numpy(np.ascontiguousarray(picture[top : top + TILE, left : left + TILE]))[None]
        .to(device)
        .permute(0, 3, 1, 2)
        for top, left in _corners(picture.shape[:2], TILE)
    ]
    side, graph = model.config.window // model.config.multiple, network.graph

    @torch.inference_mode()
    def run() -> None:
        for tile in tiles:
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                features = network.encode(tile, level)
                nodes = graph.before(graph.gathered(features))
                out = torch.empty_like(nodes)
                windows = list(_corners(nodes.shape[2:], side))
                for first in range(0, len(windows), WINDOWS_AT_ONCE):
                    some = windows[first : first + WINDOWS_AT_ONCE]
                    # Windows at the edges are smaller, and only equal ones can share a batch.
                    cut = [nodes[:, :, y : y + side, x : x + side] for y, x in some]
                    batches = [torch.cat(cut)] if len({part.shape for part in cut}) == 1 else cut
                    done = [one for batch in batches for one in graph(batch)]
                    for (y, x), one in zip(some, done, strict=True):
                        out[0, :, y : y + side, x : x + side] = one
                out = graph.after(out)
                network.decode(out if graph.gather is None else features + graph.spread(out), tile)

    return run


def _corners(size: Sequence[int], side: int) -> Iterator[tuple[int, int]]:
    height, width = size
    return ((top, left) for top in range(0, height, side) for left in range(0, width, side))
