"""Compares an exported network with torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from magn_cli.export.network import INPUT, LEVEL, OUTPUT
from magn_cli.inference.onnx.session import Session
from magn_cli.inference.tiled_network import TiledNetwork
from magn_cli.model import Magn, MagnConfig

TOLERANCE = 1e-4
"""Largest difference that is accepted, where white is 1."""

BEYOND_WINDOW = 27
"""A side that is this much shorter than a window is longer than one after padding."""


@dataclass(frozen=True)
class Comparison:
    """How an exported network compares with torch."""

    difference: float
    """Largest difference of a value, where white is 1."""

    worst: tuple[int, int]
    """Height and width of the picture with that difference."""

    sizes: tuple[tuple[int, int], ...]
    """Height and width of all pictures compared."""


def compare(
    model: Magn, data: bytes, keeps_bayer: bool, levels: Sequence[float], threads: int | None
) -> Comparison:
    """Compare the results for pictures of odd sizes, smaller and larger than a window.

    Torch runs the network as ``magn restore`` does.

    Args:
        model: the network.
        data: the same network as ONNX.
        keeps_bayer: whether both keep the Bayer phase at borders.
        levels: two values of the level channel; twice the same if it is built in.
        threads: CPU threads for ONNX Runtime.

    Raises:
        OnnxError: ONNX Runtime cannot load or run it.
    """
    session, tiled = Session(data, threads), TiledNetwork(model)
    takes_level = any(one.name == LEVEL for one in session.inputs)
    rng = np.random.default_rng(0)
    found = []
    for size in sizes(model.config):
        pictures = rng.random((2, *size, model.config.channels), dtype=np.float32)
        # The smallest pictures are cheap: they also show that batches work.
        count = 2 if max(size) < model.config.window // 2 else 1
        feed: dict[str, NDArray[np.float32]] = {INPUT: pictures[:count].transpose(0, 3, 1, 2).copy()}
        if takes_level:
            feed[LEVEL] = np.array(levels[:count], np.float32)
        restored = session.run(OUTPUT, feed).transpose(0, 2, 3, 1)
        for picture, value, one in zip(pictures, levels, restored, strict=False):
            expected = tiled.restore(picture, value, keeps_bayer)
            found.append((float(np.abs(one - expected).max()), size))
    difference, worst = max(found)
    return Comparison(difference, worst, tuple(sizes(model.config)))


def sizes(config: MagnConfig) -> list[tuple[int, int]]:
    """Return the sizes of the pictures to compare on."""
    longer = max(config.window - BEYOND_WINDOW, 2)
    return [(5, 7), (longer, 11), (longer + 2, longer + 4)]
