"""Expected time and memory of a restoration on this machine's CPU. Needs no torch."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import cache

import numpy as np

from magn_cli.files.data import is_large
from magn_cli.inference import memory
from magn_cli.model import MagnConfig
from magn_cli.runtime.device import processor

CONVOLUTION, CONVOLUTION_BF16 = 1.45, {"amx": 0.62, "avx512": 0.9}
ATTENTION = 5.5
"""Time of a multiplication in convolutions and in attention, relative to NumPy's float32 matrix product.

Measured with one thread of a Xeon with AMX, in processor time. The forecast is 25 % below to 33 % above what the
network of 0.1 and the preset ``magn-s`` took in float32 (ten runs, 0.8 to 4 megapixels), 10 % below to 17 % above
in bf16 (eight runs, 0.8 to 3.2), before residual blocks ran over strips, and 4 % below for the preset ``magn``
(one run, float32, 0.07). For AMD's AVX-512 BF16, the ratio to float32 is that of docs/performance.md.
"""

START = 2.0
"""Seconds to start Python, import torch and load a network: 1.5 to 2.0 with 0.2.0, see docs/performance.md."""

PROGRAM = 300 << 20
"""Bytes of the program itself with torch and the weights, measured with a picture of 0.01 megapixels."""

COPIES = 4
"""Copies of the picture's samples beside the network: decoded, restored, and in the files.

Against the peaks in docs/performance.md for 1 to 100 megapixels, the forecast is 16 % below to 30 % above. Where
the result lies in a temporary file, no other copy of the picture is made while the network runs.
"""

SIDE, REPEATS = 768, 5
"""Side of the matrices that measure the speed of this machine, and how often; the fastest counts."""


@dataclass(frozen=True)
class Forecast:
    """What restoring one photo is expected to take, without the start of the program."""

    seconds: float | None
    """On the CPU, with all threads, as busy as the machine is now. None on macOS, see
    :func:`products_a_second`."""

    memory: int
    """Peak of the whole program in bytes, with ``--tile auto``."""


class _Cpu:
    type = "cpu"


def forecast(
    config: MagnConfig, size: tuple[int, int], sample_bytes: int, bf16: bool, streams: bool = False
) -> Forecast:
    """Return the expected time and memory for a photo.

    Args:
        config: of the network.
        size: height and width in pixels.
        sample_bytes: bytes of all samples of the photo.
        bf16: whether the network may compute in bf16, if the CPU is faster in it.
        streams: whether the photo lies in a temporary file, as its result then does.
    """
    kind = faster_in_bf16() if bf16 else None
    dtype = np.dtype(np.float16 if kind else np.float32)
    tile = memory.tile_for(config, size, _Cpu(), dtype)
    network = memory.needed(config, size, tile, dtype)
    if streams:
        needed = PROGRAM + network
    elif is_large(sample_bytes):
        needed = PROGRAM + max(network + sample_bytes, 2 * sample_bytes)
    else:
        needed = PROGRAM + network + COPIES * sample_bytes
    speed = products_a_second()
    if speed is None:
        return Forecast(None, needed)
    convolutions, attention = products_a_pixel(config)
    factor = CONVOLUTION_BF16[kind] if kind else CONVOLUTION
    return Forecast(size[0] * size[1] * (factor * convolutions + ATTENTION * attention) / speed, needed)


def products_a_pixel(config: MagnConfig) -> tuple[float, float]:
    """Return the multiplications for a pixel, in convolutions and linear layers, and in attention."""
    wide, width, patch = config.features, config.graph_features, config.patch_size**2
    ends = 18 * wide * config.channels * config.stem**2
    fine = ends + 18 * (config.blocks_before + config.blocks_after) * wide**2
    grid = 2 * wide * width * config.graph_stride**2 if config.graph_stride > 1 else 0
    between = 2 * width * patch * config.patch_features / config.patch_stride**2
    layers = {"pixel": 5 * width**2, "patch": 27 * width**2 + between}
    graphs = (
        2 * config.graph_blocks * sum(layers[kind] + 9 * width**2 / len(config.graphs) for kind in config.graphs)
    )
    nodes = (config.window // config.multiple) ** 2
    patches = nodes / config.patch_stride**4
    scores = {
        "pixel": 2 * nodes * width,
        "patch": patches * (config.heads * config.patch_features + patch * width),
    }
    attention = 2 * config.graph_blocks * sum(scores[kind] for kind in config.graphs)
    # Neighbouring windows overlap.
    again = (config.window / (config.window - config.window_overlap)) ** 2 / config.multiple**2
    coarse = grid + 36 * config.graph_residuals * width**2 + graphs
    return fine / config.stem**2 + coarse * again, attention * again


@cache
def products_a_second() -> float | None:
    """Measure how many multiplications NumPy's matrix product does in a second, with all its threads.

    None on macOS, where the matrix product runs on a unit that convolutions do not use.
    """
    if sys.platform == "darwin":
        return None
    rng = np.random.default_rng(0)
    a, b = (rng.random((SIDE, SIDE), np.float32) for _ in range(2))
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - began)
    return SIDE**3 / min(times)


def faster_in_bf16() -> str | None:
    """Return by which instructions ``--precision auto`` computes in bf16 on this CPU: ``amx``, ``avx512`` or none.

    As :func:`magn_cli.runtime.precision.has_bf16`, from what Linux says of the processor.
    """
    flags = processor("flags").split()
    if "amx_tile" in flags:
        return "amx"
    return "avx512" if "avx512_bf16" in flags and "AuthenticAMD" in processor("vendor_id") else None
