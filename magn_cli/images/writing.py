"""Writing a picture to a file, with what travels along from the picture it was made of."""

import errno
import io
import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from magn_cli import atomic
from magn_cli.errors import ImageError, UsageError
from magn_cli.images import exif, jpeg, png, tiff
from magn_cli.images.depth import change_depth, full_scale
from magn_cli.images.limits import RefusedError
from magn_cli.images.photo import Array, Metadata, Photo

logger = logging.getLogger(__name__)

OUTPUT_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"})
"""The suffixes (lower case) of the formats that can be written."""

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WebP", ".tif": "TIFF", ".tiff": "TIFF"}
_DEPTHS: dict[str, tuple[npt.DTypeLike, ...]] = {
    "JPEG": (np.uint8,),
    "WebP": (np.uint8,),
    "PNG": (np.uint8, np.uint16),
    "TIFF": (np.uint8, np.uint16, np.float32),
}
# The JPEG library stops a little below the 65,535 that the format could say.
_LONGEST_SIDES = {"JPEG": 65_500, "WebP": 16_383}


def is_supported_output(path: Path) -> bool:
    """Whether the suffix of a path, in any case, is that of a format that can be written."""
    return Path(path).suffix.lower() in OUTPUT_SUFFIXES


def write(
    path: Path,
    pixels: Array,
    like: Photo | None = None,
    *,
    overwrite: bool = False,
    jpeg_quality: int = 95,
    software: str | None = None,
) -> None:
    """Write pixels, (H, W) gray or (H, W, 3) RGB, to a file in the format of its suffix, whole or not at all.

    PNG and WebP are lossless, TIFF is and keeps float32; JPEG is written with ``jpeg_quality`` (1..100) and
    without chroma subsampling. Samples deeper than the format can hold are rounded to the nearest step.
    ``like`` is the picture that these pixels were made of: its alpha, which must have the same height and
    width, and its metadata go into the file as far as the format can hold them. ``software`` is the name
    of the program to be noted in the file.

    Raises UsageError, before any work, if the suffix is not that of a format that can be written or if the
    file exists and ``overwrite`` is False. Raises ImageError if the picture is too large for the format or
    the file cannot be written. ValueError and TypeError for pixels that are no picture.
    """
    path = Path(path)
    if not is_supported_output(path):
        raise UsageError(f"{path} cannot be written in that format: choose a name that ends in {_choices()}.")
    if os.path.lexists(path) and not overwrite:
        raise UsageError(f"{path} exists already: choose another name or allow it to be overwritten.")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or pixels.size == 0:
        raise ValueError(f"pixels must be (H, W) or (H, W, 3), not {pixels.shape}")
    try:
        if path.is_dir():
            raise RefusedError("is a folder: choose the name of a file")
        data = _encoded(_FORMATS[path.suffix.lower()], pixels, like, jpeg_quality, software)
        atomic.write_bytes(path, data)
    except RefusedError as refusal:
        raise ImageError(f"{path} {refusal}.") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {_reason(error)}.") from error


def _encoded(kind: str, pixels: Array, like: Photo | None, quality: int, software: str | None) -> bytes:
    longest = _LONGEST_SIDES.get(kind)
    if longest and max(pixels.shape[:2]) > longest:
        raise RefusedError(
            f"cannot be written: {kind} holds at most {longest:,} pixels a side and the picture has "
            f"{pixels.shape[1]:,} x {pixels.shape[0]:,}, so choose a .png name instead"
        )
    allowed = [np.dtype(depth) for depth in _DEPTHS[kind]]
    dtype = pixels.dtype if pixels.dtype in allowed else allowed[-1]
    alpha = None if like is None or like.alpha is None else change_depth(like.alpha, dtype)
    if alpha is not None and alpha.shape != pixels.shape[:2]:
        raise ValueError(f"the alpha is {alpha.shape}, the pixels {pixels.shape[:2]}")
    if dtype != pixels.dtype:
        logger.warning("%s holds at most %d bits; the picture had more.", kind, 8 * dtype.itemsize)
    pixels = change_depth(pixels, dtype)
    metadata = like.metadata if like is not None else Metadata()
    metadata = _fitting(metadata, gray=pixels.ndim == 2 and kind != "WebP")
    if kind in ("JPEG", "WebP") and software:
        metadata = replace(metadata, exif=exif.with_software(metadata.exif, software))
    if kind == "PNG":
        return png.encode(pixels, alpha, metadata, software)
    if kind == "TIFF":
        return tiff.encode(pixels, alpha, metadata, software)
    if kind == "WebP":
        return _webp(pixels, alpha, metadata)
    if alpha is not None and (alpha < full_scale(alpha.dtype)).any():
        logger.warning("JPEG has no transparency; the alpha channel was left out.")
    return jpeg.encode(pixels, metadata, quality)


def _fitting(metadata: Metadata, *, gray: bool) -> Metadata:
    """The metadata without a profile for other colours and without a damaged EXIF block."""
    icc, block = metadata.icc, metadata.exif
    # Bytes 16 to 19 of a profile name the colours that it is for.
    if icc and icc[16:20] != (b"GRAY" if gray else b"RGB "):
        logger.warning("The colour profile is not one for %s and was left out.", "gray" if gray else "RGB")
        icc = None
    try:
        block = block and exif.with_orientation_1(block)
    except ValueError:
        logger.warning("The EXIF block is damaged and was left out.")
        block = None
    return replace(metadata, icc=icc, exif=block)


def _webp(pixels: Array, alpha: Array | None, metadata: Metadata) -> bytes:
    colours = pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)
    samples = colours if alpha is None else np.dstack([colours, alpha])
    file = io.BytesIO()
    Image.fromarray(samples).save(
        file,
        "WEBP",
        lossless=True,
        exact=True,
        icc_profile=metadata.icc or b"",
        exif=metadata.exif or b"",
        xmp=metadata.xmp or b"",
    )
    return file.getvalue()


def _reason(error: OSError) -> str:
    reasons = {
        errno.ENOENT: "its folder does not exist, so create that first",
        errno.ENOTDIR: "its folder does not exist, so create that first",
        errno.EACCES: "you may not write to its folder, so choose another one",
        errno.EPERM: "you may not write to its folder, so choose another one",
        errno.EROFS: "its disk is read-only, so choose another one",
        errno.ENOSPC: "the disk is full, so free some space first",
        errno.EDQUOT: "your share of the disk is used up, so free some space first",
        errno.ENAMETOOLONG: "its name is too long, so choose a shorter one",
    }
    return reasons.get(error.errno or 0, f"{error.strerror or error}, so check the disk or choose another folder")


def _choices() -> str:
    *others, last = sorted(OUTPUT_SUFFIXES)
    return f"{', '.join(others)} or {last}"
