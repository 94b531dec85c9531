"""Findings about a photo. Each is computed once and shared by the choice of task, level and options."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from magn_cli import images
from magn_cli.analysis.jpeg_blocks import Grid, find_grid
from magn_cli.analysis.noise import estimate_sigma
from magn_cli.analysis.quantization import nearest_quality
from magn_cli.images import Photo

T = TypeVar("T")


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
