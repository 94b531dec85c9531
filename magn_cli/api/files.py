"""Reading and writing the pictures that are restored."""

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
        path: the file, which is known by its content and not by its name.
        max_pixels: refuse a larger picture; None: above 500 million pixels.

    Returns:
        ``(H, W)`` gray or ``(H, W, 3)`` RGB, the right way up: uint8 (0..255), uint16 (0..65535) or float32
        (0..1 nominal), whatever the file holds. Transparency and metadata stay behind; :func:`write` fetches them
        from the file again.

    Raises:
        ImageError: the file is missing, damaged, too large or no picture, or is a camera's raw file, which
            ``magn_cli.restore(path, "demosaic")`` takes.

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
    """Write a picture to a file, whole or not at all.

    The file gets a temporary name first and its own when it is complete.

    Args:
        path: ends in ``.png``, ``.jpg``, ``.jpeg``, ``.webp``, ``.tif`` or ``.tiff``, which decides the format.
        picture: an array ``(H, W)`` or ``(H, W, 3)``, a Pillow image, or a tensor ``(C, H, W)`` with 1 or 3
            channels; uint8, uint16, or floats 0..1. Samples deeper than the format holds are rounded.
        like: the file that the picture was made of; its transparency (of the same size), colour profile, EXIF,
            XMP and resolution go into the new file.
        quality: of a JPEG file, 1..100.
        overwrite: replace a file that exists.

    Raises:
        UsageError: the file exists, its format cannot be written, or an argument is not as above.
        ImageError: ``like`` cannot be read, or the file cannot be written.

    Example:
        >>> import magn_cli
        >>> restored = magn_cli.restore("photo.jpg")
        >>> magn_cli.write("clean.png", restored, like="photo.jpg")
    """
    if not 1 <= quality <= 100:
        raise UsageError(f"quality {quality} is out of range; give a number from 1 to 100.")
    if isinstance(picture, str | PathLike):
        raise UsageError(f"{picture!s} is a path, not a picture; read it first with magn_cli.read.")
    photos = open_picture(picture, mosaics=False).photos
    if len(photos) != 1:
        raise UsageError(f"a file holds one picture, not a batch of {len(photos)}; write them one by one.")
    photo = photos[0]
    pixels, size = photo.pixels, photo.pixels.shape[:2]
    if like is not None:
        source = images.read(Path(like), mosaics=True)
        if source.alpha is not None and source.alpha.shape != size:
            raise UsageError(
                f"{like!s} has {source.alpha.shape[1]} x {source.alpha.shape[0]} pixels, the picture "
                f"{size[1]} x {size[0]}; give as 'like' the file that it was made of."
            )
        photo = source if photo.alpha is None else replace(source, alpha=photo.alpha)
    options = images.WriteOptions(quality)
    images.write(Path(path), pixels, photo, options=options, overwrite=overwrite)
