"""EXIF blocks: which way up the picture is, and changing that without moving anything else in the block."""

import struct
from collections.abc import Iterator

from magn_cli.images.metadata import tags
from magn_cli.images.metadata.tags import Directory, read_directory


def orientation(data: bytes | bytearray) -> int:
    """The orientation tag of the first directory, 1..8; 1 where it is missing or makes no sense."""
    try:
        value = read_directory(data).integers(tags.ORIENTATION, (1,))[0]
    except ValueError:
        return 1
    return value if 1 <= value <= 8 else 1


def with_orientation_1(data: bytes) -> bytes:
    """The same bytes with the orientation tag of the first directory, if any, set to 1 in its place."""
    directory = read_directory(data)
    if tags.ORIENTATION not in directory.positions:
        return data
    changed = bytearray(data)
    record = struct.pack(directory.order + "HHIHxx", tags.ORIENTATION, tags.SHORT, 1, 1)
    position = directory.positions[tags.ORIENTATION]
    changed[position : position + tags.RECORD_SIZE] = record
    return bytes(changed)


def turned_upright(exif: bytes) -> bytes:
    """An EXIF block for a picture that has been turned as its orientation said.

    The orientation becomes 1, the stored width and height change places where the sides did, and the
    thumbnail, which nobody turned, is left out. ValueError if the block is damaged.
    """
    sides_swapped = orientation(exif) >= 5
    changed = bytearray(with_orientation_1(exif))
    directory = read_directory(changed)
    if directory.following:
        struct.pack_into(directory.order + "I", changed, directory.end, 0)
    if sides_swapped:
        for first, second in _size_pairs(directory):
            changed[first : first + 10], changed[second : second + 10] = (
                changed[second : second + 10],
                changed[first : first + 10],
            )
    return bytes(changed)


def with_software(exif: bytes | None, software: str) -> bytes:
    """An EXIF block with the software tag set; everything else, where there is something, stays in place.

    ValueError if the block is damaged.
    """
    buffer = bytearray(exif or tags.empty())
    records: dict[int, bytes] = {}
    order: tags.ByteOrder = "<"
    following = 0
    if exif is not None:
        directory = read_directory(exif)
        order, following = directory.order, directory.following
        records = {tag: directory.record(tag) for tag in directory.positions}
    records[tags.SOFTWARE] = tags.append_value(
        buffer, order, tags.SOFTWARE, tags.ASCII, tags.ascii_value(software)
    )
    tags.append_directory(buffer, order, records, following, first=True)
    return bytes(buffer)


def _size_pairs(directory: Directory) -> Iterator[tuple[int, int]]:
    try:
        offset = directory.integers(tags.EXIF_DIRECTORY)
        below = read_directory(directory.data, offset[0]) if offset else None
    except ValueError:
        return
    if below is not None and {0xA002, 0xA003} <= set(below.positions):
        yield below.positions[0xA002] + 2, below.positions[0xA003] + 2
