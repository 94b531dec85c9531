"""Read the EXIF block of raw files."""

import struct

from magn_cli.images.formats import pillow
from magn_cli.images.formats.tiff import DESCRIPTIVE
from magn_cli.images.metadata import tags

TIFF_LIKE = (b"IIU\0", b"IIRO", b"IIRS", b"MMOR")
"""How raw files begin that are TIFF but for a number of their own (Panasonic, Olympus)."""

# Maker notes hold offsets that would not fit any more, and the stored size is another than the picture's.
_NEVER = frozenset({37500, 0xA002, 0xA003})
_FUJI, _FUJI_PREVIEW = b"FUJIFILMCCD-RAW", 84


def block(data: bytes, orientation: int) -> bytes:
    """What describes the photograph in the bytes of a raw file, with the orientation 1..8.

    Without a directory that can be read, the orientation alone.
    """
    try:
        source = tags.read_directory(_as_tiff(data))
    except ValueError:
        source = None
    order: tags.ByteOrder = source.order if source else "<"
    buffer = bytearray(tags.empty(order))
    records = tags.copy_directory(source, buffer, DESCRIPTIVE, _NEVER) if source else {}
    records[tags.ORIENTATION] = tags.append_value(
        buffer, order, tags.ORIENTATION, tags.SHORT, struct.pack(order + "H", orientation)
    )
    tags.append_directory(buffer, order, records, first=True)
    return bytes(buffer)


def _as_tiff(data: bytes) -> bytes:
    if data.startswith(TIFF_LIKE):
        return (b"II*\0" if data.startswith(b"II") else b"MM\0*") + data[4:]
    if not data.startswith(_FUJI):
        return data
    offset, length = struct.unpack_from(">II", data, _FUJI_PREVIEW)
    with pillow.opened(data[offset : offset + length], "JPEG", checked=False) as preview:
        return pillow.metadata(preview).exif or b""
