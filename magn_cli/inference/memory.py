"""Memory: how much is free, how much a tile needs, and whether an error means that it ran out.

Only GPUs and errors of torch need torch here, so that a forecast for the CPU does not import it.
"""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from magn_cli.inference.padding import BORDER
from magn_cli.inference.tiling import reach, whole_reach
from magn_cli.model import MagnConfig
from magn_cli.runtime.allocator import LARGEST_MMAP_THRESHOLD

log = logging.getLogger(__name__)

SIDES = (1024, 896, 768, 704, 640, 576, 512, 448, 384, 320, 256, 192, 128, 64)
"""Tile sides that ``--tile auto`` chooses from, in pixels. Beyond 1024, hardly anything is computed twice."""

ENOUGH = 600 << 20
"""Most bytes that ``--tile auto`` uses on a CPU, as more would hardly be faster. For wide pictures and large
networks, twice the memory of the smallest tiles if that is more."""

ACTIVATIONS = 6
"""Feature maps that a residual block holds at once, including the memory of its convolution. Measured with magn-s
on squares of 1024 and 2048 pixels: 5.6 in float32."""

HALF_ACTIVATIONS = 24
"""The same in a half type. oneDNN's fused convolutions on a CPU take more memory than their values: restoring 12
megapixels in bf16 took 1.2 GB with tiles of 576 x 576 and 2.0 GB with 1024 x 896, which were a tenth slower."""


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
        rows, columns = (max(n // 2, SIDES[-1]) for n in (self.rows, self.columns))
        return None if max(self.rows, self.columns) <= SIDES[-1] else Tile(rows, columns)


def tile_for(config: MagnConfig, size: tuple[int, int], device: Device, dtype: SampleType) -> Tile:
    """Choose the tile that computes the least twice, among those that fit half of the free memory.

    The choice affects memory and time, never the result.

    Args:
        config: of the network.
        size: height and width of the picture.
        device: where the network runs.
        dtype: type that the network computes in.
    """
    free = free_memory(device)
    every = [Tile(rows, columns) for rows in SIDES for columns in SIDES]
    most = free // 2
    if device.type == "cpu":
        most = min(most, max(ENOUGH, 2 * needed(config, size, every[-1], dtype)))
    fitting = [p for p in every if needed(config, size, p, dtype) <= most] or every[-1:]
    best = min(fitting, key=lambda p: _work(config, size, p, device, dtype))
    log.info("%.1f GB free on %s: --tile auto is %d x %d", free / 1e9, device, best.columns, best.rows)
    return best


def needed(config: MagnConfig, size: tuple[int, int], tile: Tile, dtype: SampleType) -> int:
    """Estimate the bytes that the network needs in addition to the picture.

    These hold the feature maps of one tile with its surroundings, the rows that wait for the next stage, and
    finished rows as floats while they are rounded (at most four copies).
    """
    around = 2 * reach(config)
    height, width = size
    rows, columns = min(tile.rows + config.window + around, height), min(tile.columns + around, width)
    waiting = min(tile.rows + config.window + 2 * whole_reach(config), height) * width
    features = config.features * dtype.itemsize / config.stem**2
    nodes = config.graph_features * (dtype.itemsize + 4) / config.multiple**2
    rounding = 4 * 4 * config.channels
    has_own_grid = config.graph_stride > 1
    activations = ACTIVATIONS if dtype.itemsize > 2 else HALF_ACTIVATIONS
    return int(activations * features * rows * columns + waiting * (nodes + has_own_grid * features + rounding))


def _work(config: MagnConfig, size: tuple[int, int], tile: Tile, device: Device, dtype: SampleType) -> float:
    """Return the time of the residual blocks on tiles, relative to the whole picture at once in fast memory."""
    around, work, pixels = 2 * reach(config), 1.0, 1
    # The graphs hold back rows, so the rows of a later tile can be more by the step of the windows.
    steps = (config.window - config.window_overlap, 0)
    for side, most, step in zip(size, (tile.rows, tile.columns), steps, strict=True):
        length = side + 2 * BORDER
        count = -(-length // most)
        work *= 1 + (count - 1) * around / length
        pixels *= min(-(-length // count) + step + around, length)
    map_bytes = config.features * dtype.itemsize / config.stem**2 * pixels
    return work * (SLOW if device.type == "cpu" and map_bytes > LARGEST_MMAP_THRESHOLD else 1)


def free_memory(device: Device) -> int:
    """Return the free memory of a device in bytes. On the CPU, respects the limit of a container."""
    if device.type == "cpu":
        return min(psutil.virtual_memory().available, _left_in_container())
    import torch

    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    assert isinstance(device, torch.device)
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    # Messages of oneDNN's convolutions.
    "could not create a primitive",
    "could not create a memory",
)


def ran_out(error: BaseException) -> bool:
    """Return whether an error means that memory ran out. On the CPU, torch raises a plain ``RuntimeError``."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error) for words in OUT_OF_MEMORY)


def release() -> None:
    """Release memory that a failed attempt has left behind."""
    import torch

    gc.collect()
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
    return 1 << 62


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
