"""Read PNG files of every depth, and write them with 8 or 16 bits and metadata."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from magn_cli.files.data import Data, ScratchFile, is_large
from magn_cli.files.scratch import let_go
from magn_cli.images.formats import opencv, pillow, png_metadata
from magn_cli.images.formats.png_metadata import INCH, XMP_KEYWORD, Chunk, first
from magn_cli.images.limits import RefusedError, check_size
from magn_cli.images.photo import Array, Metadata, Photo
from magn_cli.images.warnings import warn

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_KEY_SIZES = {0: 2, 2: 6}
"""Bytes of the transparent colour, by the colour type."""
_MAX_DEFLATION = 1032
_ADAM7 = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2))
_PASSES = {0: ((0, 1, 0, 1),), 1: _ADAM7}
"""Of each pass of a picture, interlaced or not: first column, step, first row, step."""

_LONGEST_SIDE = 1_000_000
"""That OpenCV reads, in pixels."""

_INFLATED_AT_ONCE = 1 << 20
_DATA_CHUNK = 16 << 20
_MAX_CHUNKS = 1 << 20
"""500 megapixels of 16 bits in chunks of 4 KB are fewer."""


def read(data: bytes) -> tuple[Photo, bool]:
    """Return the picture in a PNG file, not yet turned by its orientation, and whether it is animated.

    Wrong checksums of palettes and metadata are ignored. Raises ValueError if the file is damaged otherwise.
    """
    chunks = list(_chunks(data))
    header = first(chunks, b"IHDR")
    if header is None:
        raise ValueError("no header chunk")
    if chunks[0][0] == b"CgBI":
        raise RefusedError("is a PNG file in the form that only Apple's devices read (CgBI): convert it first")
    width, height, depth, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", header[:13])
    check_size(width, height)
    _check_capacity(chunks, width, height, depth, colour_type)
    # Decoders get the bare pixels: what they make of other chunks differs, and some complain on stderr.
    bare = SIGNATURE + b"".join(
        _chunk(kind, content)
        for kind, content in chunks
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND") or (kind == b"tRNS" and colour_type == 3)
    )
    is_long = max(width, height) > _LONGEST_SIDE
    if depth == 16 and is_long:
        raise RefusedError(f"has 16 bits and a side of more than {_LONGEST_SIDE:,} pixels: cut it into parts")
    if depth >= 8 and colour_type != 3 and not is_long:
        # Beside depth, it knows missing rows; Pillow has to be checked for them, which takes as long as decoding.
        array = opencv.decode(bare)
        has_alpha = colour_type in (4, 6)
        gray = colour_type in (0, 4)
        pixels = array if array.ndim == 2 else np.ascontiguousarray(array[..., 0] if gray else array[..., :3])
        alpha = np.ascontiguousarray(array[..., 3]) if has_alpha else None
    else:
        with pillow.opened(bare, "PNG") as image:
            image.load()
            pixels, alpha = pillow.samples(image)
        # Pillow fills up what is missing with black.
        _check_complete(chunks, width, height, depth * _CHANNELS[colour_type], _PASSES[interlaced])
    key = first(chunks, b"tRNS")
    if key and len(key) == _KEY_SIZES.get(colour_type):
        alpha = _keyed_alpha(pixels, key, depth)
    if first(chunks, b"caBX") is not None:
        warn("Left out: content credentials (C2PA).")
    behind = len(data) - len(SIGNATURE) - sum(12 + len(content) for _, content in chunks)
    if behind > 0 and data[-behind:].strip(b"\0\xff\r\n\t "):
        warn(f"The {behind:,} bytes behind the picture were left out.")
    return Photo(pixels, alpha, png_metadata.read(chunks), None, "PNG"), first(chunks, b"acTL") is not None


def encode(pixels: Array, alpha: Array | None, metadata: Metadata, software: str | None) -> Data:
    """Return a PNG file of uint8 or uint16 pixels, ``(H, W)`` or ``(H, W, 3)``.

    ``alpha``: ``(H, W)`` of the same dtype. ``software``: the program's name, for a text chunk.
    """
    height, width = pixels.shape[:2]
    channels = pixels.size // (height * width) + (alpha is not None)
    depth = 8 * pixels.dtype.itemsize
    parts = [
        SIGNATURE,
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, _COLOUR_TYPES[channels], 0, 0, 0)),
    ]
    parts += [_chunk(kind, content) for kind, content in metadata.colour]
    if metadata.icc:
        parts.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi:
        x, y = (round(value / INCH) for value in metadata.dpi)
        parts.append(_chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if metadata.exif:
        parts.append(_chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        parts.append(_chunk(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    if software:
        parts.append(_chunk(b"tEXt", b"Software\0" + software.encode("latin-1", "replace")))
    file = ScratchFile(pixels.nbytes)
    for part in parts:
        file.write(part)
    for content in _compressed(pixels, alpha):
        for start in range(0, len(content), _DATA_CHUNK):
            file.write(_chunk(b"IDAT", content[start : start + _DATA_CHUNK]))
    file.write(_chunk(b"IEND", b""))
    return file.content()


def _compressed(pixels: Array, alpha: Array | None) -> Iterator[bytes]:
    """Yield the contents of the IDAT chunks, cut anywhere: the samples, filtered and compressed."""
    file = None
    if not is_large(pixels.nbytes):
        file = opencv.encode_png(pixels if alpha is None else np.dstack([pixels, alpha]))
    if file is None:
        yield from _compressed_by_parts(pixels, alpha)
        return
    yield b"".join(content for kind, content in _chunks(file) if kind == b"IDAT")


def _compressed_by_parts(pixels: Array, alpha: Array | None) -> Iterator[bytes]:
    """Do so without a copy of the picture. The data is 3 to 10 % larger than that of OpenCV."""
    deflater = zlib.compressobj(4, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    height, width = pixels.shape[:2]
    at_once = max(1, _DATA_CHUNK * height // pixels.nbytes)
    for start in range(0, height, at_once):
        part = pixels[start : start + at_once].reshape(-1, width, pixels.size // (height * width))
        if alpha is not None:
            part = np.dstack([part, alpha[start : start + at_once]])
        raw = part.astype(part.dtype.newbyteorder(">")).view(np.uint8).reshape(len(part), -1)
        step = part.shape[2] * part.itemsize
        # Filter 1: each pixel less the one before it.
        rows = np.pad(raw, ((0, 0), (1, 0)), constant_values=1)
        rows[:, 1 + step :] -= raw[:, :-step]
        yield deflater.compress(rows.tobytes())
        let_go(pixels)
    yield deflater.flush()


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)))


def _chunks(data: bytes) -> Iterator[Chunk]:
    offset = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        length, kind = struct.unpack_from(">I4s", data, offset)
        content = data[offset + 8 : offset + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, offset + 8 + length)
        critical = kind[:1].isupper()
        if critical and zlib.crc32(content, zlib.crc32(kind)) != checksum:
            if kind != b"PLTE":
                raise ValueError(f"wrong checksum of {kind!r}")
            warn("The checksum of the palette is wrong; look at the colours of the result.")
        yield kind, content
        if kind == b"IEND":
            return
        offset += 12 + length
    raise RefusedError(f"has more than {_MAX_CHUNKS:,} chunks, as no program writes: save it anew first")


def _keyed_alpha(pixels: Array, key: bytes, depth: int) -> Array:
    """Return an alpha, transparent where a pixel has the one colour that the file declares so."""
    top = np.iinfo(pixels.dtype).max
    colour = np.frombuffer(key, ">u2").astype(np.int64) * top // (2**depth - 1)
    matches = pixels == colour
    transparent = matches.all(axis=-1) if pixels.ndim == 3 else matches
    return np.where(transparent, 0, top).astype(pixels.dtype)


def _check_complete(
    chunks: list[Chunk], width: int, height: int, bits: int, passes: tuple[tuple[int, int, int, int], ...]
) -> None:
    """Raise ValueError if the data unfold to fewer bytes than the rows of all passes have."""
    missing = 0
    for left, across, top, down in passes:
        columns, rows = -((left - width) // across), -((top - height) // down)
        missing += rows * (1 + (columns * bits + 7) // 8) if columns > 0 and rows > 0 else 0
    inflater = zlib.decompressobj()
    for kind, content in chunks:
        rest = content if kind == b"IDAT" else b""
        while rest and missing > 0:
            missing -= len(inflater.decompress(rest, _INFLATED_AT_ONCE))
            rest = inflater.unconsumed_tail
    if missing - len(inflater.flush()) > 0:
        raise ValueError("rows are missing")


def _check_capacity(chunks: list[Chunk], width: int, height: int, depth: int, colour_type: int) -> None:
    """Raise ValueError if the data cannot unfold to so many pixels: deflate shrinks to a 1032nd at best."""
    stored = sum(len(content) for kind, content in chunks if kind == b"IDAT")
    bits = width * height * depth * _CHANNELS.get(colour_type, 1)
    if bits / 8 > (stored + 1) * _MAX_DEFLATION:
        raise ValueError(f"{stored} bytes cannot hold {width} x {height} pixels")
