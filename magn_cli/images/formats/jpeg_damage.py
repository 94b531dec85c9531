"""Find damage inside a JPEG file, which its decoder fills with gray or wrong colours.

libjpeg continues after missing or wrong bytes and only warns. Pillow does not pass these warnings on, so the
file is decoded a second time, at an eighth of its size, by a library that does.
"""

import re

import numpy as np

from magn_cli.images.formats import jpeg_small, jpeg_traces, jpeg_zeros
from magn_cli.images.formats.jpeg_segments import EOI, SOS, Structure, parse
from magn_cli.images.limits import MAX_PIXELS, RefusedError
from magn_cli.images.photo import Array

LOST = (
    "is truncated or damaged: bytes are missing or wrong within its picture data, so a part of it is lost; "
    "get an intact copy of it"
)
"""The rest of a sentence that starts with the file's name."""

LOST_AT = (
    "is damaged: bytes are missing or wrong within its picture data, so its brightness or colour is wrong {}; "
    "get an intact copy of it, or save it as PNG to restore it as it is"
)
"""The same, with the place."""

_EXTRANEOUS = re.compile(r"Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9")
_PREMATURE = "premature end of data segment"
_DAMAGED = re.compile(
    r"Corrupt JPEG data|Premature end|bad Huffman|bad arithmetic|instead of RST|Inconsistent progression"
)
_MAX_STRAY = 1
"""Bytes, beside padding. Some encoders write one too many; more of them are data that could not be placed."""
_END = b"\xff" + bytes([EOI])
_PROGRESSIVE, _ARITHMETIC = (0xC2, 0xCA), frozenset(range(0xC9, 0xD0))
_BLOCK = 8
_MAX_SCANS = 100
_MAX_WORK = 16 * MAX_PIXELS
"""Pixels times scans. Programs that search for the smallest file write up to some thirty scans, cameras eleven."""


def size(structure: Structure) -> tuple[int, int]:
    """Return width and height in pixels. Raises ValueError without a whole frame header."""
    frame = structure.frame
    if frame is None or len(frame.content) < 6 + 3 * frame.content[5] or not frame.content[5]:
        raise ValueError("no frame")
    return int.from_bytes(frame.content[3:5], "big"), int.from_bytes(frame.content[1:3], "big")


def is_arithmetic(structure: Structure) -> bool:
    """Whether the file uses arithmetic coding in place of Huffman codes."""
    return structure.frame is not None and structure.frame.marker in _ARITHMETIC


def check_capacity(structure: Structure, length: int) -> None:
    """Raise ValueError if a file of ``length`` bytes cannot hold the pixels that it announces.

    Each block of 8 x 8 samples begins with a Huffman code, which has at least one bit. Raises RefusedError for
    more scans than any program writes: each goes over the whole picture, and may have no more than ten bytes.
    """
    frame = structure.frame
    assert frame is not None
    width, height = size(structure)
    factors = [frame.content[at] for at in range(7, 6 + 3 * frame.content[5], 3)]
    areas = [max((factor >> 4) * (factor & 15), 1) for factor in factors]
    samples = width * height * areas[0] / max(areas)
    if not is_arithmetic(structure) and samples / _BLOCK**2 > 8 * length:
        raise ValueError(f"{length} bytes cannot hold {width} x {height} pixels")
    scans = len(structure.scans)
    if scans > _MAX_SCANS or width * height * scans > _MAX_WORK:
        raise RefusedError(f"has {scans} scans, as no program needs: save it as PNG first")


