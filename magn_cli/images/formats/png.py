"""PNG files: their chunks, reading at every depth, and writing 8 and 16 bits with metadata."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from magn_cli.images.formats import opencv, pillow
from magn_cli.images.limits import check_size
from magn_cli.images.metadata import colour_chunks
from magn_cli.images.photo import Array, Metadata, Photo

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_INCH = 0.0254
_MAX_INFLATED = 64 << 20
"""The most bytes of metadata that a compressed chunk may unfold to."""
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_ROWS_AT_ONCE = 64
_DATA_CHUNK = 16 << 20


def read(data: bytes) -> tuple[Photo, bool]:
    """The picture in the bytes of a PNG file, not yet turned by its orientation, and if it is animated.

    ValueError if the file is damaged.
    """
    chunks = list(_chunks(data))
    header = _first(chunks, b"IHDR")
    if header is None:
        raise ValueError("no header chunk")
    width, height, depth, colour_type = struct.unpack(">IIBB", header[:10])
    check_size(width, height)
    # Decoders get the bare pixels: what they make of other chunks differs, and some complain on stderr.
    bare = SIGNATURE + b"".join(
        _chunk(kind, content)
        for kind, content in chunks
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND") or (kind == b"tRNS" and colour_type == 3)
    )
    if depth == 16:
        array = opencv.decode(bare)
        has_alpha = colour_type in (4, 6)
        gray = colour_type in (0, 4)
        pixels = array if array.ndim == 2 else np.ascontiguousarray(array[..., 0] if gray else array[..., :3])
        alpha = np.ascontiguousarray(array[..., 3]) if has_alpha else None
    else:
        with pillow.opened(bare, "PNG") as image:
            image.load()
            pixels, alpha = pillow.samples(image)
    key = _first(chunks, b"tRNS")
    if key and colour_type in (0, 2):
        alpha = _keyed_alpha(pixels, key, depth)
    return Photo(pixels, alpha, _metadata(chunks), None, "PNG"), _first(chunks, b"acTL") is not None


def encode(pixels: Array, alpha: Array | None, metadata: Metadata, software: str | None) -> bytes:
    """A PNG file of uint8 or uint16 pixels (H, W) or (H, W, 3) with an alpha (H, W) of the same dtype."""
    samples = pixels.reshape(*pixels.shape[:2], -1)
    if alpha is not None:
        samples = np.dstack([samples, alpha])
    height, width, channels = samples.shape
    depth = 8 * samples.dtype.itemsize
    parts = [
        SIGNATURE,
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, _COLOUR_TYPES[channels], 0, 0, 0)),
    ]
    parts += [_chunk(kind, content) for kind, content in metadata.colour]
    if metadata.icc:
        parts.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi:
        x, y = (round(value / _INCH) for value in metadata.dpi)
        parts.append(_chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if metadata.exif:
        parts.append(_chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        parts.append(_chunk(b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    if software:
        parts.append(_chunk(b"tEXt", b"Software\0" + software.encode("latin-1", "replace")))
    compressed = _compressed(samples)
    parts += [
        _chunk(b"IDAT", compressed[start : start + _DATA_CHUNK])
        for start in range(0, len(compressed), _DATA_CHUNK)
    ]
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _compressed(samples: Array) -> bytes:
    """The rows, each predicted by the Paeth filter, which suits photographs."""
    height, width, channels = samples.shape
    step = channels * samples.dtype.itemsize
    # For filtered photographs a third quicker than zlib's own choice, and files 3 % smaller.
    compressor = zlib.compressobj(4, zlib.DEFLATED, zlib.MAX_WBITS, 8, zlib.Z_FILTERED)
    parts = []
    above = np.zeros((1, (width + 1) * step), np.uint8)
    for start in range(0, height, _ROWS_AT_ONCE):
        block = np.ascontiguousarray(samples[start : start + _ROWS_AT_ONCE])
        raw = block.astype(block.dtype.newbyteorder(">")).view(np.uint8).reshape(len(block), -1)
        # A pixel of zeros stands before each row and a row of zeros above the first.
        padded = np.pad(raw, ((0, 0), (step, 0)))
        upper = np.concatenate([above, padded[:-1]]).astype(np.int16)
        left, up, corner = padded[:, :-step].astype(np.int16), upper[:, step:], upper[:, :-step]
        from_left, from_up = np.abs(up - corner), np.abs(left - corner)
        from_corner = np.abs(left + up - 2 * corner)
        nearest = np.where(from_up <= from_corner, up, corner)
        left_wins = (from_left <= from_up) & (from_left <= from_corner)
        predicted = np.where(left_wins, left, nearest).astype(np.uint8)
        rows = np.pad(raw - predicted, ((0, 0), (1, 0)), constant_values=4)
        parts.append(compressor.compress(rows.tobytes()))
        above = padded[-1:]
    return b"".join([*parts, compressor.flush()])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = len(SIGNATURE)
    while True:
        length, kind = struct.unpack_from(">I4s", data, offset)
        content = data[offset + 8 : offset + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, offset + 8 + length)
        critical = kind[:1].isupper()
        if critical and zlib.crc32(kind + content) != checksum:
            raise ValueError(f"wrong checksum of {kind!r}")
        yield kind, content
        if kind == b"IEND":
            return
        offset += 12 + length


def _first(chunks: list[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    return next((content for kind, content in chunks if kind == wanted), None)


def _keyed_alpha(pixels: Array, key: bytes, depth: int) -> Array:
    """Transparent where a pixel has the one colour that the file declares so."""
    top = np.iinfo(pixels.dtype).max
    colour = np.frombuffer(key, ">u2").astype(np.int64) * top // (2**depth - 1)
    matches = pixels == colour
    transparent = matches.all(axis=-1) if pixels.ndim == 3 else matches
    return np.where(transparent, 0, top).astype(pixels.dtype)


def _metadata(chunks: list[tuple[bytes, bytes]]) -> Metadata:
    icc = dpi = xmp = None
    profile = _first(chunks, b"iCCP")
    if profile:
        icc = _inflated(profile.partition(b"\0")[2][1:])
    density = _first(chunks, b"pHYs")
    if density and len(density) == 9:
        x, y, unit = struct.unpack(">IIB", density)
        dpi = (x * _INCH, y * _INCH) if unit == 1 and x and y else None
    for kind, content in chunks:
        if kind == b"iTXt" and content.startswith(_XMP_KEYWORD + b"\0"):
            compressed = content[len(_XMP_KEYWORD) + 1 : len(_XMP_KEYWORD) + 2] == b"\1"
            text = content[len(_XMP_KEYWORD) + 3 :].split(b"\0", 2)[-1]
            xmp = _inflated(text) if compressed else text
    kept = tuple(
        {kind: content for kind, content in chunks if len(content) == colour_chunks.SIZES.get(kind)}.items()
    )
    return Metadata(icc or None, _first(chunks, b"eXIf") or None, xmp or None, dpi, kept)


def _inflated(compressed: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(compressed, _MAX_INFLATED)
    except zlib.error:
        return None
