"""What is seen in a photo, each thing looked for once: choosing a task, its level and its options share it."""

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
    """Return what of a photo can be seen, see :func:`magn_cli.images.visible`; the same object each time."""

    def changed() -> Photo | None:
        # A photo that knew itself would outlive its last user.
        part = images.visible(photo)
        return None if part is photo else part

    return _once(photo, "visible", changed) or photo


def sigma(photo: Photo) -> float:
    """Estimate the noise, see :func:`estimate_sigma`; a JPEG file tells whether its chroma was halved."""
    tables = photo.quantization
    halved = tables is not None and tables.subsampling not in ("4:4:4", "4:0:0")
    return _once(photo, "sigma", lambda: estimate_sigma(photo.pixels, halved, partial(grid, photo)))


def grid(photo: Photo) -> Grid | None:
    """Look for JPEG's 8x8 grid, see :func:`find_grid`, in the photo the right way up."""
    return _once(photo, "grid", lambda: find_grid(photo.pixels))


def stored_grid(photo: Photo) -> Grid | None:
    """Look for the same grid in the photo as its file stores it, before it was turned."""
    if photo.turned == 1:
        return grid(photo)
    return _once(photo, "stored grid", lambda: find_grid(images.as_stored(photo.pixels, photo.turned)))


def quality(photo: Photo) -> tuple[int, bool] | None:
    """Return the JPEG quality nearest to the file's tables, and whether it is exact; None: it is no JPEG file."""
    tables = photo.quantization
    if tables is None:
        return None
    return _once(photo, "quality", lambda: nearest_quality(tables.luma, tables.chroma))


def _once(photo: Photo, name: str, find: Callable[[], T]) -> T:
    if name not in photo.findings:
        photo.findings[name] = find()
    found: T = photo.findings[name]
    return found
