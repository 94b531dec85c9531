"""The samples of gray and RGB TIFF pictures, at every depth and in every layout.

Pillow reduces or refuses deep pictures, but it has the decoders of all compressions. So it gets each page as
what it is to them, rows of bytes, and what the bytes mean is worked out here.
"""

import struct
import zlib
from collections.abc import Generator
from contextlib import closing

import numpy as np
import numpy.typing as npt

from magn_cli.images.formats import pillow
from magn_cli.images.metadata import tags
from magn_cli.images.metadata.tags import ByteOrder, Directory
from magn_cli.images.photo import Array

BYTEWISE_COMPRESSIONS = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
"""None, LZW, deflate (two numbers), PackBits, LZMA, Zstandard: those that know nothing of pixels."""

_PART = 16 << 20
"""Bytes that are turned into samples at once."""

_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOUR, _FILL_ORDER, _CHANNELS = 256, 257, 258, 259, 262, 266, 277
_STRIPS, _STRIP_ROWS, _STRIP_SIZES = 273, 278, 279
_PLANES, _PREDICTOR = 284, 317
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES = 322, 323, 324, 325


def read_samples(page: Directory, width: int, height: int, dtype: np.dtype[np.generic]) -> Array:
    """The samples of a page as (H, W, C), in the order of the file; ValueError if it is damaged.

    Its compression must be one of ``BYTEWISE_COMPRESSIONS``.
    """
    channels = page.integers(_CHANNELS, (1,))[0]
    separate = channels > 1 and page.integers(_PLANES, (1,))[0] == 2
    planes, depth = (channels, 1) if separate else (1, channels)
    block_width = page.integers(_TILE_WIDTH)[0] if _TILES in page.positions else width
    if not 0 < block_width <= width + 65535 or channels > 64:
        raise ValueError("impossible tile width or number of channels")
    columns = -(-width // block_width)
    samples = np.empty((height, width, channels), dtype)
    for plane in range(planes):
        pixel_size = depth * dtype.itemsize
        # Closed even where an error keeps it alive: Pillow and stderr are held while it is open.
        with closing(_plane_bytes(page, plane, planes, (columns, block_width), height, pixel_size)) as parts:
            for y, stored in parts:
                for column in range(columns):
                    part = np.ascontiguousarray(stored[:, column])
                    block = _decoded(page, part, (len(part), block_width, depth), dtype)
                    x = column * block_width
                    target = samples[y : y + len(part), x : x + block_width, plane : plane + depth]
                    target[...] = block[:, : target.shape[1]]
    return samples


def packed(samples: Array, order: ByteOrder) -> tuple[bytes, int]:
    """Samples (H, W, C) deflated in the byte order "<" or ">", and the number of the predictor used."""
    predictor = 1
    if samples.dtype.kind != "f":
        differences = samples.copy()
        differences[:, 1:] -= samples[:, :-1]
        samples, predictor = differences, _DIFFERENCES
    return zlib.compress(samples.astype(samples.dtype.newbyteorder(order)).tobytes()), predictor


def _plane_bytes(
    page: Directory, plane: int, planes: int, grid: tuple[int, int], height: int, pixel_size: int
) -> Generator[tuple[int, npt.NDArray[np.uint8]], None, None]:
    """The unpacked bytes of a plane, from top to bottom: of each part its first row, and (rows, columns, bytes).

    They are read as a gray picture of 8 bits: a directory for it is put behind the file, which shares the strips
    or tiles.
    """
    columns, block_width = grid
    row_size = columns * block_width * pixel_size
    if _TILES not in page.positions and {page.integers(t, (1,))[0] for t in (_COMPRESSION, _FILL_ORDER)} == {1}:
        for y, stored in _uncompressed(page, plane, planes, height, row_size):
            yield y, stored.reshape(len(stored), columns, -1)
        return
    buffer = bytearray(page.data)
    records: dict[int, bytes] = {}

    def put(tag: int, *numbers: int) -> None:
        value = struct.pack(f"{page.order}{len(numbers)}I", *numbers)
        records[tag] = tags.append_value(buffer, page.order, tag, tags.LONG, value)

    put(_WIDTH, row_size)
    put(_HEIGHT, height)
    put(_BITS, 8)
    put(_COMPRESSION, page.integers(_COMPRESSION, (1,))[0])
    put(_COLOUR, 1)
    put(_CHANNELS, 1)
    tiled = _TILES in page.positions
    if tiled:
        block_height = page.integers(_TILE_HEIGHT)[0]
        put(_TILE_WIDTH, block_width * pixel_size)
        put(_TILE_HEIGHT, block_height)
    else:
        block_height = min(page.integers(_STRIP_ROWS, (height,))[0], height)
        put(_STRIP_ROWS, block_height)
    if block_height < 1:
        raise ValueError("impossible strip or tile height")
    count = columns * -(-height // block_height)
    for tag in (_TILES, _TILE_SIZES) if tiled else (_STRIPS, _STRIP_SIZES):
        numbers = page.integers(tag)
        if len(numbers) < count * planes:
            raise ValueError("strips or tiles are missing")
        put(tag, *numbers[plane * count : (plane + 1) * count])
    if _FILL_ORDER in page.positions:
        put(_FILL_ORDER, page.integers(_FILL_ORDER)[0])
    tags.append_directory(buffer, page.order, records, first=True)
    data = bytes(buffer)
    buffer.clear()
    with pillow.opened(data, "TIFF", checked=False) as image:
        del data
        image.load()
        rows = max(1, _PART // row_size)
        for y in range(0, height, rows):
            part = np.asarray(image.crop((0, y, row_size, min(y + rows, height))))
            yield y, part.reshape(len(part), columns, block_width * pixel_size)


def _uncompressed(
    page: Directory, plane: int, planes: int, height: int, row_size: int
) -> Generator[tuple[int, npt.NDArray[np.uint8]], None, None]:
    """The rows of a plane in uncompressed strips, as they lie in the file: the largest files are of this kind."""
    strip_rows = min(page.integers(_STRIP_ROWS, (height,))[0], height)
    if strip_rows < 1:
        raise ValueError("impossible strip height")
    count = -(-height // strip_rows)
    offsets = page.integers(_STRIPS)
    if len(offsets) < count * planes:
        raise ValueError("strips are missing")
    for strip, offset in enumerate(offsets[plane * count : (plane + 1) * count]):
        end = min((strip + 1) * strip_rows, height)
        part_rows = max(1, _PART // row_size)
        for y in range(strip * strip_rows, end, part_rows):
            rows = min(part_rows, end - y)
            start = offset + (y - strip * strip_rows) * row_size
            if start + rows * row_size > len(page.data):
                raise ValueError("a strip lies outside of the file")
            yield y, np.frombuffer(page.data, np.uint8, rows * row_size, start).reshape(rows, row_size)


def _decoded(
    page: Directory, stored: npt.NDArray[np.uint8], shape: tuple[int, int, int], dtype: np.dtype[np.generic]
) -> Array:
    """Samples of ``shape`` from the bytes (H, N) of a strip or a column of tiles, differences added up."""
    predictor = page.integers(_PREDICTOR, (1,))[0]
    if predictor == _FLOAT_DIFFERENCES:
        # The rows hold the most significant bytes of all samples first, in either byte order.
        rows, _, channels = shape
        summed = np.cumsum(stored.reshape(rows, -1, channels), axis=1, dtype=np.uint8)
        joined = np.ascontiguousarray(summed.reshape(rows, dtype.itemsize, -1).transpose(0, 2, 1))
        return joined.view(dtype.newbyteorder(">")).reshape(shape).astype(dtype)
    block: Array = stored.view(dtype.newbyteorder(page.order)).reshape(shape).astype(dtype)
    if predictor != _DIFFERENCES:
        return block
    # Floats too may be stored as differences of their bits.
    unsigned = np.dtype(f"u{dtype.itemsize}")
    return np.cumsum(block.view(unsigned), axis=1, dtype=unsigned).view(dtype)
