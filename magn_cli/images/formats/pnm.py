"""PBM, PGM and PPM files: gray and RGB with any white level up to 65535, binary and plain."""

import re

import numpy as np

from magn_cli.images.depth import stretched
from magn_cli.images.limits import check_size
from magn_cli.images.photo import Array, Metadata, Photo

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([1-6])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})")
_WHITE = re.compile(_GAP + rb"(\d{1,5})")


def read(data: bytes) -> Photo:
    """The picture in the bytes of a PNM file, its samples stretched to the full scale of their type.

    Black-and-white files become gray. ValueError if the file is damaged.
    """
    header = _HEADER.match(data)
    if header is None:
        raise ValueError("no PNM header")
    kind, width, height = (int(part) for part in header.groups())
    check_size(width, height)
    end, white = header.end(), 1
    if kind in (2, 3, 5, 6):
        level = _WHITE.match(data, end)
        if level is None or not 1 <= int(level[1]) <= 65535:
            raise ValueError("no valid white level")
        end, white = level.end(), int(level[1])
    shape = (height, width, 3) if kind in (3, 6) else (height, width)
    values: Array
    if kind == 4:
        rows = np.frombuffer(data, np.uint8, height * ((width + 7) // 8), end + 1)
        values = np.unpackbits(rows.reshape(height, -1), axis=1)[:, :width]
    elif kind in (5, 6):
        stored = np.dtype(np.uint8 if white < 256 else ">u2")
        values = np.frombuffer(data, stored, int(np.prod(shape)), end + 1).reshape(shape)
    else:
        values = _plain(data[end:], int(np.prod(shape)), bits=kind == 1).reshape(shape)
    if values.max() > white:
        raise ValueError("a sample is above the white level")
    if kind in (1, 4):
        values = 1 - values
    return Photo(stretched(values, white), None, Metadata(), None, "PNM")


def _plain(text: bytes, count: int, *, bits: bool) -> Array:
    text = re.sub(rb"#[^\r\n]*", b"", text)
    # The digits of a plain bitmap need no space between them.
    words = list(re.sub(rb"\s", b"", text).decode("ascii")) if bits else text.decode("ascii").split()
    if len(words) < count:
        raise ValueError("samples are missing")
    return np.array(words[:count]).astype(np.int64)
