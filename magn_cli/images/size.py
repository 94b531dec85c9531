"""The size of a picture, from the start of its file."""

from pathlib import Path

from PIL import Image

from magn_cli.images.formats.pillow import unlimited
from magn_cli.images.silence import silence

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "PPM")


def read_size(path: Path) -> tuple[int, int] | None:
    """Width and height as stored in a file, not turned by its orientation; None where they are not plain to see.

    Nothing is decoded: a file that has a size may be damaged all the same.
    """
    try:
        # Opening a named pipe would wait for ever.
        if not path.is_file():
            return None
        with path.open("rb") as file, silence(native=False), unlimited():
            return Image.open(file, "r", _FORMATS).size
    except Exception:
        # As in reading: for broken files decoders raise a dozen types.
        return None
