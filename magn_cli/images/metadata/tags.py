"""Tag directories: the structure that TIFF files and EXIF blocks share.

Values stay raw, in the byte order of their file, and a changed directory is appended at the end rather
than rebuilt, so that nothing else moves: maker notes hold absolute offsets that nobody else can correct.
"""

import struct
from dataclasses import dataclass
from typing import Literal

ByteOrder = Literal["<", ">"]

ORIENTATION = 274
SOFTWARE = 305
EXIF_DIRECTORY = 34665
GPS_DIRECTORY = 34853
INTEROPERABILITY_DIRECTORY = 40965

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7
BYTE = 1

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_CODES = {1: "B", 3: "H", 4: "I", 5: "II", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I"}
_HEADER = 8
RECORD_SIZE = 12


@dataclass(frozen=True)
class Directory:
    """One directory of ``data``: for each tag, where its 12-byte record lies.

    ``order`` is the byte order as in ``struct``, ``end`` where the records end, ``following`` the offset of
    the next directory or 0.
    """

    data: bytes | bytearray
    order: ByteOrder
    positions: dict[int, int]
    end: int
    following: int

    def record(self, tag: int) -> bytes:
        """The 12 bytes of a tag that is there."""
        position = self.positions[tag]
        return bytes(self.data[position : position + RECORD_SIZE])

    def value(self, tag: int) -> bytes | None:
        """The raw value of a tag, or None without it; ValueError if it lies outside of the file."""
        if tag not in self.positions:
            return None
        _, kind, count = struct.unpack_from(self.order + "HHI", self.data, self.positions[tag])
        if kind not in _SIZES:
            raise ValueError(f"tag {tag} has the unknown type {kind}")
        size = _SIZES[kind] * count
        start = self.positions[tag] + 8
        if size > 4:
            (start,) = struct.unpack_from(self.order + "I", self.data, start)
        if start + size > len(self.data):
            raise ValueError(f"the value of tag {tag} lies outside of the file")
        return bytes(self.data[start : start + size])

    def numbers(self, tag: int) -> tuple[float, ...]:
        """The numbers of a tag, rationals divided out (0 for x/0); empty without the tag."""
        raw = self.value(tag)
        if raw is None:
            return ()
        kind = self.kind(tag)
        if kind not in _CODES:
            raise ValueError(f"tag {tag} does not hold numbers")
        parts = list(struct.iter_unpack(self.order + _CODES[kind], raw))
        if kind in (5, 10):
            return tuple(top / bottom if bottom else 0.0 for top, bottom in parts)
        return tuple(part[0] for part in parts)

    def integers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The numbers of a tag as integers, or ``default`` without the tag."""
        return tuple(int(number) for number in self.numbers(tag)) or default

    def kind(self, tag: int) -> int:
        """The type number of a tag that is there."""
        return int(struct.unpack_from(self.order + "H", self.data, self.positions[tag] + 2)[0])


def empty(order: ByteOrder = "<") -> bytes:
    """The header of a block without any directory yet."""
    return struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 0)


def read_directory(data: bytes | bytearray, offset: int | None = None) -> Directory:
    """The directory at ``offset`` bytes, or the first one; ValueError if there is none."""
    orders: dict[bytes, ByteOrder] = {b"II*\0": "<", b"MM\0*": ">"}
    order = orders.get(bytes(data[:4]))
    if order is None or len(data) < _HEADER:
        raise ValueError("no TIFF header")
    start = struct.unpack_from(order + "I", data, 4)[0] if offset is None else offset
    if start < _HEADER or start + 2 > len(data):
        raise ValueError("the tag directory lies outside of the file")
    (count,) = struct.unpack_from(order + "H", data, start)
    end = start + 2 + count * RECORD_SIZE
    if end > len(data):
        raise ValueError("the tag directory is cut off")
    positions: dict[int, int] = {}
    for position in range(start + 2, end, RECORD_SIZE):
        positions.setdefault(struct.unpack_from(order + "H", data, position)[0], position)
    # Some EXIF writers leave out the last field of the last directory.
    following = struct.unpack_from(order + "I", data, end)[0] if end + 4 <= len(data) else 0
    return Directory(data, order, positions, end, following)


def append_value(buffer: bytearray, order: ByteOrder, tag: int, kind: int, value: bytes) -> bytes:
    """Store a raw value, in ``buffer`` if it is longer than 4 bytes; returns its 12-byte record."""
    head = struct.pack(order + "HHI", tag, kind, len(value) // _SIZES[kind])
    if len(value) <= 4:
        return head + value.ljust(4, b"\0")
    offset = _pad(buffer)
    buffer += value
    return head + struct.pack(order + "I", offset)


def append_directory(
    buffer: bytearray, order: ByteOrder, records: dict[int, bytes], following: int = 0, *, first: bool = False
) -> int:
    """Append a directory of 12-byte records; returns its offset. ``first`` makes the header point to it."""
    offset = _pad(buffer)
    buffer += struct.pack(order + "H", len(records))
    for tag in sorted(records):
        buffer += records[tag]
    buffer += struct.pack(order + "I", following)
    if first:
        struct.pack_into(order + "I", buffer, 4, offset)
    return offset


def copy_directory(
    source: Directory,
    buffer: bytearray,
    only: frozenset[int] | None = None,
    never: frozenset[int] = frozenset(),
) -> dict[int, bytes]:
    """Append the values of a directory to ``buffer``, with the EXIF, GPS and interoperability directories
    below it; returns the records. A value that cannot be read is left out, and ``never`` at any depth."""
    records: dict[int, bytes] = {}
    for tag in source.positions:
        if tag in never or (only is not None and tag not in only):
            continue
        try:
            if tag in (EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY_DIRECTORY):
                below = read_directory(source.data, source.integers(tag)[0])
                # A directory that points back at a parent would never end.
                tags_below = frozenset(below.positions) - {EXIF_DIRECTORY, GPS_DIRECTORY, tag}
                copied = copy_directory(below, buffer, tags_below, never)
                offset = append_directory(buffer, source.order, copied)
                records[tag] = append_value(
                    buffer, source.order, tag, LONG, struct.pack(source.order + "I", offset)
                )
            else:
                value = source.value(tag)
                assert value is not None
                records[tag] = append_value(buffer, source.order, tag, source.kind(tag), value)
        except (ValueError, IndexError):
            continue
    return records


def ascii_value(text: str) -> bytes:
    """A text as the raw value of an ASCII tag."""
    return text.encode("ascii", "replace") + b"\0"


def _pad(buffer: bytearray) -> int:
    """Directories and values must start on an even offset."""
    buffer += b"\0" * (len(buffer) % 2)
    return len(buffer)
