"""Reads and writes picture files."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from PIL import Image

from magn_cli import images
from magn_cli.api.pictures import open_picture
from magn_cli.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


def read(path: str | PathLike[str], *, max_pixels: int | None = None) -> NDArray[Any]:
    """Read a picture file: JPEG, PNG, TIFF, WebP, BMP, PNM, AVIF, or HEIF with ``magn-cli[heif]``.

    Args:
        path: the file. Its content determines the format, not its name.
        max_pixels: largest number of pixels to accept; None for 500 million.

    Returns:
        ``(H, W)`` gray or ``(H, W, 3)`` RGB, the right way up: uint8 (0..255), uint16 (0..65535) or float32
        (nominally 0..1), depending on the file. Transparency and metadata are not included; :func:`write` can copy
        them from the file.

    Raises:
        ImageError: the file is missing, damaged, too large or not a picture, or is a camera's raw file. Restore
            raw files with ``magn_cli.restore(path, "demosaic")``.
        UsageError: ``max_pixels`` is out of range.

    Example:
        >>> import magn_cli
        >>> pixels = magn_cli.read("photo.jpg")
        >>> pixels.shape, pixels.dtype
        ((48, 64, 3), dtype('uint8'))
    """
    if max_pixels is not None and max_pixels < 1:
        raise UsageError(f"max_pixels {max_pixels} is out of range; give 1 or more.")
    return images.read(Path(path), max_pixels).pixels


def write(
    path: str | PathLike[str],
    picture: NDArray[Any] | Image.Image | Tensor,
    *,
    like: str | PathLike[str] | None = None,
    quality: int = 95,
    overwrite: bool = False,
) -> None:
    """Write a picture to a file atomically.

    The file has a temporary name until it is complete.

    Args:
        path: the file, whose suffix determines the format: ``.png``, ``.jpg``, ``.jpeg``, ``.webp``, ``.tif`` or
            ``.tiff``.
        picture: an array ``(H, W)`` or ``(H, W, 3)``, a Pillow image, or a tensor ``(C, H, W)`` with 1 or 3
            channels; uint8, uint16, or floats 0..1. Samples are rounded to the depth of the format.
        like: the file that the picture was made from. Its transparency (which must have the same size), colour
            profile, EXIF, XMP and resolution are copied to the new file.
        quality: JPEG quality, 1..100.
        overwrite: replace an existing file.

    Raises:
        UsageError: the file exists, its format cannot be written, or an argument is invalid.
        ImageError: ``like`` cannot be read, or the file cannot be written.

    Example:
        >>> import magn_cli
        >>> restored = magn_cli.restore("photo.jpg")
        >>> magn_cli.write("clean.png", restored, like="photo.jpg")
    """
    if not 1 <= quality <= 100:
        raise UsageError(f"quality {quality} is out of range; give a number from 1 to 100.")
    if isinstance(picture, str | PathLike):
        raise UsageError(f"{picture!s} is a path, not a picture; read it with magn_cli.read first.")
    photos = open_picture(picture, mosaics=False).photos
    if len(photos) != 1:
        raise UsageError(f"a file holds one picture, not a batch of {len(photos)}; write them one by one.")
    photo = photos[0]
    pixels, size = photo.pixels, photo.pixels.shape[:2]
    if like is not None:
        source = images.read(Path(like), mosaics=True)
        if source.alpha is not None and source.alpha.shape != size:
            raise UsageError(
                f"{like!s} has {source.alpha.shape[1]} x {source.alpha.shape[0]} pixels, but the picture has "
                f"{size[1]} x {size[0]}; pass the file that it was made from as 'like'."
            )
        photo = source if photo.alpha is None else replace(source, alpha=photo.alpha)
    options = images.WriteOptions(quality)
    images.write(Path(path), pixels, photo, options=options, overwrite=overwrite)