def check(data: bytes, structure: Structure) -> None:
    """Refuse a picture of which a part is missing or wrong.

    Args:
        data: the bare file, see :func:`magn_cli.images.formats.jpeg_segments.bare`.
        structure: what the original is made of.

    Raises RefusedError for damage inside, ValueError for a file that is cut off.
    """
    _check_scans(structure)
    inner = parse(data)
    if structure.end is None and jpeg_zeros.is_at_end(data[: inner.end]):
        raise ValueError("the file ends in zeros")
    if jpeg_zeros.are_within(data, inner):
        raise RefusedError(jpeg_zeros.REPLACED)
    if is_arithmetic(structure):
        # The decoder reads on into padding.
        message = _complaint(_without_padding(data[: inner.end], _data_start(inner)) + _END)
        is_damaged = _DAMAGED.search(message) is not None
    else:
        message = _complaint(data)
        is_damaged = _DAMAGED.search(_EXTRANEOUS.sub("", message)) is not None
        is_damaged = is_damaged or _has_stray_bytes(data[: inner.end], _data_start(inner))
    if structure.end is None and _DAMAGED.search(message):
        raise ValueError(message)
    if is_damaged:
        raise RefusedError(LOST)


def check_traces(data: bytes, structure: Structure, pixels: Array) -> None:
    """Refuse a picture that looks as if bytes were missing or wrong, although its data can be decoded.

    Args:
        data, structure: as of :func:`check`.
        pixels: decoded from it, ``(H, W)`` or ``(H, W, 3)``, uint8, not turned.

    Raises RefusedError.
    """
    height = pixels.shape[0]
    row = jpeg_traces.impossible_row(data, structure)
    if row is not None:
        raise RefusedError(LOST_AT.format(f"in or above row {row} of {height}"))
    row = jpeg_traces.shifted_row(pixels, structure)
    if row is not None:
        raise RefusedError(LOST_AT.format(f"from about row {row} of {height} on"))


def _complaint(data: bytes) -> str:
    message = jpeg_small.complaint(data)
    if message is None:
        raise RefusedError("is a kind of JPEG file that magn cannot check for damage: save it as PNG first")
    return message


def _data_start(structure: Structure) -> int:
    """Where the data of the last scan begin."""
    return next(segment.end for segment in reversed(structure.rest) if segment.marker == SOS)


def _has_stray_bytes(data: bytes, start: int) -> bool:
    """Whether picture data are left over that are not the padding of a camera: bytes before them were lost.

    libjpeg reads ahead and does not notice the last eight. So the data are shortened until it misses something.

    Args:
        data: the file up to its end marker.
        start: where the data of its last scan begin.
    """
    for _ in range(1 + _MAX_STRAY):
        unpadded = _without_padding(data, start)
        data = unpadded[:-1] if unpadded == data else unpadded
        # Zeros alone are a flat plane of colour.
        if len(data) <= start or _PREMATURE in _complaint(data + _END):
            return False
    return True


def _without_padding(data: bytes, start: int) -> bytes:
    """The data without zeros and bytes of 255 at the end; these two in turn are one byte of picture data."""
    bare = data[:start] + data[start:].rstrip(b"\0\xff")
    return data[:-2] if data.endswith(b"\xff\0") and len(data) - len(bare) == 2 else bare


def _check_scans(structure: Structure) -> None:
    """Decoders fill what no scan holds with gray; without an end marker, refinements may be missing as well."""
    frame = structure.frame
    assert frame is not None
    content = frame.content
    names = [content[at] for at in range(6, min(len(content), 6 + 3 * content[5]), 3)]
    progressive = frame.marker in _PROGRESSIVE
    missing = {name: np.full(64, 255) for name in names}
    for scan in structure.scans:
        count = scan[0] if scan else 0
        if len(scan) < 4 + 2 * count:
            continue
        first, last, precision = scan[1 + 2 * count : 4 + 2 * count]
        for name in scan[1 : 1 + 2 * count : 2]:
            if name in missing:
                bits = precision & 15 if progressive else 0
                missing[name][slice(first, last + 1) if progressive else slice(None)] = bits
    if any(bits[0] == 255 for bits in missing.values()):
        raise ValueError("a component is missing")
    if structure.end is None and any(bits.any() for bits in missing.values()):
        raise ValueError("scans are missing")
