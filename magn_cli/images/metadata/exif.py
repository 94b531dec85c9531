"""EXIF blocks: read the orientation, and change tags without moving anything else in the block."""

import struct
from collections.abc import Iterator

from magn_cli.files.data import Data
from magn_cli.images.metadata import tags
from magn_cli.images.metadata.tags import Directory, read_directory
from magn_cli.images.warnings import warn

_X_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x0128
_MAKE, _MAKER_NOTE, _COLOUR_SPACE, _UNCALIBRATED = 271, 37500, 0xA001, 0xFFFF
_CENTIMETRE = 2.54
_USUAL_DPI = (72.0, 72.0)
_MAX_PREFIX = 32
_LONG_VALUE = 1024
"""Bytes; dates, places and names are shorter."""


def unprefixed(block: bytes) -> bytes:
    """Return an EXIF block from its byte order mark on: some programs put ``Exif\\0\\0`` before it, even twice."""
    start = min((at for mark in (b"II*\0", b"MM\0*") if (at := block.find(mark, 0, _MAX_PREFIX)) >= 0), default=0)
    return block[start:]


def _first_directory(data: bytes | bytearray) -> Directory:
    """Return the first directory of an EXIF block. Raises ValueError if the block is damaged."""
    directory = read_directory(data)
    if directory.is_big:
        raise ValueError("an EXIF block is no BigTIFF")
    return directory


def orientation(data: bytes | bytearray) -> int:
    """Return the orientation tag of the first directory, 1..8; 1 where it is missing or makes no sense."""
    return stated_orientation(data) or 1


def stated_orientation(data: bytes | bytearray) -> int | None:
    """Return the orientation tag of the first directory, 1..8; None where it is missing or makes no sense."""
    try:
        value = _first_directory(data).integers(tags.ORIENTATION, (0,))[0]
    except ValueError:
        return None
    return value if 1 <= value <= 8 else None


def dpi(data: bytes) -> tuple[float, float]:
    """Return the resolution in pixels per inch; (72, 72), as the standard says, where the block has none."""
    try:
        directory = _first_directory(data)
        unit, value = directory.integers(_RESOLUTION_UNIT), directory.numbers(_X_RESOLUTION)
    except ValueError:
        return _USUAL_DPI
    if not unit or not value or not value[0] > 0:
        return _USUAL_DPI
    number = value[0] * (_CENTIMETRE if unit[0] == 3 else 1)
    return number, number


def is_adobe_rgb(data: bytes) -> bool:
    """Whether the block says that the colours are Adobe RGB.

    Cameras say so by interoperability R03 (DCF 2.0) or by colour space 2. Programs that rewrite EXIF often lose
    the interoperability, so "uncalibrated" counts too where a camera is named: DCF knows only these two spaces.
    """
    try:
        directory = _first_directory(data)
        below = _below(data, tags.EXIF_DIRECTORY, directory)
        if below is None:
            return False
        interoperability = _below(data, tags.INTEROPERABILITY_DIRECTORY, below)
        index = interoperability.value(1) if interoperability else None
        space = below.integers(_COLOUR_SPACE)
    except ValueError:
        return False
    if index:
        return index.startswith(b"R03")
    return space == (2,) or (space == (_UNCALIBRATED,) and _MAKE in directory.positions)


def with_orientation_1(data: bytes) -> bytes:
    """Return the same bytes with the orientation tag of the first directory, if any, set to 1 in its place."""
    directory = _first_directory(data)
    if tags.ORIENTATION not in directory.positions:
        return data
    changed = bytearray(data)
    record = struct.pack(directory.order + "HHIHxx", tags.ORIENTATION, tags.SHORT, 1, 1)
    position = directory.positions[tags.ORIENTATION]
    changed[position : position + len(record)] = record
    return bytes(changed)


