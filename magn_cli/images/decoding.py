"""Decode the bytes of a file: detect the format by content, read pixels and metadata, apply the orientation."""

import logging
import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from magn_cli.errors import ImageError
from magn_cli.files import Access
from magn_cli.files.data import Data, in_memory
from magn_cli.files.scratch import let_go
from magn_cli.images.formats import bmp, heif, jpeg, pillow, png, pnm, riff, tiff
from magn_cli.images.formats.detect import HEAD, detect_format
from magn_cli.images.limits import RefusedError, at_most
from magn_cli.images.metadata import colour_chunks
from magn_cli.images.metadata.completion import completed
from magn_cli.images.metadata.orientation import upright
from magn_cli.images.photo import Array, Photo
from magn_cli.images.raw import libraw
from magn_cli.images.warnings import about, warn

logger = logging.getLogger(__name__)

INPUT_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dib"}
    | {".pnm", ".ppm", ".pgm", ".pbm", ".avif", ".heic", ".heif", ".hif"}
)
"""The suffixes (lower case) of files to read in a folder; a single file is recognized by its content."""

_UNNAMED = "The picture"
_ROWS = 256


def decode(
    data: Data,
    max_pixels: int | None = None,
    *,
    mosaics: bool = False,
    name: str = "",
    access: Access | None = None,
) -> Photo:
    """Return the picture in the bytes of a file, the right way up; of several pages or frames, the first.

    Logs a warning about whatever is left out.

    Args:
        data: the whole file.
        max_pixels: larger pictures are refused. None: larger than ``MAX_PIXELS``.
        mosaics: also read raw files of cameras and TIFF files that hold a mosaic. ``Photo.mosaic`` describes
            it.
        name: what messages call the file.
        access: who may read it.

    Raises ImageError, one sentence with that name, if the file cannot be read.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (4, 3)).save(file, "PNG")
    >>> photo = decode(file.getvalue())
    >>> photo.format, photo.pixels.shape
    ('PNG', (3, 4, 3))
    """
    called = name or _UNNAMED
    try:
        with about(name), at_most(max_pixels):
            if not data:
                raise RefusedError("is empty: get an intact copy of it")
            photo, has_more = _decoded(data, mosaics)
            _remark(photo, has_more)
            photo = upright(completed(photo))
        if photo.mosaic and not mosaics:
            raise RefusedError(f"holds the mosaic of a sensor: {libraw.NEEDS_DEMOSAIC}")
        if photo.pixels.dtype.kind == "f":
            _check_finite(photo)
    except RefusedError as refusal:
        raise ImageError(f"{called} {refusal}.") from None
    except MemoryError:
        raise ImageError(f"{called} is too large for the memory of this machine: cut it first.") from None
    except Exception as error:
        # Decoders raise a dozen types for broken files; all mean the same to the user.
        logger.debug("Reading %s failed.", called, exc_info=error)
        raise ImageError(f"{called} is truncated or damaged: get an intact copy of it.") from error
    return photo if access is None else replace(photo, access=access)


def check_start(start: bytes, name: str = "") -> None:
    """Raise ImageError if a file with this start is no picture, before the rest, perhaps gigabytes, is loaded.

    ``start``: the first 64 bytes, or all bytes of a shorter file. ``name``: what the message calls the file.
    """
    try:
        if not start:
            raise RefusedError("is empty: get an intact copy of it")
        detect_format(start[:HEAD])
    except RefusedError as refusal:
        raise ImageError(f"{name or _UNNAMED} {refusal}.") from None


def is_read_in_parts(start: bytes, name: str = "") -> bool:
    """Return whether :func:`decode` takes such a file part by part, so that it need not be in memory.

    Raises ImageError as :func:`check_start` does.
    """
    check_start(start, name)
    return detect_format(start[:HEAD]) == "TIFF"


def format_of(data: Data) -> str | None:
    """Return the format of a file, as in ``Photo.format``, by its first bytes; None for no picture.

    The file may be damaged: of a damaged TIFF it is not known whether it is a camera's raw file.
    """
    try:
        name = detect_format(data[:HEAD])
        return "RAW" if name == "TIFF" and libraw.is_raw_tiff(data) else name
    except RefusedError:
        return None
    except (ValueError, struct.error):
        return "TIFF"


def _decoded(data: Data, mosaics: bool) -> tuple[Photo, bool]:
    name = detect_format(data[:HEAD])
    if name != "RAW" and not (name == "TIFF" and libraw.is_raw_tiff(data)):
        return tiff.read(data) if name == "TIFF" else _READERS[name](in_memory(data))
    if not mosaics:
        raise RefusedError(f"looks like a camera raw file: {libraw.NEEDS_DEMOSAIC}")
    return libraw.read(in_memory(data)), False


def _remark(photo: Photo, has_more: bool) -> None:
    if has_more:
        warn("The file holds several pages or frames; only the first is used.")
    if colour_chunks.is_hdr(photo.metadata.colour):
        warn("The picture is coded for HDR (PQ or HLG); networks are trained on ordinary ones.")


def _read_webp(data: bytes) -> tuple[Photo, bool]:
    # Pillow takes some files that were cut off for whole ones.
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise ValueError("the file is shorter than it says")
    if b"C2PA" in {kind for kind, _ in riff.chunks(data)}:
        warn("Left out: content credentials (C2PA).")
    return _read_simple(data, "WEBP")


def _read_bmp(data: bytes) -> tuple[Photo, bool]:
    bmp.check(data)
    try:
        photo, has_more = _read_simple(data, "BMP")
    except OSError as error:
        if "nsupported" in str(error):
            raise RefusedError(
                "stores its pixels in a way that magn does not read: save it as PNG first"
            ) from error
        raise
    if photo.alpha is not None and not photo.alpha.any():
        # Many programs leave the fourth byte of each pixel at 0 and mean an opaque picture.
        photo = replace(photo, alpha=None)
    return photo, has_more


def _read_simple(data: bytes, kind: str) -> tuple[Photo, bool]:
    with pillow.opened(data, kind) as image:
        metadata = pillow.metadata(image)
        has_more = getattr(image, "n_frames", 1) > 1
        image.load()
        pixels, alpha = pillow.samples(image)
    return Photo(pixels, alpha, metadata, None, kind), has_more


_READERS: dict[str, Callable[[bytes], tuple[Photo, bool]]] = {
    "JPEG": jpeg.read,
    "PNG": png.read,
    "WEBP": _read_webp,
    "BMP": _read_bmp,
    "PNM": pnm.read,
    "AVIF": heif.read_avif,
    "HEIF": heif.read_heif,
}


def _check_finite(photo: Photo) -> None:
    if not all(_is_finite(part) for part in (photo.pixels, photo.alpha) if part is not None):
        raise RefusedError("holds NaN or infinite values: replace them first")


def _is_finite(values: Array) -> bool:
    for start in range(0, len(values), _ROWS):
        if not np.isfinite(values[start : start + _ROWS]).all():
            return False
        let_go(values)
    return True
