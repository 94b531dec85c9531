"""Colours that were stored multiplied by their opacity."""

import numpy as np

from magn_cli.images.depth import full_scale
from magn_cli.images.photo import Array


def divided(pixels: Array, alpha: Array) -> Array:
    """Pixels, (H, W) or (H, W, 3), as they were before; ``alpha`` is (H, W) of the same dtype."""
    top = full_scale(pixels.dtype)
    opacity = (alpha if pixels.ndim == 2 else alpha[..., None]).astype(np.float64) / top
    straight = np.divide(pixels, opacity, out=np.zeros(pixels.shape), where=opacity > 0)
    if pixels.dtype.kind == "f":
        return straight.astype(pixels.dtype)
    return np.minimum(np.rint(straight), top).astype(pixels.dtype)