def turned_upright(exif: bytes, turned: int) -> bytes:
    """Return the EXIF block of a picture that has been turned from orientation ``turned`` (1..8).

    The orientation becomes 1, the stored width and height change places where the sides did, and the
    thumbnail, which nobody turned, is left out. Raises ValueError if the block is damaged.
    """
    sides_swapped = turned >= 5
    changed = bytearray(with_orientation_1(exif))
    directory = _first_directory(changed)
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
    """Return an EXIF block with the software tag set; whatever else it holds stays in place.

    Raises ValueError if the block is damaged.
    """
    buffer = bytearray(exif or tags.empty())
    records: dict[int, bytes] = {}
    order: tags.ByteOrder = "<"
    following = 0
    if exif is not None:
        directory = _first_directory(exif)
        order, following = directory.order, directory.following
        records = {tag: directory.record(tag) for tag in directory.positions}
    records[tags.SOFTWARE] = tags.append_value(
        buffer, order, tags.SOFTWARE, tags.ASCII, tags.ascii_value(software)
    )
    tags.append_directory(buffer, order, records, following, first=True)
    return bytes(buffer)


def within(block: bytes | None, software: str | None, limit: int) -> bytes | None:
    """Return the block with the software tag set, in at most ``limit`` bytes.

    If it does not fit, the first of these that helps is left out, with a warning for all but our own text: the
    software tag, the thumbnail, the maker note, every other long value. None if nothing is left.

    Raises ValueError if the block is damaged.
    """
    marked = with_software(block, software) if software else block
    if block is None or marked is None or len(marked) <= limit:
        return marked
    if len(block) <= limit:
        return block
    for reduced, what in _reduced(block):
        if len(reduced) <= limit:
            warn(f"The EXIF block is too large for the file; {what} was left out.")
            both = with_software(reduced, software) if software else reduced
            kept = both if len(both) <= limit else reduced
            return kept if read_directory(kept).positions else None
    warn("The EXIF block is too large for the file and was left out.")
    return None


def _reduced(block: bytes) -> Iterator[tuple[bytes, str]]:
    yield without_thumbnail(block), "its thumbnail"
    yield _copied(block, frozenset({_MAKER_NOTE})), "its maker note"
    yield _copied(block, frozenset({_MAKER_NOTE}), _LONG_VALUE), "everything long in it"


def without_thumbnail(block: bytes) -> bytes:
    """Return the block without its thumbnail; the thumbnail's bytes go where nothing else lies behind them.

    Raises ValueError if the block is damaged.
    """
    directory = _first_directory(block)
    if not directory.following:
        return block
    changed = bytearray(block)
    struct.pack_into(directory.order + "I", changed, directory.end, 0)
    return bytes(changed[: max(_ends(directory))])


def without_loose_values(block: bytes) -> bytes:
    """Return the block, or a copy without the values that lie outside of it, with a warning.

    In a file of which the block is only the beginning, such values would be something else's bytes. Raises
    ValueError if the block is damaged.
    """
    if not any(
        directory.is_outside(tag) or (tag in tags.POINTERS and _below(block, tag, directory) is None)
        for directory in _with_those_below(_first_directory(block))
        for tag in directory.positions
    ):
        return block
    warn("The EXIF block is damaged; what could not be read of it was left out.")
    return _copied(block, frozenset())


def _ends(directory: Directory) -> Iterator[int]:
    """Where a directory, its values and the directories below it end."""
    for one in _with_those_below(directory):
        yield min(one.end + 4, len(one.data))
        yield from map(one.value_end, one.positions)


def _with_those_below(directory: Directory) -> Iterator[Directory]:
    seen, waiting = {directory.start}, [directory]
    while waiting:
        one = waiting.pop()
        yield one
        for tag in tags.POINTERS & one.positions.keys():
            below = _below(one.data, tag, one)
            if below is not None and below.start not in seen:
                seen.add(below.start)
                waiting.append(below)


def _copied(block: bytes, never: frozenset[int], longest: int | None = None) -> bytes:
    source = _first_directory(block)
    buffer = bytearray(tags.empty(source.order))
    records = tags.copy_directory(source, buffer, never=never, longest=longest)
    if not records:
        return tags.without_entries(source.order)
    tags.append_directory(buffer, source.order, records, first=True)
    return bytes(buffer)


def _below(data: Data | bytearray, tag: int, above: Directory | None = None) -> Directory | None:
    try:
        offset = (above or read_directory(data)).integers(tag)
        return read_directory(data, offset[0]) if offset else None
    except ValueError:
        return None


def _size_pairs(directory: Directory) -> Iterator[tuple[int, int]]:
    below = _below(directory.data, tags.EXIF_DIRECTORY, directory)
    if below is not None and {0xA002, 0xA003} <= set(below.positions):
        yield below.positions[0xA002] + 2, below.positions[0xA003] + 2
