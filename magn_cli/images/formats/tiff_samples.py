"""Read the samples of gray and RGB TIFF pictures, at every depth and in every layout.

Pillow reduces or refuses deep pictures, but it has the decoders of all compressions. So it decodes one part of
a page at a time as plain rows of bytes, and this module interprets them.
"""

import struct
import zlib
from bisect import bisect_right
from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np
import numpy.typing as npt

from magn_cli.files.data import Data, let_go_of
from magn_cli.files.scratch import is_scratch, let_go, scratch_array
from magn_cli.images.formats import pillow
from magn_cli.images.limits import check_memory
from magn_cli.images.metadata import tags
from magn_cli.images.metadata.tags import ByteOrder, Directory
from magn_cli.images.photo import Array

BYTEWISE_COMPRESSIONS = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
"""None, LZW, deflate (two numbers), PackBits, LZMA, Zstandard: those that know nothing of pixels."""

_DEFLATE = frozenset({8, 32946})
_PART = 16 << 20
"""Bytes that are turned into samples at once."""

_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOUR, _FILL_ORDER, _CHANNELS = 256, 257, 258, 259, 262, 266, 277
_STRIPS, _STRIP_ROWS, _STRIP_SIZES = 273, 278, 279
_PLANES, _PREDICTOR = 284, 317
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES = 322, 323, 324, 325


