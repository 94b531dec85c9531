"""Check BMP files for what Pillow does not decode, before it tries."""

import struct

from magn_cli.images.limits import RefusedError, check_size

_COMPRESSIONS = {4: "JPEG", 5: "PNG", 11: "uncompressed CMYK", 12: "RLE8 CMYK", 13: "RLE4 CMYK"}
_READ = frozenset({0, 1, 2, 3})
_OS2_HEADER = 12
_PACKED = (1, 2)
"""Run-length coded: two bytes make up to 255 pixels."""


def check(data: bytes) -> None:
    """Raise RefusedError for compressions that are not read, ValueError if the data are too few for the size."""
    (header,) = struct.unpack_from("<I", data, 14)
    if header == _OS2_HEADER:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression not in _READ:
        name = _COMPRESSIONS.get(compression, f"number {compression}")
        raise RefusedError(
            f"uses {name} compression inside a BMP file, which magn does not read: save it as PNG first"
        )
    check_size(width, abs(height))
    most = 255 * len(data) // 2 if compression in _PACKED else 8 * len(data) // max(bits, 1)
    if width * abs(height) > most:
        raise ValueError(f"{len(data)} bytes cannot hold {width} x {abs(height)} pixels")
