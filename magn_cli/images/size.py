"""The size of a picture, from the start of its file."""

from typing import BinaryIO

from PIL import Image

from magn_cli.images.formats.pillow import unlimited
from magn_cli.images.silence import silence

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "PPM")


def read_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height as stored in an opened file, not turned by its orientation; None where they are not plain.

    Nothing is decoded: a file that has a size may be damaged all the same.
    """
    try:
        with silence(native=False), unlimited():
            return Image.open(file, "r", _FORMATS).size
    except Exception:
        # As in decoding: for broken files decoders raise a dozen types.
        return None
