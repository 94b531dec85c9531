"""Methods to compare with that run here: the degraded input itself and what OpenCV offers."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from magn_cli.errors import UsageError
from magn_cli.images import from_float, to_float

Float = NDArray[np.float32]
Baseline = Callable[[Float, float | None], Float]
"""Takes what was degraded, ``(H, W)`` or ``(H, W, 3)``, and its level; gives back the same shape, 0..1."""


def method(name: str, task: str) -> Baseline:
    """Return a baseline. Raises :class:`UsageError` where there is none of that name for the task."""
    known = BASELINES[task]
    if name not in known:
        raise UsageError(f"unknown baseline {name!r} for {task}: choose {', '.join(known)}.")
    return known[name]


def _input(degraded: Float, level: float | None) -> Float:
    return degraded


def _non_local_means(degraded: Float, level: float | None) -> Float:
    """OpenCV's fast non-local means, on 8 bits, filter strength in proportion to sigma."""
    noisy = from_float(degraded, np.uint8)
    strength = 0.8 * (level or 0)
    if noisy.ndim == 2:
        return to_float(cv2.fastNlMeansDenoising(noisy, None, strength))
    return to_float(cv2.fastNlMeansDenoisingColored(noisy[..., ::-1], None, strength, strength)[..., ::-1])


def _debayer(code: int) -> Baseline:
    def run(degraded: Float, level: float | None) -> Float:
        # The three channels of the paper's mosaic hold zeros where nothing was sampled.
        cfa = from_float(degraded.sum(-1) if degraded.ndim == 3 else degraded, np.uint8)
        return to_float(cv2.cvtColor(cfa, code))

    return run


BASELINES: dict[str, dict[str, Baseline]] = {
    "denoise": {"input": _input, "nlm": _non_local_means},
    "jpeg": {"input": _input},
    # OpenCV names a pattern by the second row and column: the paper's GRBG is its GB.
    "demosaic": {
        "input": _input,
        "bilinear": _debayer(cv2.COLOR_BayerGB2RGB),
        "edge-aware": _debayer(cv2.COLOR_BayerGB2RGB_EA),
    },
}
