"""Read the metadata of PNG files, from their own chunks and from the text chunks of older programs."""

import re
import struct
import zlib
from collections.abc import Iterator

from magn_cli.images.metadata import colour_chunks, exif, iptc
from magn_cli.images.photo import Metadata
from magn_cli.images.warnings import warn

Chunk = tuple[bytes, bytes]
"""Kind and content."""

INCH = 0.0254
"""Metres."""
XMP_KEYWORD = b"XML:com.adobe.xmp"

_MAX_INFLATED = 64 << 20
"""The most bytes of metadata that a compressed chunk may unfold to."""
_MAX_KEYWORD = 79
_RAW_PROFILE = b"Raw profile type "
# ImageMagick's names; a profile is read once of each.
_RAW_KINDS = (b"exif", b"app1", b"xmp", b"iptc", b"8bim", b"icc", b"icm")
_RAW_HEAD = re.compile(rb"\s*\S+\s+(\d{1,9})\s")
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"


def read(chunks: list[Chunk]) -> Metadata:
    """Return the metadata in the chunks of a file. What cannot be read is left out with a warning."""
    raw = _raw_profiles(chunks)
    app1 = raw.get(b"app1", b"")
    is_xmp = app1.startswith(_JPEG_XMP)
    block = first(chunks, b"eXIf") or raw.get(b"exif") or (b"" if is_xmp else app1)
    packet = _xmp(chunks) or raw.get(b"xmp") or (app1 if is_xmp else b"")
    notes = raw.get(b"iptc") or raw.get(b"8bim") or b""
    kept = {kind: content for kind, content in chunks if len(content) == colour_chunks.SIZES.get(kind)}
    return Metadata(
        icc=_profile(chunks) or raw.get(b"icc") or raw.get(b"icm") or None,
        exif=exif.unprefixed(block) or None,
        xmp=packet.removeprefix(_JPEG_XMP) or None,
        dpi=_dpi(chunks),
        colour=tuple(kept.items()),
        iptc=iptc.unwrapped(notes),
    )


def first(chunks: list[Chunk], wanted: bytes) -> bytes | None:
    """Return the content of the first chunk of that kind, or None."""
    return next((content for kind, content in chunks if kind == wanted), None)


def _profile(chunks: list[Chunk]) -> bytes | None:
    chunk = first(chunks, b"iCCP")
    if not chunk:
        return None
    profile = _inflated(chunk.partition(b"\0")[2][1:])
    if not profile:
        warn("The colour profile is damaged and was left out; colours may look different.")
    return profile


def _dpi(chunks: list[Chunk]) -> tuple[float, float] | None:
    density = first(chunks, b"pHYs")
    if not density or len(density) != 9:
        return None
    x, y, unit = struct.unpack(">IIB", density)
    return (x * INCH, y * INCH) if unit == 1 and x and y else None


def _xmp(chunks: list[Chunk]) -> bytes | None:
    """The last packet: unfolding all of them could take minutes."""
    start = XMP_KEYWORD + b"\0"
    packets = (content for kind, content in reversed(chunks) if kind == b"iTXt" and content.startswith(start))
    last = next(packets, None)
    return None if last is None else _international(last[len(start) :])


def _raw_profiles(chunks: list[Chunk]) -> dict[bytes, bytes]:
    """The profiles that ImageMagick and others write as hexadecimal digits, by their kind in small letters."""
    found: dict[bytes, bytes] = {}
    for keyword, kind, content in _texts(chunks):
        name = keyword[len(_RAW_PROFILE) :].lower()
        if not keyword.startswith(_RAW_PROFILE) or name not in _RAW_KINDS or name in found:
            continue
        text = _text(kind, content)
        profile = None if text is None else _from_digits(text)
        if profile is None:
            warn(f"The {name.decode().upper()} profile in a text chunk is damaged and was left out.")
        found[name] = profile or b""
    return found


def _texts(chunks: list[Chunk]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Keyword, kind and the rest of each text chunk."""
    for kind, content in chunks:
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, rest = content.partition(b"\0")
            if len(keyword) <= _MAX_KEYWORD:
                yield keyword, kind, rest


def _text(kind: bytes, rest: bytes) -> bytes | None:
    if kind == b"tEXt":
        return rest
    return _inflated(rest[1:]) if kind == b"zTXt" else _international(rest)


def _international(rest: bytes) -> bytes | None:
    """The text of an iTXt chunk behind its keyword: flag, method, language, translated keyword, text."""
    text = rest[2:].split(b"\0", 2)[-1]
    return _inflated(text) if rest[:1] == b"\1" else text


def _from_digits(text: bytes) -> bytes | None:
    head = _RAW_HEAD.match(text)
    if head is None:
        return None
    try:
        profile = bytes.fromhex(re.sub(rb"\s", b"", text[head.end() :]).decode("ascii"))
    except ValueError:
        return None
    return profile[: int(head[1])] or None


def _inflated(compressed: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(compressed, _MAX_INFLATED)
    except zlib.error:
        return None
