"""Tag directories: the structure that TIFF files and EXIF blocks share.

Values stay raw, in the byte order of their file. A changed directory is appended at the end, not rebuilt in
place, so that nothing else moves: maker notes hold absolute offsets that only the camera maker can correct.
"""

import struct
from dataclasses import dataclass
from typing import Literal

from magn_cli.files.data import Data

ByteOrder = Literal["<", ">"]

ORIENTATION = 274
SOFTWARE = 305
EXIF_DIRECTORY = 34665
GPS_DIRECTORY = 34853
INTEROPERABILITY_DIRECTORY = 40965

POINTERS = frozenset({EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY_DIRECTORY})
"""The tags that hold the offset of a directory."""

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7
BYTE = 1

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I"}
_CODES |= {16: "Q", 17: "q", 18: "Q"}
_WIDE = {16: (4, "Q", "I"), 17: (9, "q", "i"), 18: (13, "Q", "I")}
"""The types of BigTIFF: what holds the same numbers in other files, and both codes of ``struct``."""
_HEADER = 8
_BIG_HEADER = 16
RECORD_SIZE = 12
_BIG_RECORD_SIZE = 20
_MAX_PAGES = 256
_MAX_NUMBERS = 1 << 22
"""Of one tag: 500 megapixels in tiles of 16 x 16 are half as many."""


@dataclass(frozen=True)
class Directory:
    """One directory of ``data``: for each tag, where its record lies.

    Attributes:
        data: the whole file or EXIF block.
        order: the byte order, as in ``struct``.
        start: where the directory begins.
        positions: where the record of each tag begins.
        end: where the records end.
        following: the offset of the next directory, or 0.
        is_cut: whether the file ends before the records do; ``positions`` are of those that are there.
        is_big: whether the file is a BigTIFF, with records of 20 bytes and offsets of 8; else 12 and 4.
    """

    data: Data | bytearray
    order: ByteOrder
    start: int
    positions: dict[int, int]
    end: int
    following: int
    is_cut: bool = False
    is_big: bool = False

    @property
    def length(self) -> int:
        """Bytes of its records."""
        return self.end - self.start

    def record(self, tag: int) -> bytes:
        """Return the 12 bytes of a tag that is there; not for a BigTIFF."""
        position = self.positions[tag]
        return bytes(self.data[position : position + RECORD_SIZE])

    def value(self, tag: int) -> bytes | None:
        """Return the raw value of a tag, or None without it. Raises ValueError if it lies outside of the file."""
        if tag not in self.positions:
            return None
        start, size = self._extent(tag)
        if start + size > len(self.data):
            raise ValueError(f"the value of tag {tag} lies outside of the file")
        return bytes(self.data[start : start + size])

    def value_start(self, tag: int) -> int:
        """Return where the value of a tag that is there begins."""
        return self._extent(tag)[0]

    def value_end(self, tag: int) -> int:
        """Return where the value of a tag that is there ends, at most the end of the file."""
        try:
            return min(sum(self._extent(tag)), len(self.data))
        except ValueError:
            return self.positions[tag] + RECORD_SIZE

    def is_outside(self, tag: int) -> bool:
        """Return whether the value of a tag that is there lies outside of the file."""
        try:
            return sum(self._extent(tag)) > len(self.data)
        except ValueError:
            # Of a type that nobody reads.
            return False

    def _extent(self, tag: int) -> tuple[int, int]:
        """Where the value of a tag begins, and how many bytes it has."""
        position = self.positions[tag]
        kind, count = struct.unpack_from(self.order + ("HQ" if self.is_big else "HI"), self.data, position + 2)
        if kind not in _SIZES:
            raise ValueError(f"tag {tag} has the unknown type {kind}")
        size = _SIZES[kind] * count
        start, inline, code = (position + 12, 8, "Q") if self.is_big else (position + 8, 4, "I")
        if size > inline:
            (start,) = struct.unpack_from(self.order + code, self.data, start)
        return start, size

    def numbers(self, tag: int) -> tuple[float, ...]:
        """The numbers of a tag, rationals divided out (0 for x/0); empty without the tag."""
        raw = self.value(tag)
        if raw is None:
            return ()
        kind = self.kind(tag)
        if len(raw) > _MAX_NUMBERS * _SIZES.get(kind, 1):
            raise ValueError(f"tag {tag} holds more numbers than any picture needs")
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
    """Return the header of a block without any directory yet."""
    return struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 0)


