"""Detect the format of a file by its first bytes."""

from magn_cli.images.limits import RefusedError
from magn_cli.images.raw import libraw

HEAD = 64
"""How many of the first bytes tell."""

_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
}
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIF",
    b"heix": "HEIF",
    b"heim": "HEIF",
    b"heis": "HEIF",
    b"hevc": "HEIF",
    b"hevx": "HEIF",
    b"hevm": "HEIF",
    b"hevs": "HEIF",
}
# What downloads and backups leave under the name of a picture; in small letters.
_OTHER_STARTS = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML document",
    b"pk\3\4": "a ZIP archive",
    b"rar!": "a RAR archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x1ae\xdf\xa3": "a Matroska or WebM video",
    b"{\\rtf": "a text document",
}
_TGA_TYPES, _TGA_DEPTHS = frozenset({1, 2, 3, 9, 10, 11}), frozenset({8, 15, 16, 24, 32})
_ICON_NAMES = {1: "an icon file", 2: "a cursor file"}
_UNREAD_STARTS = {
    b"GIF8": "a GIF picture",
    b"8BPS": "a Photoshop document",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"%PDF": "a PDF document",
    b"P7\n": "a PAM picture",
    b"PF\n": "a PFM picture",
    b"Pf\n": "a PFM picture",
    b"v/1\1": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance picture",
    b"qoif": "a QOI picture",
    b"gimp xcf": "a GIMP document",
    b"SIMPLE  =": "a FITS picture",
    b"DDS ": "a DirectDraw texture",
    b"BPG\xfb": "a BPG picture",
    b"\x01\xda": "an SGI picture",
}


def detect_format(head: bytes) -> str:
    """Return the format of a file that starts with ``head``.

    One of "JPEG", "PNG", "WEBP", "TIFF", "BMP", "PNM", "AVIF", "HEIF" and "RAW". Raises RefusedError for anything
    else, by its name where it is known.
    """
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:1] == b"P" and head[1:2] in b"123456" and (head[2:3].isspace() or head[2:3] == b"#"):
        return "PNM"
    if libraw.is_raw(head):
        return "RAW"
    if head[4:8] == b"ftyp":
        return _format_of_boxes(head)
    for start, name in _UNREAD_STARTS.items():
        if head.startswith(start):
            raise _unread(name)
    for start, name in _OTHER_STARTS.items():
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(start):
            raise RefusedError(f"is {name} and not a picture: get the picture itself")
    if _is_icon(head):
        raise _unread(_ICON_NAMES[head[2]])
    if _is_targa(head):
        raise _unread("a Targa (TGA) picture")
    raise RefusedError(
        "contains no JPEG, PNG, WebP, TIFF, BMP, PNM, AVIF or HEIF picture: convert it to one of these first"
    )


def _unread(name: str) -> RefusedError:
    return RefusedError(f"is {name}, which magn does not read: convert it to PNG first")


def _is_icon(head: bytes) -> bool:
    """Whether the header and its first entry, of 16 bytes, are those of an icon or a cursor."""
    if head[:4] not in (b"\0\0\1\0", b"\0\0\2\0"):
        return False
    count, offset = int.from_bytes(head[4:6], "little"), int.from_bytes(head[18:22], "little")
    return count > 0 and (offset >= 6 + 16 * count or not head[6:22].strip(b"\0"))


def _is_targa(head: bytes) -> bool:
    """Whether the fields of a Targa header make sense together: the format has no signature in front."""
    if len(head) < 18 or head[1] > 1 or head[2] not in _TGA_TYPES or head[16] not in _TGA_DEPTHS:
        return False
    has_map = head[2] in (1, 9)
    return has_map == (head[1] == 1) and any(head[12:14]) and any(head[14:16])


def _format_of_boxes(head: bytes) -> str:
    size = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(size, len(head)), 4))]
    found = next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
    if found is None and brands[0] in (b"mif1", b"msf1"):
        # What a HEIF file without a brand for its codec holds, only its decoder finds out.
        return "HEIF"
    if found is None:
        raise RefusedError("looks like a video: save a frame of it as PNG")
    return found
