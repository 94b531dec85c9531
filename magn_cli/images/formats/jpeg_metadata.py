"""Read the metadata in the segments of a JPEG file, and name what is left out."""

import struct

from magn_cli.images.formats.jpeg_segments import APP14, Segment, Structure
from magn_cli.images.metadata import exif, gain_map, icc, iptc, tags
from magn_cli.images.photo import Metadata
from magn_cli.images.warnings import warn

XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_EXIF, _ICC, _MPF, _JFIF = b"Exif\0", b"ICC_PROFILE\0", b"MPF\0", b"JFIF\0"
_JUMBF = 0xEB
_CENTIMETRE = 2.54

# What is kept, what other warnings tell of, and what only says how the file was made.
_KEPT = (
    _EXIF,
    XMP,
    _EXTENDED_XMP,
    _ICC,
    _MPF,
    _JFIF,
    b"JFXX\0",
    b"Photoshop 3.0\0",
    b"Ducky",
    b"urn:iso:std:iso:ts:21496",
)
_KNOWN = (
    (0xE1, b"FLIR\0", "thermal data (FLIR)"),
    (0xE2, b"FPXR\0", "a FlashPix document"),
    (0xE2, b"IJPEG", "thermal data (InfiRay)"),
)
_VIDEO_BEHIND = (b"MotionPhoto_Data", b"ftyp")


def profile(structure: Structure) -> bytes | None:
    """Return the ICC profile, put together from its chunks. None without one; if damaged, with a warning."""
    chunks = [s.content[len(_ICC) :] for s in structure.head if s.marker == 0xE2 and s.content.startswith(_ICC)]
    return icc.from_chunks(chunks) if chunks else None


def read(structure: Structure, profile: bytes | None) -> Metadata:
    """Return the metadata with that profile."""
    block = b"".join(_contents(structure, 0xE1, b"Exif\0\0")) or b"".join(_contents(structure, 0xE1, _EXIF))[1:]
    packets = _contents(structure, 0xE1, XMP)
    resources = [s.content for s in structure.head if s.marker == 0xED]
    notes = iptc.from_resources(resources)
    block = exif.unprefixed(block)
    return Metadata(
        icc=profile,
        exif=block or None,
        xmp=(packets[-1] or None) if packets else None,
        iptc=notes,
        dpi=_dpi(structure, block),
    )


def warn_left_out(data: bytes, structure: Structure) -> bool:
    """Warn of what is not kept; return whether more pictures follow the first that no warning has named."""
    if any(_contents(structure, 0xE1, _EXTENDED_XMP)):
        warn("The XMP packet goes on in a second part (extended XMP), which was left out.")
    has_gain_map = gain_map.is_in(data)
    if has_gain_map:
        gain_map.warn_left_out()
    _warn_segments(structure)
    behind = data[structure.end + 2 :] if structure.end is not None else b""
    has_more = _count_pictures(structure) > 1
    if any(sign in behind for sign in _VIDEO_BEHIND):
        warn("The video of the motion photo was left out.")
    elif not has_more and not has_gain_map and behind.strip(b"\0\xff\r\n\t "):
        warn(f"The {len(behind):,} bytes behind the picture were left out.")
    return has_more and not has_gain_map


def _warn_segments(structure: Structure) -> None:
    names: list[str] = []
    for segment in structure.head:
        if segment.marker not in range(0xE1, 0xF0) or segment.marker == APP14:
            continue
        if segment.content.startswith(_KEPT) or not segment.content.strip(b"\0"):
            continue
        name = _name(segment)
        if name not in names:
            names.append(name)
    if any(b"c2pa" in content for content in _contents(structure, _JUMBF, b"JP")):
        names = ["content credentials (C2PA)", *(name for name in names if "APP11" not in name)]
    if names:
        warn(f"Left out: {', '.join(names)}.")


def _name(segment: Segment) -> str:
    for marker, start, name in _KNOWN:
        if segment.marker == marker and segment.content.startswith(start):
            return name
    return f"data of the camera or of a program (APP{segment.marker - 0xE0})"


def _contents(structure: Structure, marker: int, start: bytes) -> list[bytes]:
    return [s.content[len(start) :] for s in structure.head if s.marker == marker and s.content.startswith(start)]


def _count_pictures(structure: Structure) -> int:
    for index in _contents(structure, 0xE2, _MPF):
        try:
            return tags.read_directory(index).integers(0xB001, (1,))[0]
        except ValueError:
            continue
    return 1


def _dpi(structure: Structure, block: bytes) -> tuple[float, float] | None:
    for content in _contents(structure, 0xE0, _JFIF):
        if len(content) < 7:
            continue
        unit, x, y = struct.unpack_from(">BHH", content, 2)
        if unit in (1, 2):
            scale = 1.0 if unit == 1 else _CENTIMETRE
            return (x * scale, y * scale) if x and y else None
    return exif.dpi(block) if block else None
