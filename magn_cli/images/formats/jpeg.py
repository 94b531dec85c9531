"""JPEG files: reading them, the facts of their compression, and writing them."""

import io
import struct
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from magn_cli.images.formats import pillow
from magn_cli.images.limits import RefusedError
from magn_cli.images.metadata import gain_map, iptc
from magn_cli.images.photo import Array, JpegTables, Metadata, Photo
from magn_cli.images.silence import silence
from magn_cli.images.warnings import warn

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
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_WRITABLE = ("4:4:4", "4:2:2", "4:2:0")
_SEGMENT = 65533
"""The most bytes that one segment holds."""
_LOSSLESS, _HIERARCHICAL = (0xC3, 0xCB), (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)


def read(data: bytes) -> tuple[Photo, bool]:
    """The picture in the bytes of a JPEG file, not yet turned by its orientation, and if more follow it.

    RefusedError for the rare processes of JPEG that no common decoder knows. ValueError if it is damaged.
    """
    _check_process(data)
    with pillow.opened(data, "JPEG") as image:
        metadata = pillow.metadata(image)
        # A gain map is a picture behind the first, too.
        has_more = getattr(image, "n_frames", 1) > 1 and not gain_map.is_in(data)
        image.load()
        pixels, alpha = pillow.samples(image)
    notes = iptc.from_resources([content for marker, content in _segments(data) if marker == 0xED])
    metadata = replace(metadata, iptc=notes)
    if _EXTENDED_XMP in data:
        warn("The XMP packet goes on in a second part (extended XMP), which was left out.")
    if gain_map.is_in(data):
        gain_map.warn_left_out()
        metadata = replace(metadata, xmp=metadata.xmp and gain_map.without(metadata.xmp))
    return Photo(pixels, alpha, metadata, read_tables(data), "JPEG", coded=data), has_more


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


def encode(pixels: Array, metadata: Metadata, quality: int | JpegTables) -> bytes:
    """A JPEG file of 8-bit gray or RGB pixels, the chroma at full resolution.

    In place of a quality (1..100) the tables of another file, whose subsampling is taken over, too, where it
    is one of 4:4:4, 4:2:2 and 4:2:0. What does not fit into one segment of the format is left out with a warning.
    """
    exif = _fitting(metadata.exif, b"Exif\0\0", "EXIF block")
    xmp = _fitting(metadata.xmp, _XMP_HEADER, "XMP packet")
    notes = _fitting(iptc.as_segment(metadata.iptc) if metadata.iptc else None, b"", "IPTC block")
    dpi = tuple(min(max(round(value), 1), 65535) for value in metadata.dpi) if metadata.dpi else (0, 0)
    file = io.BytesIO()
    how: dict[str, Any] = {"quality": quality, "subsampling": "4:4:4"}
    if isinstance(quality, JpegTables):
        tables = [quality.luma] if pixels.ndim == 2 else [quality.luma, quality.chroma]
        how["qtables"] = [(quality.luma if t is None else t).ravel().tolist() for t in tables]
        how["subsampling"] = quality.subsampling if quality.subsampling in _WRITABLE else "4:4:4"
        del how["quality"]
    # The library has a word on tables that old decoders do not know.
    with silence(native=True) if isinstance(quality, JpegTables) else nullcontext():
        Image.fromarray(pixels).save(file, "JPEG", icc_profile=metadata.icc, exif=exif, dpi=dpi, **how)
    data = file.getvalue()
    more = b"".join(
        b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content
        for marker, content in ((0xE1, xmp), (0xED, notes))
        if content
    )
    # Readers expect the JFIF and EXIF segments first.
    offset = 2
    while data[offset + 1] in (0xE0, 0xE1):
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return data[:offset] + more + data[offset:]


def _check_process(data: bytes) -> None:
    for marker, segment in _segments(data):
        if marker not in _FRAMES or not segment:
            continue
        name = "lossless" if marker in _LOSSLESS else "hierarchical" if marker in _HIERARCHICAL else None
        if name is None and segment[0] != 8:
            name = f"{segment[0]}-bit"
        if name is not None:
            raise RefusedError(f"is a {name} JPEG file, which is not read: save it as PNG or TIFF first")
        return


def _fitting(value: bytes | None, header: bytes, name: str) -> bytes:
    if value is None:
        return b""
    if len(header) + len(value) > _SEGMENT:
        warn(f"The {name} is larger than a JPEG file can hold and was left out.")
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
