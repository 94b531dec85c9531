"""How much memory there is, how much a piece of a picture takes, and when it has run out."""

from __future__ import annotations

import gc
import logging
from pathlib import Path

import torch

from magn_cli.model import MagnConfig

log = logging.getLogger(__name__)

SMALLEST_TILE = 64
TILES = (1024, 768, 512, 384, 256, 192, 128, SMALLEST_TILE)
"""What ``--tile auto`` chooses from. Above 1024 the neighbours that are computed twice are below 10 % anyway."""

UNKNOWN_FREE = 4 << 30
"""What is taken for free where the system does not say."""

ACTIVATIONS = 6
"""Feature maps that live at once in a residual block, its convolution's own memory included (measured)."""


def tile_for(config: MagnConfig, size: tuple[int, int], device: torch.device, dtype: torch.dtype) -> int:
    """Return the largest tile that half of the free memory is enough for.

    ``size``: height and width of the picture. Only memory depends on it, never the result.
    """
    free = free_memory(device)
    for tile in TILES:
        if needed(config, size, tile, dtype) <= free / 2 or tile == SMALLEST_TILE:
            break
    log.info("%.1f GB free on %s: --tile %d", free / 1e9, device, tile)
    return tile


def needed(config: MagnConfig, size: tuple[int, int], tile: int, dtype: torch.dtype) -> int:
    """Estimate the bytes that the network takes beside the picture itself.

    The feature maps of one piece with its neighbours, and the rows that wait for the next stage.
    """
    reach = config.stem * (1 + 2 * max(config.blocks_before, config.blocks_after))
    reach += config.multiple * 2 * config.graph_residuals
    height, width = (-(-side // config.stem) for side in size)
    rows, columns = (min((tile + 2 * reach) // config.stem, side) for side in (height, width))
    waiting = min((2 * tile + config.window + reach) // config.stem, height) * width
    return config.features * dtype.itemsize * (ACTIVATIONS * rows * columns + 2 * waiting)


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device; on the CPU within the limit of its container, too."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return min(_available(), _left_in_container())


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


def _available() -> int:
    for line in _lines("/proc/meminfo"):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) << 10
    return UNKNOWN_FREE


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
