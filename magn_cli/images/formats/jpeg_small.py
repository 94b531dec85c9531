"""Decode JPEG files at an eighth of their size, with libraries that pass on the warnings of libjpeg.

simplejpeg reads most kinds of files, OpenCV those with unusual subsampling.
"""

import simplejpeg

from magn_cli.images.formats import opencv
from magn_cli.images.photo import Array


def complaint(data: bytes) -> str | None:
    """Return the first warning of libjpeg; empty without one, None where nothing decodes the file."""
    space = _space(data)
    if space is None:
        return opencv.jpeg_complaint(data)
    try:
        _decoded(data, space)
    except ValueError as error:
        return str(error)
    return ""


def means(data: bytes, colours: bytes) -> Array | None:
    """Return the means of blocks of a gray or YCbCr file, ``(H, W, 1)`` or ``(H, W, 3)``, uint8.

    None for other kinds, and where libjpeg warns.

    Args:
        data: the file that tells the kind.
        colours: the same with other quantization tables.
    """
    space = _space(data)
    if space not in ("GRAY", "YCbCr"):
        return None
    try:
        return _decoded(colours, space)
    except ValueError:
        return None


def _space(data: bytes) -> str | None:
    """What colours the file stores; None for kinds that the binding does not know."""
    try:
        _, _, colours, _ = simplejpeg.decode_jpeg_header(data)
    except (ValueError, KeyError):
        return None
    return "GRAY" if colours == "Gray" else str(colours)


def _decoded(data: bytes, space: str) -> Array:
    target = "CMYK" if space in ("CMYK", "YCCK") else "GRAY" if space == "GRAY" else "RGB"
    small: Array = simplejpeg.decode_jpeg(
        data, target, fastdct=True, fastupsample=True, min_height=1, min_width=1, min_factor=8
    )
    return small
