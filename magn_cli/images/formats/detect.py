"""Which format a file has, by its first bytes."""

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
_UNREAD_STARTS = {
    b"GIF8": "a GIF picture",
    b"8BPS": "a Photoshop document",
    b"\0\0\1\0": "an icon file",
    b"\0\0\2\0": "a cursor file",
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
}


def detect_format(head: bytes) -> str:
    """The format of a file that starts with ``head``: "JPEG", "PNG", "WEBP", "TIFF", "BMP", "PNM", "AVIF", "HEIF".

    Raises RefusedError for anything else, by its name where it is known.
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
            raise RefusedError(f"is {name}, which is not read: convert it to PNG first")
    raise RefusedError(
        "is not a JPEG, PNG, WebP, TIFF, BMP, PNM, AVIF or HEIF picture, whatever its name says: "
        "convert it to one of them first"
    )


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
