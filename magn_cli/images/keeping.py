"""Find out what of a photo's metadata each output format keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from magn_cli.errors import ImageError
from magn_cli.images.decoding import decode
from magn_cli.images.encoding import check_sides, encode
from magn_cli.images.limits import RefusedError
from magn_cli.images.photo import Photo
from magn_cli.images.warnings import collected_warnings

OUTPUT_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
"""The formats that can be written, as in ``Photo.format``."""

_SIDE = 8
_NAMES = {
    "exif": "EXIF",
    "xmp": "XMP",
    "iptc": "IPTC",
    "icc": "colour profile",
    "dpi": "resolution",
    "colour": "colour chunks",
    "geo": "GeoTIFF",
}


@dataclass(frozen=True)
class Kept:
    """What a result in one format keeps."""

    format: str
    parts: tuple[str, ...]
    """Of those that :func:`parts` names."""

    lost: tuple[str, ...]
    """The others."""

    bits: int
    """Bits of a sample: 8, 16, or 32 for floats."""

    remarks: tuple[str, ...]
    """The sentences that magn would say when it writes the file."""


def parts(photo: Photo) -> tuple[str, ...]:
    """Return what stands beside the colours of a photo: ``EXIF``, ``XMP``, ``colour profile`` and so on."""
    found = [name for field, name in _NAMES.items() if getattr(photo.metadata, field)]
    return (*found, *(["alpha"] if photo.alpha is not None else []))


def kept_in(photo: Photo, format: str) -> Kept:
    """Return what a result in a format keeps beside the colours.

    It writes a picture of 8 x 8 pixels with the photo's metadata and reads it again, so the answer is that of the
    code that writes results.

    Args:
        photo: as read.
        format: one of :data:`OUTPUT_FORMATS`.

    Raises:
        ImageError: the photo is too large for the format.
    """
    try:
        check_sides(format, photo.pixels.shape)
    except RefusedError as refusal:
        raise ImageError(f"The picture {refusal}.") from None
    # A mosaic becomes a picture in colour.
    is_gray = photo.pixels.ndim == 2 and photo.mosaic is None
    shape = (_SIDE, _SIDE) if is_gray else (_SIDE, _SIDE, 3)
    sample = np.zeros(shape, photo.pixels.dtype)
    alpha = None if photo.alpha is None else np.full(shape[:2], photo.alpha.min(), photo.alpha.dtype)
    small = replace(photo, pixels=sample, alpha=alpha, quantization=None, mosaic=None, coded=None)
    with collected_warnings() as remarks:
        written = encode(sample, format, small)
    with collected_warnings():
        read = decode(written)
    had, has = parts(photo), parts(read)
    return Kept(
        format,
        tuple(part for part in had if part in has),
        tuple(part for part in had if part not in has),
        8 * read.pixels.dtype.itemsize,
        tuple(remarks),
    )
