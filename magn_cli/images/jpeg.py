"""JPEG files: reading them, the facts of their compression, and writing them."""

import io
import logging
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

from magn_cli.images import pillow
from magn_cli.images.photo import Array, JpegTables, Metadata, Photo

logger = logging.getLogger(__name__)

# The order in which a quantization table is stored: along the diagonals, from low to high frequencies.
_ZIGZAG = sorted(
    ((row, column) for row in range(8) for column in range(8)),
    key=lambda rc: (sum(rc), rc[0] if sum(rc) % 2 else rc[1]),
)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SUBSAMPLINGS = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
_SEGMENT = 65533
"""The most bytes that one segment holds."""


def read(data: bytes) -> Photo:
    """The picture in the bytes of a JPEG file, not yet turned by its orientation."""
    with pillow.opened(data, "JPEG") as image:
        metadata = pillow.metadata(image)
        image.load()
        pixels, alpha = pillow.samples(image)
    return Photo(pixels, alpha, metadata, read_tables(data), "JPEG")


def read_tables(data: bytes) -> JpegTables:
    """The quantization tables and the chroma subsampling in the bytes of a JPEG file.

    ValueError if the file holds none that make sense.
    """
    tables: dict[int, Array] = {}
    components: list[tuple[int, int, int]] = []
    for marker, segment in _segments(data):
        if marker == 0xDB:
            tables |= _quantization_tables(segment)
        elif marker in _FRAMES and not components:
            for start in range(6, 6 + 3 * segment[5], 3):
                _, factors, table = segment[start : start + 3]
                components.append((factors >> 4, factors & 15, table))
    if not components or any(table not in tables for _, _, table in components):
        raise ValueError("no quantization tables")
    luma = tables[components[0][2]]
    if len(components) == 1:
        return JpegTables(luma, None, "4:0:0")
    (luma_h, luma_v, _), (chroma_h, chroma_v, chroma) = components[:2]
    ratio = (luma_h / max(chroma_h, 1), luma_v / max(chroma_v, 1))
    name = _SUBSAMPLINGS.get((int(ratio[0]), int(ratio[1]))) if all(r == int(r) for r in ratio) else None
    return JpegTables(luma, tables[chroma], name or f"{ratio[0]:g}x{ratio[1]:g}")


def encode(pixels: Array, metadata: Metadata, quality: int) -> bytes:
    """A JPEG file of 8-bit gray or RGB pixels, the chroma at full resolution.

    What does not fit into one segment of the format is left out with a warning.
    """
    exif = _fitting(metadata.exif, b"Exif\0\0", "EXIF block")
    xmp = _fitting(metadata.xmp, _XMP_HEADER, "XMP packet")
    dpi = tuple(min(max(round(value), 1), 65535) for value in metadata.dpi) if metadata.dpi else (0, 0)
    file = io.BytesIO()
    Image.fromarray(pixels).save(
        file, "JPEG", quality=quality, subsampling=0, icc_profile=metadata.icc, exif=exif, dpi=dpi
    )
    data = file.getvalue()
    if not xmp:
        return data
    # Readers expect the JFIF and EXIF segments first.
    offset = 2
    while data[offset + 1] in (0xE0, 0xE1):
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return data[:offset] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + data[offset:]


def _fitting(value: bytes | None, header: bytes, name: str) -> bytes:
    if value is None:
        return b""
    if len(header) + len(value) > _SEGMENT:
        logger.warning("The %s is larger than a JPEG file can hold and was left out.", name)
        return b""
    return header + value


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment up to the first scan (all tables of a usual file precede it)."""
    offset = 2
    while offset + 4 <= len(data):
        if data[offset] != 0xFF:
            raise ValueError("a marker is missing")
        marker = data[offset + 1]
        if marker == 0xFF:
            offset += 1
            continue
        if marker == 0xDA:
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            offset += 2
            continue
        end = offset + 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
        yield marker, data[offset + 4 : end]
        offset = end


def _quantization_tables(segment: bytes) -> dict[int, Array]:
    tables: dict[int, Array] = {}
    offset = 0
    while offset < len(segment):
        wide, number = segment[offset] >> 4, segment[offset] & 15
        values = np.frombuffer(segment, ">u2" if wide else "u1", 64, offset + 1)
        table = np.zeros((8, 8), np.int32)
        for (row, column), value in zip(_ZIGZAG, values, strict=True):
            table[row, column] = value
        tables[number] = table
        offset += 1 + values.nbytes
    return tables