def without_entries(order: ByteOrder = "<") -> bytes:
    """Return a block with one directory that holds nothing."""
    return struct.pack(order + "2sHIHI", b"II" if order == "<" else b"MM", 42, _HEADER, 0, 0)


def read_directory(data: Data | bytearray, offset: int | None = None) -> Directory:
    """Return the directory at ``offset`` bytes, or the first one.

    Of a directory that is cut off, the records that are there. Raises ValueError if there is none.
    """
    orders: dict[bytes, ByteOrder] = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
    order = orders.get(bytes(data[:4]))
    is_big = bytes(data[2:4]) in (b"+\0", b"\0+")
    header, offset_code, count_code, record = (
        (_BIG_HEADER, "Q", "Q", _BIG_RECORD_SIZE) if is_big else (_HEADER, "I", "H", RECORD_SIZE)
    )
    if order is None or len(data) < header:
        raise ValueError("no TIFF header")
    size = struct.calcsize(order + offset_code)
    first = struct.unpack_from(order + offset_code, data, header - size)[0] if offset is None else offset
    records = first + struct.calcsize(order + count_code)
    if first < header or records > len(data):
        raise ValueError("the tag directory lies outside of the file")
    (count,) = struct.unpack_from(order + count_code, data, first)
    end = records + min(count, (len(data) - records) // record) * record
    positions: dict[int, int] = {}
    for position in range(records, end, record):
        positions.setdefault(struct.unpack_from(order + "H", data, position)[0], position)
    if count and not positions:
        raise ValueError("the tag directory is cut off")
    # Some EXIF writers leave out the last field of the last directory.
    following = struct.unpack_from(order + offset_code, data, end)[0] if end + size <= len(data) else 0
    is_cut = records + count * record > len(data)
    return Directory(data, order, first, positions, end, following, is_cut, is_big)


def pages(data: Data | bytearray) -> list[Directory]:
    """Return the directories of all pages, the first one first. Raises ValueError if that is damaged."""
    found = [read_directory(data)]
    seen, room = {found[0].start}, len(data) - found[0].length
    while len(found) < _MAX_PAGES and (following := found[-1].following) and following not in seen:
        seen.add(following)
        try:
            found.append(read_directory(data, following))
        except ValueError:
            break
        room -= found[-1].length
        if room < 0:
            # They overlap, and reading the same bytes again and again would take minutes.
            break
    return found


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
    longest: int | None = None,
    most: int | None = None,
) -> dict[int, bytes]:
    """Append the values of a directory to ``buffer``, with the EXIF, GPS and interoperability directories below.

    Returns the records. Left out are values that cannot be read, the tags in ``never`` at any depth, and values of
    more than ``longest`` bytes. ``buffer`` grows to at most ``most`` bytes, by default by twice the source: values
    that overlap could otherwise grow without bound.
    """
    most = len(buffer) + 2 * len(source.data) if most is None else most
    records: dict[int, bytes] = {}
    for tag in source.positions:
        if tag in never or (only is not None and tag not in only):
            continue
        try:
            if tag in POINTERS:
                below = read_directory(source.data, source.integers(tag)[0])
                # A directory that points back at a parent would never end.
                tags_below = frozenset(below.positions) - {EXIF_DIRECTORY, GPS_DIRECTORY, tag}
                copied = copy_directory(below, buffer, tags_below, never, longest, most)
                offset = append_directory(buffer, source.order, copied)
                records[tag] = append_value(
                    buffer, source.order, tag, LONG, struct.pack(source.order + "I", offset)
                )
            else:
                value, kind = _classic(source, tag)
                if len(buffer) + len(value) <= most and (longest is None or len(value) <= longest):
                    records[tag] = append_value(buffer, source.order, tag, kind, value)
        except (ValueError, IndexError, struct.error):
            continue
    return records


def _classic(source: Directory, tag: int) -> tuple[bytes, int]:
    """The value of a tag and its type as files hold them that are no BigTIFF."""
    value, kind = source.value(tag), source.kind(tag)
    assert value is not None
    if kind not in _WIDE:
        return value, kind
    kind, wide, narrow = _WIDE[kind]
    numbers = [number for (number,) in struct.iter_unpack(source.order + wide, value)]
    return struct.pack(f"{source.order}{len(numbers)}{narrow}", *numbers), kind


def ascii_value(text: str) -> bytes:
    """A text as the raw value of an ASCII tag."""
    return text.encode("ascii", "replace") + b"\0"


def _pad(buffer: bytearray) -> int:
    """Directories and values must start on an even offset."""
    buffer += b"\0" * (len(buffer) % 2)
    return len(buffer)
