"""Find out whether a HEIF or AVIF file holds all bytes of its items (ISO/IEC 14496-12, section 8.11.3).

Decoders fill the missing tiles of a picture in silence, and phones save pictures as tiles.
"""

import struct
from collections.abc import Iterator

_MAX_BOXES = 64
_MAX_ITEMS = 1 << 16


def are_complete(data: bytes) -> bool:
    """Return False if an item reaches beyond the end of the file; True where that cannot be found out."""
    try:
        meta = next((start, end) for kind, start, end in _boxes(data, 0, len(data)) if kind == b"meta")
        inside = _boxes(data, meta[0] + 4, meta[1])
        location = next(start for kind, start, _ in inside if kind == b"iloc")
        return all(end <= len(data) for end in _ends(data, location))
    except (StopIteration, struct.error, ValueError):
        return True


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each box and where its content begins and ends."""
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        header = 8
        if size == 1:
            (size,), header = struct.unpack_from(">Q", data, at + 8), 16
        # A size of 0 means: to the end.
        size = size or end - at
        if size < header:
            return
        yield kind, at + header, at + size
        at += size


def _ends(data: bytes, at: int) -> Iterator[int]:
    """Yield where each extent of each item ends that lies in this file, from the box that locates the items."""
    version, sizes = data[at], struct.unpack_from(">H", data, at + 4)[0]
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    at += 6

    def number(size: int) -> int:
        nonlocal at
        if at + size > len(data):
            raise ValueError("the locations are cut off")
        at += size
        return int.from_bytes(data[at - size : at], "big")

    identifier_size = 2 if version < 2 else 4
    for _ in range(min(number(identifier_size), _MAX_ITEMS)):
        number(identifier_size)
        # In the file, in the box of small items, or within another item.
        where = number(2) & 15 if version else 0
        elsewhere, base = number(2), number(base_size)
        for _ in range(number(2)):
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            if where == 0 and elsewhere == 0:
                yield base + offset + length
