"""Transparent pixels: keep the hidden colours under them from bleeding into the visible picture.

Also undoes premultiplied alpha, the product of colour and opacity that some formats store.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from magn_cli.images.depth import full_scale
from magn_cli.images.photo import Array, Photo

Mask = npt.NDArray[np.bool_]

_BLOCK = 8
"""Pixels a side of what JPEG compresses by itself."""
_SMOOTHED_OVER = 9
"""Pixels a side over which the filling is averaged."""


def hidden(photo: Photo) -> Mask | None:
    """Where a picture is fully transparent, (H, W); None if nowhere or everywhere."""
    if photo.alpha is None:
        return None
    mask: Mask = photo.alpha <= 0
    return mask if mask.any() and not mask.all() else None


def filled(pixels: Array, mask: Mask) -> Array:
    """Pixels, (H, W) or (H, W, 3), those in ``mask`` filled from the nearest of the others, smoothly.

    ``mask`` is (H, W), somewhere True and somewhere False.
    """
    # Importing it takes a noticeable part of the start of the program, and few pictures are transparent.
    import cv2

    _, labels = cv2.distanceTransformWithLabels(
        mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # The label of each pixel is that of the nearest one outside of the mask; these have one each.
    shown = ~mask
    nearest = np.zeros((labels.max() + 1, *pixels.shape[2:]), pixels.dtype)
    nearest[labels[shown]] = pixels[shown]
    whole = nearest[labels]
    side = (_SMOOTHED_OVER, _SMOOTHED_OVER)
    smooth = cv2.blur(np.ascontiguousarray(whole), side, borderType=cv2.BORDER_REPLICATE)
    whole[mask] = smooth[mask]
    return whole


def visible(photo: Photo) -> Photo:
    """Return the part of a picture to analyse: all of it where nothing is hidden.

    Else it is cut to what can be seen, at multiples of ``_BLOCK``, and black where it is hidden: estimates of
    noise leave black out, as it may have been clipped.
    """
    mask = hidden(photo)
    if mask is None:
        return photo
    shown = ~mask
    part = _extent(shown.any(axis=1)), _extent(shown.any(axis=0))
    pixels = photo.pixels[part].copy()
    pixels[mask[part]] = 0
    return replace(photo, pixels=pixels, alpha=None)


def _extent(shown: npt.NDArray[Any] | np.bool_) -> slice:
    places = np.flatnonzero(shown)
    return slice(int(places[0]) // _BLOCK * _BLOCK, -(-(int(places[-1]) + 1) // _BLOCK) * _BLOCK)


def undo_premultiplication(pixels: Array, alpha: Array) -> Array:
    """Pixels, (H, W) or (H, W, 3), as they were before; ``alpha`` is (H, W) of the same dtype."""
    top = full_scale(pixels.dtype)
    opacity = (alpha if pixels.ndim == 2 else alpha[..., None]).astype(np.float64) / top
    straight = np.divide(pixels, opacity, out=np.zeros(pixels.shape), where=opacity > 0)
    if pixels.dtype.kind == "f":
        return straight.astype(pixels.dtype)
    return np.minimum(np.rint(straight), top).astype(pixels.dtype)
