"""How much memory there is, how much a tile of a picture takes, and when it has run out."""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from magn_cli.inference.tiling import reach, whole_reach
from magn_cli.model import MagnConfig
from magn_cli.runtime.allocator import LARGEST_MMAP_THRESHOLD

log = logging.getLogger(__name__)

SIDES = (1024, 896, 768, 704, 640, 576, 512, 448, 384, 320, 256, 192, 128, 64)
"""What ``--tile auto`` chooses from. Above 1024, what is computed twice is below a tenth anyway."""

ENOUGH = 600 << 20
"""What ``--tile auto`` takes on a CPU, however much is free: more would hardly be faster. Or twice what the
smallest tiles take, for wide pictures and large networks."""

ACTIVATIONS = 6
"""Feature maps that live at once in a residual block, its convolution's own memory included: magn-s on squares of
1024 and 2048 pixels took 5.6 in float32, 6.0 and 6.5 in bf16."""


SLOW = 1.2
"""What a pixel takes on a CPU where feature maps are above :data:`LARGEST_MMAP_THRESHOLD`, against smaller ones:
the kernel clears their pages for each new map. magn-s took 1.27 times as long in float32, 1.15 in bf16."""


@dataclass(frozen=True)
class Tile:
    """The largest tile of a picture that is worked on at once, in pixels."""

    rows: int
    columns: int

    def smaller(self) -> Tile | None:
        """Return a tile of half the side; None below the smallest."""
        rows, columns = (max(n // 2, SIDES[-1]) for n in (self.rows, self.columns))
        return None if max(self.rows, self.columns) <= SIDES[-1] else Tile(rows, columns)


def tile_for(config: MagnConfig, size: tuple[int, int], device: torch.device, dtype: torch.dtype) -> Tile:
    """Return the tile that computes least twice and has no slow map, of those that half of the free memory holds.

    ``size``: height and width of the picture. Only memory and time depend on it, never the result.
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


def needed(config: MagnConfig, size: tuple[int, int], tile: Tile, dtype: torch.dtype) -> int:
    """Estimate the bytes that the network takes beside the picture itself.

    The feature maps of one tile with its neighbours, the rows that wait for the next stage, and finished rows
    as floats while they are rounded (four times at most).
    """
    around = 2 * reach(config)
    height, width = size
    rows, columns = min(tile.rows + config.window + around, height), min(tile.columns + around, width)
    waiting = min(tile.rows + config.window + 2 * whole_reach(config), height) * width
    features = config.features * dtype.itemsize / config.stem**2
    nodes = config.graph_features * (dtype.itemsize + 4) / config.multiple**2
    rounding = 4 * 4 * config.channels
    has_own_grid = config.graph_stride > 1
    return int(ACTIVATIONS * features * rows * columns + waiting * (nodes + has_own_grid * features + rounding))


def _work(
    config: MagnConfig, size: tuple[int, int], tile: Tile, device: torch.device, dtype: torch.dtype
) -> float:
    """Return what the residual blocks take with a tile, with what they would take without neighbours as 1."""
    around, share, pixels = 2 * reach(config), 1.0, 1
    # The rows that the graphs are done with come in steps, now more than a tile's and now less.
    for length, most, more in zip(
        size, (tile.rows, tile.columns), (config.window - config.window_overlap, 0), strict=True
    ):
        count = -(-length // most)
        share *= 1 + (count - 1) * around / length
        pixels *= min(-(-length // count) + more + around, length)
    map_bytes = config.features * dtype.itemsize / config.stem**2 * pixels
    return share * (SLOW if device.type == "cpu" and map_bytes > LARGEST_MMAP_THRESHOLD else 1)


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device; on the CPU within the limit of its container, too."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return min(psutil.virtual_memory().available, _left_in_container())


OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    # What oneDNN's convolutions say.
    "could not create a primitive",
    "could not create a memory",
)


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out: torch's on the CPU is a plain ``RuntimeError``."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error) for words in OUT_OF_MEMORY)


def release() -> None:
    """Give back what a failed attempt has left."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _left_in_container() -> int:
    """What the control group of this process leaves (Docker and the like); a very large number without a limit."""
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
