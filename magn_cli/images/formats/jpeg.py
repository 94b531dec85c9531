"""Read and write JPEG files, and read how they were compressed."""

import io
from contextlib import nullcontext
from typing import Any

import numpy as np
from PIL import Image

from magn_cli.images.formats import jpeg_damage, jpeg_metadata, jpeg_segments, pillow
from magn_cli.images.formats.jpeg_segments import Structure
from magn_cli.images.limits import RefusedError, check_size
from magn_cli.images.metadata import iptc
from magn_cli.images.photo import Array, JpegTables, Metadata, Photo
from magn_cli.images.silence import silence
from magn_cli.images.warnings import warn

# The order in which a quantization table is stored: along the diagonals, from low to high frequencies.
_ZIGZAG = sorted(
    ((row, column) for row in range(8) for column in range(8)),
    key=lambda rc: (sum(rc), rc[0] if sum(rc) % 2 else rc[1]),
)
_SUBSAMPLINGS = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}
_WRITABLE = ("4:4:4", "4:2:2", "4:2:0")
_SEGMENT = 65533
"""The most bytes that one segment holds."""
MAX_EXIF = _SEGMENT - len(b"Exif\0\0")
"""The most bytes of an EXIF block."""
_MAX_PROFILE = 255 * (_SEGMENT - len(b"ICC_PROFILE\0") - 2)
"""The most bytes of a colour profile: segments count to 255."""
_LOSSLESS, _HIERARCHICAL = (0xC3, 0xCB), (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)


def read(data: bytes) -> tuple[Photo, bool]:
    """Return the picture in a JPEG file, not yet turned by its orientation, and whether more pictures follow it.

    A file without its end marker is read, with a warning, if all its pixels are there.

    Raises RefusedError for kinds of JPEG that common decoders do not know, and for damage that the decoder would
    patch over. Raises ValueError for a file that is cut off.
    """
    structure = jpeg_segments.parse(data)
    _check_process(structure)
    check_size(*jpeg_damage.size(structure))
    jpeg_damage.check_capacity(structure, len(data))
    bare = jpeg_segments.bare(data, structure)
    with pillow.opened(bare, "JPEG") as image:
        if jpeg_damage.is_arithmetic(structure):
            # libjpeg cannot wait for more of these.
            image.decodermaxblock = len(bare)  # type: ignore[attr-defined]
        image.load()
        is_cmyk = image.mode == "CMYK"
        profile = jpeg_metadata.profile(structure)
        if profile:
            image.info["icc_profile"] = profile
        pixels, alpha = pillow.samples(image)
    jpeg_damage.check(bare, structure)
    if not is_cmyk:
        jpeg_damage.check_traces(bare, structure, pixels)
    if structure.end is None:
        warn("The end marker is missing, but all pixels are there.")
    metadata = jpeg_metadata.read(structure, None if is_cmyk else profile)
    has_more = jpeg_metadata.warn_left_out(data, structure)
    return Photo(pixels, alpha, metadata, read_tables(data), "JPEG", coded=bare), has_more


def read_tables(data: bytes) -> JpegTables | None:
    """Return the quantization tables and the subsampling of a JPEG file; None where they cannot be found."""
    try:
        return _tables(jpeg_segments.parse(data))
    except (ValueError, IndexError):
        return None


def _tables(structure: Structure) -> JpegTables | None:
    tables: dict[int, Array] = {}
    for segment in structure.head:
        if segment.marker == jpeg_segments.DQT:
            tables |= _quantization_tables(segment.content)
    frame = structure.frame.content if structure.frame else b"\0" * 6
    components = [(frame[at + 1] >> 4, frame[at + 1] & 15, frame[at + 2]) for at in range(6, 6 + 3 * frame[5], 3)]
    if not components or any(table not in tables for _, _, table in components):
        return None
    luma = tables[components[0][2]]
    if len(components) == 1:
        return JpegTables(luma, None, "4:0:0")
    (luma_h, luma_v, _), (chroma_h, chroma_v, chroma) = components[:2]
    ratio = (luma_h / max(chroma_h, 1), luma_v / max(chroma_v, 1))
    name = _SUBSAMPLINGS.get((int(ratio[0]), int(ratio[1]))) if all(r == int(r) for r in ratio) else None
    return JpegTables(luma, tables[chroma], name or f"{ratio[0]:g}x{ratio[1]:g}")


def encode(pixels: Array, metadata: Metadata, quality: int | JpegTables) -> bytes:
    """Return a JPEG file of 8-bit pixels, ``(H, W)`` or ``(H, W, 3)``.

    Args:
        pixels: uint8.
        metadata: its EXIF block must fit, see :func:`magn_cli.images.metadata.exif.within`. XMP and IPTC that do
            not fit into one segment are left out with a warning.
        quality: 1..100 with chroma at full resolution, or the tables of another file. Then its subsampling is
            used too, if it is 4:4:4, 4:2:2 or 4:2:0.
    """
    exif = b"Exif\0\0" + metadata.exif if metadata.exif else b""
    xmp = _fitting(metadata.xmp, jpeg_metadata.XMP, "XMP packet")
    notes = _fitting(iptc.as_segment(metadata.iptc) if metadata.iptc else None, b"", "IPTC block")
    icc = metadata.icc
    if icc and len(icc) > _MAX_PROFILE:
        warn("The colour profile is larger than a JPEG file can hold and was left out.")
        icc = None
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
        Image.fromarray(pixels).save(file, "JPEG", icc_profile=icc, exif=exif, dpi=dpi, **how)
    data = file.getvalue()
    more = b"".join(
        jpeg_segments.written(marker, content) for marker, content in ((0xE1, xmp), (0xED, notes)) if content
    )
    # Readers expect the JFIF and EXIF segments first.
    offset = 2
    while data[offset + 1] in (0xE0, 0xE1):
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return data[:offset] + more + data[offset:]


def _check_process(structure: Structure) -> None:
    frame = structure.frame
    if frame is None or not frame.content:
        return
    name = "lossless" if frame.marker in _LOSSLESS else "hierarchical" if frame.marker in _HIERARCHICAL else None
    if name is None and frame.content[0] != 8:
        name = f"{frame.content[0]}-bit"
    if name is not None:
        raise RefusedError(f"is a {name} JPEG file, which magn does not read: save it as PNG or TIFF first")


def _fitting(value: bytes | None, header: bytes, name: str) -> bytes:
    if value is None:
        return b""
    if len(header) + len(value) > _SEGMENT:
        warn(f"The {name} is larger than a JPEG file can hold and was left out.")
        return b""
    return header + value


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
