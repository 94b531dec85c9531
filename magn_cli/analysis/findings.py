"""Findings about a photo. Each is computed once and shared by the choice of task, level and options."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from magn_cli import images
from magn_cli.analysis.jpeg_blocks import Grid, find_grid
from magn_cli.analysis.learned_noise import Noise, estimate_noise
from magn_cli.analysis.noise import TEXTURE, as_gray, estimate_sigma
from magn_cli.analysis.quantization import nearest_quality
from magn_cli.images import Photo

T = TypeVar("T")

ALIKE = math.log(1.25)
"""Difference between the logarithms of the two estimates of noise up to which the noise counts as white."""

WHITE_FROM = 3.0
"""Sigma below which texture and white noise are hard to tell apart."""

MIDDLE = 256
"""Side of the part of a photo that shows which kind of noise it has, in pixels."""


def visible(photo: Photo) -> Photo:
    """Return the visible part of a photo, see :func:`magn_cli.images.visible`; always the same object."""

    def changed() -> Photo | None:
        # A photo that refers to itself would be freed late.
        part = images.visible(photo)
        return None if part is photo else part

    return _once(photo, "visible", changed) or photo


def sigma(photo: Photo) -> float:
    """Estimate the noise, see :func:`estimate_sigma`. For JPEG files, the subsampling is known."""
    tables = photo.quantization
    halved = tables is not None and tables.subsampling not in ("4:4:4", "4:0:0")
    return _once(photo, "sigma", lambda: estimate_sigma(photo.pixels, halved, partial(grid, photo)))


def is_white(photo: Photo) -> bool:
    """Return whether a photo clearly has white noise, as its middle shows; never for JPEG files.

    Tested on all of Set12 and every second picture of BSD68 and Kodak24. With white noise of sigma 10 to 50,
    rounded to 8 bit or not, it was found in every picture; with the noise of simulated cameras of sigma 2 to 50,
    in one of ten, mostly gray. Of the 100 photos of PolyU, none has it.
    """

    def found() -> bool:
        if photo.quantization is not None:
            return False
        top, left = (max(0, side - MIDDLE) // 2 for side in photo.pixels.shape[:2])
        part = photo.pixels[top : top + MIDDLE, left : left + MIDDLE]
        white, learned = estimate_sigma(part), estimate_noise(part, None)
        return white > WHITE_FROM and _is_white(white, learned)

    return _once(photo, "white", found)


def _is_white(white: float, learned: Noise | None) -> bool:
    """Return whether the estimate of white noise is that of all noise, or more than texture can explain."""
    if learned is None:
        return white > TEXTURE
    return _alike(white, learned.sigma) or white > max(TEXTURE, learned.sigma)


def noise(photo: Photo) -> Noise:
    """Estimate the noise of a photo, white or coarse, see :func:`estimate_noise`.

    White noise is measured more accurately by :func:`estimate_sigma`. Its result is taken where the two agree,
    where it is more than texture can explain, and for pictures that are too small for the other.
    """

    def found() -> Noise:
        read, white = quality(photo), sigma(photo)
        learned = estimate_noise(photo.pixels, None if read is None else read[0])
        if learned is None:
            return Noise(white, white, float(white > TEXTURE))
        if _is_white(white, learned):
            error = white if _alike(white, learned.error) else max(white, learned.error)
            return Noise(white, error, learned.dominance)
        return learned

    return _once(photo, "noise", found)


def _alike(one: float, other: float) -> bool:
    return min(one, other) > 0 and abs(math.log(one / other)) < ALIKE


def is_gray(photo: Photo) -> bool:
    """Return whether all channels of the photo are equal."""
    return _once(photo, "gray", lambda: as_gray(photo.pixels).ndim == 2)


def grid(photo: Photo) -> Grid | None:
    """Find JPEG's 8x8 grid in the photo the right way up, see :func:`find_grid`."""
    return _once(photo, "grid", lambda: find_grid(photo.pixels))


def stored_grid(photo: Photo) -> Grid | None:
    """Find JPEG's 8x8 grid in the photo as stored in its file, before it was rotated."""
    if photo.turned == 1:
        return grid(photo)
    return _once(photo, "stored grid", lambda: find_grid(images.as_stored(photo.pixels, photo.turned)))


def quality(photo: Photo) -> tuple[int, bool] | None:
    """Return the JPEG quality nearest to the file's tables, and whether it is exact; None if it is no JPEG."""
    tables = photo.quantization
    if tables is None:
        return None
    return _once(photo, "quality", lambda: nearest_quality(tables.luma, tables.chroma))


def _once(photo: Photo, name: str, find: Callable[[], T]) -> T:
    if name not in photo.findings:
        photo.findings[name] = find()
    found: T = photo.findings[name]
    return found