def read_samples(page: Directory, width: int, height: int, bits: int, dtype: np.dtype[np.generic]) -> Array:
    """Return the samples of a page, ``(H, W, C)``, in the order of the file.

    Args:
        page: its compression must be one of ``BYTEWISE_COMPRESSIONS``.
        width: pixels.
        height: pixels.
        bits: of a sample. If they are not those of ``dtype``, samples are packed without gaps within a row.
        dtype: of the result.

    Raises ValueError if the page is damaged.
    """
    channels = channel_count(page)
    separate = channels > 1 and page.integers(_PLANES, (1,))[0] == 2
    planes, depth = (channels, 1) if separate else (1, channels)
    block_width = page.integers(_TILE_WIDTH)[0] if _TILES in page.positions else width
    if not 0 < block_width <= width + 65535 or not 0 < channels <= 64:
        raise ValueError("impossible tile width or number of channels")
    columns = -(-width // block_width)
    row_size = -(-block_width * depth * bits // 8)
    samples = scratch_array((height, width, channels), dtype)
    if not is_scratch(samples):
        check_memory(samples.nbytes)
    for plane in range(planes):
        # Closed even where an error keeps it alive: Pillow and stderr are held while it is open.
        with closing(_plane_bytes(page, plane, planes, (columns, row_size), height)) as parts:
            for y, stored in parts:
                for column in range(columns):
                    part = np.ascontiguousarray(stored[:, column])
                    shape = (len(part), block_width, depth)
                    if bits == 8 * dtype.itemsize:
                        block = _decoded(page, part, shape, dtype)
                    else:
                        block = _unpacked(part, shape, bits, dtype)
                    x = column * block_width
                    target = samples[y : y + len(part), x : x + block_width, plane : plane + depth]
                    target[...] = block[:, : target.shape[1]]
                let_go(samples)
                let_go_of(page.data)
    return samples


def channel_count(page: Directory) -> int:
    """Return how many samples a pixel has: as stated, or as many as have a stated number of bits."""
    return page.integers(_CHANNELS, (max(len(page.integers(_BITS)), 1),))[0]


def predictor_of(dtype: np.dtype[np.generic]) -> int:
    """Return the number of the predictor that :func:`packed` uses for samples of a type."""
    return 1 if dtype.kind == "f" else _DIFFERENCES


def packed(samples: Array, order: ByteOrder) -> bytes:
    """Return samples, ``(H, W, C)``, deflated in the byte order "<" or ">"."""
    if predictor_of(samples.dtype) == _DIFFERENCES:
        differences = samples.copy()
        differences[:, 1:] -= samples[:, :-1]
        samples = differences
    return zlib.compress(samples.astype(samples.dtype.newbyteorder(order)).tobytes())


def _plane_bytes(
    page: Directory, plane: int, planes: int, grid: tuple[int, int], height: int
) -> Generator[tuple[int, npt.NDArray[np.uint8]], None, None]:
    """The unpacked bytes of a plane, from top to bottom: of each part its first row, and (rows, columns, bytes).

    ``grid``: how many blocks are side by side, and the bytes of a row of each.
    """
    columns, row_size = grid
    tiled = _TILES in page.positions
    if tiled:
        block_height = page.integers(_TILE_HEIGHT)[0]
    else:
        block_height = min(page.integers(_STRIP_ROWS, (height,))[0] or height, height)
    if not 0 < block_height <= height + 65535:
        raise ValueError("impossible strip or tile height")
    count = columns * -(-height // block_height)
    offsets = page.integers(_TILES if tiled else _STRIPS)
    if len(offsets) < count * planes:
        raise ValueError("strips or tiles are missing")
    mine = offsets[plane * count : (plane + 1) * count]
    compression, order = page.integers(_COMPRESSION, (1,))[0], page.integers(_FILL_ORDER, (1,))[0]
    if compression == order == 1 and not tiled:
        for y, stored in _uncompressed(page.data, mine, block_height, height, columns * row_size):
            yield y, stored.reshape(len(stored), columns, -1)
        return
    sizes = page.integers(_TILE_SIZES if tiled else _STRIP_SIZES)
    if compression == 1:
        ends = [offset + block_height * row_size for offset in mine]
    else:
        ends = _ends(offsets, sizes, len(page.data))[plane * count : (plane + 1) * count]
    check_memory(2 * columns * row_size * block_height)
    at_once = max(1, _PART // (columns * row_size * block_height)) * columns
    for first in range(0, count, at_once):
        y = first // columns * block_height
        pieces = [
            page.data[a:b]
            for a, b in zip(mine[first : first + at_once], ends[first : first + at_once], strict=True)
        ]
        rows = min(len(pieces) // columns * block_height, height - y)
        if compression in _DEFLATE and order == 1:
            blocks = np.concatenate(
                [
                    _inflated(piece, block_height * row_size, min(block_height, height - y - down) * row_size)
                    for piece, down in zip(pieces, _downwards(len(pieces), columns, block_height), strict=True)
                ]
            ).reshape(-1, columns, block_height, row_size)
            yield y, blocks.swapaxes(1, 2).reshape(-1, columns, row_size)[:rows]
            continue
        small = _as_gray(
            pieces, (rows, columns, row_size), block_height if tiled else None, block_height, compression, order
        )
        with pillow.opened(small, "TIFF", checked=False) as image:
            image.load()
            yield y, np.asarray(image).reshape(rows, columns, row_size)


def _downwards(count: int, columns: int, block_height: int) -> Iterator[int]:
    """How far below the first of them each of some blocks begins, in rows."""
    return (number // columns * block_height for number in range(count))


def _inflated(piece: bytes | bytearray, size: int, needed: int) -> npt.NDArray[np.uint8]:
    """The ``size`` bytes of a deflated strip or tile, of which the file may hold only those ``needed``.

    Raises ValueError if they are missing or the checksum behind them is wrong, at which libtiff does not look.
    """
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(piece, size)
        if not inflater.eof:
            inflater.decompress(inflater.unconsumed_tail, _PART)
    except zlib.error as error:
        raise ValueError("a strip or tile is damaged") from error
    if len(found) < min(size, needed):
        raise ValueError("a strip or tile is too short")
    return np.frombuffer(found.ljust(size, b"\0"), np.uint8)


def _as_gray(
    pieces: list[bytes | bytearray],
    shape: tuple[int, int, int],
    tile_height: int | None,
    strip_height: int,
    compression: int,
    fill_order: int,
) -> bytes:
    """A TIFF file of 8-bit gray pixels, ``shape`` (rows, columns of blocks, bytes), of these strips or tiles."""
    rows, columns, row_size = shape
    buffer = bytearray(tags.empty())
    offsets = []
    for piece in pieces:
        offsets.append(len(buffer))
        buffer += piece
    records: dict[int, bytes] = {}

    def put(tag: int, *numbers: int) -> None:
        value = struct.pack(f"<{len(numbers)}I", *numbers)
        records[tag] = tags.append_value(buffer, "<", tag, tags.LONG, value)

    put(_WIDTH, columns * row_size)
    put(_HEIGHT, rows)
    put(_BITS, 8)
    put(_COMPRESSION, compression)
    put(_COLOUR, 1)
    put(_CHANNELS, 1)
    put(_FILL_ORDER, fill_order)
    if tile_height is not None:
        put(_TILE_WIDTH, row_size)
        put(_TILE_HEIGHT, tile_height)
    else:
        put(_STRIP_ROWS, min(strip_height, rows))
    put(_TILES if tile_height is not None else _STRIPS, *offsets)
    put(_TILE_SIZES if tile_height is not None else _STRIP_SIZES, *(len(piece) for piece in pieces))
    tags.append_directory(buffer, "<", records, first=True)
    return bytes(buffer)


def _ends(offsets: tuple[int, ...], sizes: tuple[int, ...], length: int) -> list[int]:
    """Where each compressed strip or tile ends: without a size, where the next one begins, or the file ends."""
    starts = sorted({*offsets, length})
    ends = []
    for number, offset in enumerate(offsets):
        if offset >= length:
            raise ValueError("a strip or tile lies outside of the file")
        size = sizes[number] if number < len(sizes) else 0
        ends.append(min(offset + size, length) if size else starts[bisect_right(starts, offset)])
    return ends


def _uncompressed(
    data: Data | bytearray, offsets: tuple[int, ...], strip_rows: int, height: int, row_size: int
) -> Generator[tuple[int, npt.NDArray[np.uint8]], None, None]:
    """The rows of a plane in uncompressed strips, as they lie in the file: the largest files are of this kind."""
    for strip, offset in enumerate(offsets):
        end = min((strip + 1) * strip_rows, height)
        part_rows = max(1, _PART // row_size)
        for y in range(strip * strip_rows, end, part_rows):
            rows = min(part_rows, end - y)
            start = offset + (y - strip * strip_rows) * row_size
            if start + rows * row_size > len(data):
                raise ValueError("a strip lies outside of the file")
            yield y, np.frombuffer(data, np.uint8, rows * row_size, start).reshape(rows, row_size)


def _unpacked(
    stored: npt.NDArray[np.uint8], shape: tuple[int, int, int], bits: int, dtype: np.dtype[np.generic]
) -> Array:
    """Samples of ``shape`` from rows of bytes (H, N) in which each takes ``bits``, the highest first."""
    rows, width, depth = shape
    single = np.unpackbits(stored, axis=1, count=width * depth * bits).reshape(rows, width * depth, bits)
    values = np.zeros((rows, width * depth), dtype)
    for bit in range(bits):
        values = (values << 1) | single[..., bit]
    return values.reshape(shape).astype(dtype)


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
