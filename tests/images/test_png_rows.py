"""A PNG file whose data end before its last row is refused, whichever library decodes it."""

import struct
import zlib

import numpy as np
import pytest

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.images.formats.png import SIGNATURE

SIDE = 40
KINDS = {
    "gray": (8, 0, SIDE),
    "colour": (8, 2, 3 * SIDE),
    "gray with alpha": (8, 4, 2 * SIDE),
    "colour with alpha": (8, 6, 4 * SIDE),
    "deep": (16, 2, 6 * SIDE),
    "one bit": (1, 0, SIDE // 8),
    "four bits": (4, 0, SIDE // 2),
}
"""Depth, colour type and bytes of a row."""


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def file(depth, colour_type, row_bytes, rows, interlaced=0):
    raw = np.random.default_rng(0).integers(0, 255, (rows, 1 + row_bytes), np.uint8)
    raw[:, 0] = 0
    header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, colour_type, 0, 0, interlaced)
    data = zlib.compress(raw.tobytes())
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("depth", "colour_type", "row_bytes"), KINDS.values(), ids=KINDS)
def test_missing_rows_are_noticed(depth, colour_type, row_bytes):
    assert images.decode(file(depth, colour_type, row_bytes, SIDE)).pixels.shape[:2] == (SIDE, SIDE)
    for rows in (1, SIDE - 1):
        with pytest.raises(ImageError, match="truncated or damaged"):
            images.decode(file(depth, colour_type, row_bytes, rows))


def test_missing_passes_are_noticed():
    with pytest.raises(ImageError, match="truncated or damaged"):
        images.decode(file(8, 2, 3 * SIDE, SIDE // 2, interlaced=1))
