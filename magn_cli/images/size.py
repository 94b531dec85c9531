"""Read the size of a picture from the start of its file."""

import io
import struct
from typing import BinaryIO

from PIL import Image

from magn_cli.images.formats.pillow import unlimited
from magn_cli.images.silence import silence

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "PPM")
_START = 1 << 20
"""Bytes that are looked at: a file may be long, and every byte before its size a segment of its own."""

_MAX_RECORDS = 4096
_WIDTH, _HEIGHT = 256, 257


def read_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height as stored in an opened file, not turned by its orientation; None where they are not plain.

    Nothing is decoded: a file that has a size may be damaged all the same.
    """
    try:
        start = file.read(_START)
        if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _size_in_tiff(file, start)
        if start[:4] == b"RIFF":
            return _size_in_webp(start)
        with silence(native=False), unlimited():
            return Image.open(io.BytesIO(start), "r", _FORMATS).size
    except Exception:
        # As in decoding: for broken files decoders raise a dozen types.
        return None


def _size_in_tiff(file: BinaryIO, start: bytes) -> tuple[int, int]:
    """The size of the first page, whose directory may be at the end of the file."""
    order, is_big = "<" if start[:1] == b"I" else ">", b"+" in start[2:4]
    (at,) = struct.unpack_from(order + ("Q" if is_big else "I"), start, 8 if is_big else 4)
    head, record, offset = ("Q", "HHQ", 12) if is_big else ("H", "HHI", 8)
    file.seek(at)
    (count,) = struct.unpack(order + head, file.read(struct.calcsize(order + head)))
    length = offset + (8 if is_big else 4)
    records = file.read(min(count, _MAX_RECORDS) * length)
    found: dict[int, int] = {}
    for position in range(0, len(records) - length + 1, length):
        tag, kind, _ = struct.unpack_from(order + record, records, position)
        code = {3: "H", 4: "I", 16: "Q"}.get(kind, "I")
        found.setdefault(tag, struct.unpack_from(order + code, records, position + offset)[0])
    return found[_WIDTH], found[_HEIGHT]


def _size_in_webp(start: bytes) -> tuple[int, int]:
    """As in the container's specification: extended, lossless, or lossy."""
    kind, body = start[12:16], start[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF
