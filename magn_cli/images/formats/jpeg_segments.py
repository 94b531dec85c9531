"""Find the segments of a JPEG file as decoders find them.

Never stricter than the decoder: stray bytes between segments are skipped, and what cannot be parsed is left out.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from magn_cli.images.limits import RefusedError

EOI, SOS, DQT, DHT, APP14 = 0xD9, 0xDA, 0xDB, 0xC4, 0xEE
FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, 0xCC}
"""The markers of frames: size and components of the picture."""

_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC9})
_WHOLE_BLOCKS = b"\x00\x3f\x00"
"""How the header of their scans ends."""

_APPLICATION, _COMMENT = range(0xE0, 0xF0), 0xFE
_WITH_LENGTH = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xF0), _COMMENT}) - {0xC8}
_MARKER = re.compile(rb"\xff([\xc0-\xc7\xc9-\xcf\xd9-\xef\xfe])")
"""Of the end, and of segments that have a length. As in libjpeg, whatever stands before one is skipped."""

_MAX_SEGMENTS = 10_000
"""Before the first scan and from there on: a file of 50 MB could have twelve million empty ones."""

_MAX_CUT = 32
"""Metadata segments whose true end is looked for."""

_ADOBE_SIZE = 12
"""Bytes that Adobe's segment needs for the decoder to believe it."""


@dataclass(frozen=True)
class Segment:
    """One segment: its ``marker``, its ``content`` without the length, and where the marker begins."""

    marker: int
    content: bytes
    start: int

    @property
    def end(self) -> int:
        """Where what follows it begins: the coded data behind the header of a scan."""
        return self.start + 4 + len(self.content)


@dataclass(frozen=True)
class Structure:
    """What a JPEG file is made of.

    ``head`` are the segments before the first scan, ``frame`` is one of them or None, ``rest`` are those from the
    header of the first scan on. ``end`` is where the marker of the end begins; None without one.
    """

    head: list[Segment]
    frame: Segment | None
    rest: list[Segment]
    end: int | None

    @property
    def scan_start(self) -> int:
        """Where the first scan's marker begins."""
        return self.rest[0].start

    @property
    def scans(self) -> list[bytes]:
        """The header of each scan."""
        return [segment.content for segment in self.rest if segment.marker == SOS]


def parse(data: bytes) -> Structure:
    """Return the structure of a JPEG file.

    Raises ValueError if it has no scan, RefusedError if it has more segments than any camera writes.
    """
    head = list(_before_scan(data))
    start = head.pop().start if head and head[-1].marker == SOS else None
    if start is None:
        raise ValueError("no scan")
    frame = next((segment for segment in head if segment.marker in FRAMES), None)
    rest, end = _from_scan(data, start)
    return Structure(head, frame, rest, end)


def bare(data: bytes, structure: Structure) -> bytes:
    """Return the file with only what the picture is decoded from, ending in an end marker.

    Decoders written in Python trip over damaged metadata that the JPEG library would skip. And this library tells
    only its first warning, so fields are put right that it would warn of and ignore.
    """
    rest = bytearray(data[structure.scan_start : structure.end])
    if structure.frame is not None and structure.frame.marker in _SEQUENTIAL:
        for segment in structure.rest:
            count = segment.content[0] if segment.marker == SOS and segment.content else 0
            if count and len(segment.content) == 4 + 2 * count:
                end = segment.end - structure.scan_start
                rest[end - len(_WHOLE_BLOCKS) : end] = _WHOLE_BLOCKS
    return joined(needed(structure), bytes(rest) + b"\xff\xd9")


def needed(structure: Structure) -> list[Segment]:
    """Return the segments before the first scan that the picture is decoded from."""
    return [_known_version(segment) for segment in structure.head if _is_needed(segment)]


def joined(head: list[Segment], rest: bytes) -> bytes:
    """Return a file of segments and of what follows them, from the marker of the first scan on."""
    return b"".join([b"\xff\xd8", *(written(segment.marker, segment.content) for segment in head), rest])


def written(marker: int, content: bytes) -> bytes:
    """Return the bytes of a segment; ``content`` is at most 65533 bytes."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def _known_version(segment: Segment) -> Segment:
    """A JFIF segment without the version that the JPEG library does not know."""
    if segment.marker != 0xE0 or len(segment.content) < 7:
        return segment
    return replace(segment, content=segment.content[:5] + b"\1\1" + segment.content[7:])


def _is_needed(segment: Segment) -> bool:
    if segment.marker == APP14:
        return segment.content.startswith(b"Adobe") and len(segment.content) >= _ADOBE_SIZE
    if segment.marker == 0xE0:
        return segment.content.startswith(b"JFIF\0")
    return segment.marker not in _APPLICATION and segment.marker != _COMMENT


def _before_scan(data: bytes) -> Iterator[Segment]:
    """Each segment up to and with the header of the first scan."""
    offset, cut, tried = 2, 0, 0
    while found := _MARKER.search(data, offset):
        start, marker = found.start(), found[1][0]
        tried = _counted(tried)
        if marker == EOI:
            return
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if end < start + 4:
            offset = start + 2
            continue
        if marker in _APPLICATION and data[end : end + 1] != b"\xff" and cut < _MAX_CUT:
            cut += 1
            end = _true_end(data, start + 4, min(end, len(data)))
        yield Segment(marker, data[start + 4 : end], start)
        if marker == SOS:
            return
        offset = end


def _counted(tried: int) -> int:
    if tried == _MAX_SEGMENTS:
        raise RefusedError(f"has more than {_MAX_SEGMENTS:,} segments, as no camera writes: save it as PNG first")
    return tried + 1


def _true_end(data: bytes, start: int, end: int) -> int:
    """Where a metadata segment ends whose length leads nowhere: at the first chain of segments within it.

    ``end`` where there is none. A segment that lost bytes would else swallow the tables behind it.
    """
    at = start
    while (at := data.find(b"\xff", at, end)) >= 0:
        if _is_chain(data, at):
            return at
        at += 1
    return end


def _is_chain(data: bytes, at: int) -> bool:
    for _ in range(3):
        if data[at : at + 1] != b"\xff" or data[at + 1 : at + 2] not in _CHAINED:
            return False
        if data[at + 1] == SOS:
            return True
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        at += 2 + size
        if size < 2 or at >= len(data):
            return False
    return True


_CHAINED = frozenset(bytes([marker]) for marker in _WITH_LENGTH)


def _from_scan(data: bytes, start: int) -> tuple[list[Segment], int | None]:
    """The segments from the header of the first scan on, and where the end marker begins."""
    segments: list[Segment] = []
    offset, tried = start, 0
    while found := _MARKER.search(data, offset):
        at, marker = found.start(), found[1][0]
        tried = _counted(tried)
        if marker == EOI:
            return segments, at
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append(Segment(marker, data[at + 4 : end], at))
        offset = max(end, at + 2)
    return segments, None
