"""Read PBM, PGM and PPM files, binary and plain, with any white level up to 65535."""

import re

import numpy as np

from magn_cli.images.depth import stretched
from magn_cli.images.limits import check_size
from magn_cli.images.photo import Array, Metadata, Photo

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([1-6])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})")
_WHITE = re.compile(_GAP + rb"(\d{1,5})")
_MAX_HEADER = 1 << 16
"""Bytes, comments included."""

_PART = 16 << 20
_NO_NUMBERS = re.compile(rb"[^\s\d]|\d{10}")


def read(data: bytes) -> tuple[Photo, bool]:
    """The picture in the bytes of a PNM file, and whether more of them follow.

    Its samples are stretched to the full scale of their type. Black-and-white files become gray. ValueError if the
    file is damaged.
    """
    head = data[:_MAX_HEADER]
    header = _HEADER.match(head)
    if header is None:
        raise ValueError("no PNM header")
    kind, width, height = (int(part) for part in header.groups())
    check_size(width, height)
    end, white = header.end(), 1
    if kind in (2, 3, 5, 6):
        level = _WHITE.match(head, end)
        if level is None or not 1 <= int(level[1]) <= 65535:
            raise ValueError("no valid white level")
        end, white = level.end(), int(level[1])
    shape = (height, width, 3) if kind in (3, 6) else (height, width)
    values: Array
    if kind == 4:
        rows = np.frombuffer(data, np.uint8, height * ((width + 7) // 8), end + 1)
        end += 1 + rows.nbytes
        values = np.unpackbits(rows.reshape(height, -1), axis=1)[:, :width]
    elif kind in (5, 6):
        stored = np.dtype(np.uint8 if white < 256 else ">u2")
        values = np.frombuffer(data, stored, int(np.prod(shape)), end + 1).reshape(shape)
        end += 1 + values.nbytes
    else:
        values = _plain(data[end:], int(np.prod(shape)), bits=kind == 1).reshape(shape)
    if values.max() > white:
        raise ValueError("a sample is above the white level")
    if kind in (1, 4):
        values = 1 - values
    has_more = kind > 3 and _HEADER.match(data[end : end + _MAX_HEADER].lstrip()) is not None
    return Photo(stretched(values, white), None, Metadata(), None, "PNM"), has_more


def _plain(text: bytes, count: int, *, bits: bool) -> Array:
    """Samples in decimal digits, part by part: as Python's numbers they would take twenty times the memory."""
    text = re.sub(rb"#[^\r\n]*", b"", text)
    if bits:
        # The digits of a plain bitmap need no space between them.
        return _enough(np.frombuffer(re.sub(rb"\s", b"", text), np.uint8), count) - np.uint8(ord("0"))
    parts, at, found = [np.zeros(0, np.uint32)], 0, 0
    while at < len(text) and found < count:
        end = _next_space(text, at + _PART)
        part = text[at:end]
        if _NO_NUMBERS.search(part):
            raise ValueError("no number of up to nine digits")
        parts.append(np.array(part.split(None, count - found)[: count - found], "S9").astype(np.uint32))
        found, at = found + len(parts[-1]), end
    return _enough(np.concatenate(parts), count)


def _next_space(text: bytes, at: int) -> int:
    found = re.compile(rb"\s").search(text, at)
    return len(text) if found is None else found.start()


def _enough(values: Array, count: int) -> Array:
    if len(values) < count:
        raise ValueError("samples are missing")
    return values[:count]
