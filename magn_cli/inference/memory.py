"""Memory: how much is free, how much a tile needs, and whether an error means that it ran out.

Only GPUs and errors of torch need torch here, so that a forecast for the CPU does not import it.
"""

from __future__ import annotations

import gc
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from magn_cli.inference.tiling import reach, waiting_rows
from magn_cli.model import MagnConfig
from magn_cli.runtime.allocator import LARGEST_MMAP_THRESHOLD, return_large_blocks

log = logging.getLogger(__name__)

ROWS = (512, 448, 384, 320, 256, 224, 192, 160, 128, 112, 96, 80, 64)
COLUMNS = (8192, 6144, 4096, 3072, 2048, 1536, 1024, 896, 768, 640, 512, 448, 384, 320, 256, 192, 128, 64)
"""Sides that ``--tile auto`` chooses from, in pixels. Less is computed twice between one strip and the next than
between the tiles of a strip, so strips are wide and low."""

ENOUGH = 600 << 20
"""Most bytes that ``--tile auto`` uses on a CPU, as more would hardly be faster. For wide pictures and large
networks, twice the memory of the smallest tiles if that is more."""

ACTIVATIONS = 5
"""Feature maps that a residual block holds at once, with the tensors around them."""

SLOW = 1.25
"""Time of a pixel on a CPU with feature maps above :data:`LARGEST_MMAP_THRESHOLD`, relative to smaller ones,
because the kernel clears their pages for each new map. magn-s took 1.25 to 1.4 times as long."""


class SampleType(Protocol):
    """A type of torch or NumPy."""

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""


class Device(Protocol):
    """A device of torch, or the CPU where torch is not needed."""

    @property
    def type(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""


@dataclass(frozen=True)
class Tile:
    """Largest size of a tile, in pixels."""

    rows: int
    columns: int

    def smaller(self) -> Tile | None:
        """Return a tile with half the side, or None if this is the smallest."""
        rows, columns = (max(n // 2, ROWS[-1]) for n in (self.rows, self.columns))
        return None if max(self.rows, self.columns) <= ROWS[-1] else Tile(rows, columns)


def tile_for(config: MagnConfig, size: tuple[int, int], device: Device, dtype: SampleType) -> Tile:
    """Choose the tile that computes the least twice, among those that fit half of the free memory.

    The choice affects memory and time, and the result at most in the last bits.

    Args:
        config: of the network.
        size: height and width of the picture.
        device: where the network runs.
        dtype: type that the network computes in.
    """
    free = free_memory(device)
    every = [Tile(rows, columns) for rows in ROWS for columns in COLUMNS]
    most = free // 2
    if device.type == "cpu":
        most = min(most, max(ENOUGH, 2 * needed(config, size, every[-1], dtype)))
    fitting = [p for p in every if needed(config, size, p, dtype) <= most] or every[-1:]
    best = min(fitting, key=lambda p: _work(config, size, p, device, dtype))
    log.info("%.1f GB free on %s: --tile auto is %d x %d", free / 1e9, device, best.columns, best.rows)
    return best


def needed(config: MagnConfig, size: tuple[int, int], tile: Tile, dtype: SampleType) -> int:
    """Estimate the bytes that the network needs in addition to the picture.

    These hold the feature maps of one tile, the rows that wait for the next stage, and finished rows as floats
    while they are rounded (at most four copies). Features count twice: with magn-s on 4000 x 1500 pixels and ten
    sizes of tiles, in float32 and bf16, the estimate is then 14 % below to 47 % above what was measured.
    """
    height, width = size
    rows, columns = min(tile.rows, height), min(tile.columns + 2 * reach(config), width)
    waiting = min(waiting_rows(config, tile.rows), height) * width
    features = config.features * dtype.itemsize / config.stem**2
    nodes = config.graph_features * (dtype.itemsize + 4) / config.multiple**2
    rounding = 4 * 4 * config.channels
    held = 2 * features if config.graph_stride > 1 else 0
    return int(ACTIVATIONS * features * rows * columns + waiting * (nodes + held + rounding))


def _work(config: MagnConfig, size: tuple[int, int], tile: Tile, device: Device, dtype: SampleType) -> float:
    """Return the time of the residual blocks on tiles, relative to the whole picture at once in fast memory."""
    height, width = size
    strips, beside = -(-height // tile.rows), -(-width // tile.columns)
    # Of each two convolutions, one computes two more rows of a strip than it has.
    work = (1 + (strips - 1) * config.stem / height) * (1 + (beside - 1) * 2 * reach(config) / width)
    seen = min(tile.rows + 4 * config.stem, height) * min(tile.columns + 2 * reach(config), width)
    map_bytes = config.features * dtype.itemsize / config.stem**2 * seen
    return work * (SLOW if device.type == "cpu" and map_bytes > LARGEST_MMAP_THRESHOLD else 1)


def free_memory(device: Device) -> int:
    """Return the free memory of a device in bytes. On the CPU, respects ``ulimit -v`` and limits of containers."""
    if device.type == "cpu":
        return min(psutil.virtual_memory().available, _left_in_container(), _left_of_addresses())
    import torch

    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    assert isinstance(device, torch.device)
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


UNLIMITED = 1 << 62

NO_CODE = "could not create a primitive"
"""Message of oneDNN's convolutions, most often for want of memory for their machine code."""

OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "could not create a memory",
    NO_CODE,
)


def ran_out(error: BaseException) -> bool:
    """Return whether an error means that memory ran out. On the CPU, torch raises a plain ``RuntimeError``."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error) for words in OUT_OF_MEMORY)


def lacked_code(error: BaseException) -> bool:
    """Return whether an error can mean that there was no memory for machine code. See :mod:`machine_code`."""
    return NO_CODE in str(error)


def release() -> None:
    """Release memory that a failed attempt has left behind."""
    import torch

    gc.collect()
    return_large_blocks()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _left_in_container() -> int:
    """Return the bytes left in the control group of this process (Docker and others), or 2**62 without a limit."""
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        numbers = [text for path in (limit, used) for text in _lines(path)[:1]]
        if len(numbers) == 2 and all(number.strip().isdecimal() for number in numbers):
            return max(int(numbers[0]) - int(numbers[1]), 0)
    return UNLIMITED


def _left_of_addresses() -> int:
    """Return the bytes that this process may still map (``ulimit -v``), or 2**62 without a limit."""
    if sys.platform == "win32":
        return UNLIMITED
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return UNLIMITED if limit == resource.RLIM_INFINITY else max(limit - psutil.Process().memory_info().vms, 0)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
