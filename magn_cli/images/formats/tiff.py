"""TIFF files: reading the first page and writing one page with metadata."""

import struct

import numpy as np

from magn_cli.images.depth import full_scale
from magn_cli.images.formats import pillow, tiff_samples
from magn_cli.images.limits import RefusedError, check_size
from magn_cli.images.metadata import exif, iptc, tags
from magn_cli.images.photo import Array, Metadata, Photo
from magn_cli.images.raw import sensor_tags, tiff_cfa
from magn_cli.images.transparency import undo_premultiplication

_GRAY_WHITE_FIRST, _GRAY, _RGB = 0, 1, 2
_READABLE_COLOURS = {_GRAY_WHITE_FIRST, _GRAY, _RGB, 3, 5, 6, sensor_tags.CFA}
_INTEGER, _FLOAT = 1, 3
_ASSOCIATED, _STRAIGHT = 1, 2
_XMP, _ICC, _IPTC, _RESOURCES = 700, 34675, 33723, 34377
_SOFTWARE = tags.SOFTWARE
# Description, make, model, orientation, software, date, artist, host, copyright, ratings, the Windows
# texts, and the EXIF and GPS directories.
DESCRIPTIVE = frozenset(
    {270, 271, 272, tags.ORIENTATION, _SOFTWARE, 306, 315, 316, 18246, 18249, 33432}
    | set(range(40091, 40096))
    | {tags.EXIF_DIRECTORY, tags.GPS_DIRECTORY}
)
"""The tags that describe the photograph and not how it is stored."""
_CENTIMETRE = 2.54
_MAX_BYTES = 2**32 - 1


def read(data: bytes) -> tuple[Photo, bool]:
    """The first page in the bytes of a TIFF file, not yet turned, and if there are more pages.

    ValueError if the file is damaged, RefusedError if it is of a kind that is not read.
    """
    if data[:4] in (b"II+\0", b"MM\0+"):
        raise RefusedError("is a BigTIFF file, which is not supported: save it as an ordinary TIFF or a PNG")
    page = tags.read_directory(data)
    sizes = page.integers(256) + page.integers(257)
    if len(sizes) != 2:
        raise ValueError("no width and height")
    width, height = sizes
    check_size(width, height)
    _check_complete(page)
    # Decoders differ in whether they turn the picture; here it must not be turned twice.
    upright = tags.read_directory(exif.with_orientation_1(data))
    dtype = _sample_type(page)
    if dtype is None:
        with pillow.opened(bytes(upright.data), "TIFF") as image:
            image.load()
            pixels, alpha = pillow.samples(image)
            profile_fits = image.mode != "CMYK"
    else:
        pixels, alpha = _own_pixels(upright, width, height, dtype)
        profile_fits = True
    mosaic = None
    if page.integers(262, (_GRAY,))[0] == sensor_tags.CFA:
        pixels, mosaic = tiff_cfa.prepared(page, pixels)
    metadata = Metadata(
        icc=page.value(_ICC) or None if profile_fits else None,
        exif=_exif(page),
        xmp=page.value(_XMP) or None,
        iptc=page.value(_IPTC) or iptc.among(page.value(_RESOURCES) or b""),
        dpi=_dpi(page),
    )
    return Photo(pixels, alpha, metadata, None, "TIFF", mosaic=mosaic), page.following != 0


def encode(pixels: Array, alpha: Array | None, metadata: Metadata, software: str | None) -> bytes:
    """A TIFF file, deflated without loss, of uint8, uint16 or float32 pixels (H, W) or (H, W, 3) with an
    alpha (H, W) of the same dtype. RefusedError above the 4 GiB that the format can hold."""
    samples = pixels.reshape(*pixels.shape[:2], -1)
    colours = samples.shape[2]
    if alpha is not None:
        samples = np.dstack([samples, alpha])
    height, width, channels = samples.shape
    # The EXIF block opens the file, so that every offset within it (maker notes too) stays valid.
    buffer = bytearray(metadata.exif or tags.empty())
    page = tags.read_directory(buffer) if metadata.exif else None
    order: tags.ByteOrder = page.order if page else "<"
    records = {tag: page.record(tag) for tag in DESCRIPTIVE & set(page.positions)} if page else {}

    def put(tag: int, kind: int, *numbers: int) -> None:
        code = {tags.SHORT: "H", tags.LONG: "I", tags.RATIONAL: "I"}[kind]
        put_raw(tag, kind, struct.pack(f"{order}{len(numbers)}{code}", *numbers))

    def put_raw(tag: int, kind: int, value: bytes) -> None:
        records[tag] = tags.append_value(buffer, order, tag, kind, value)

    put(256, tags.LONG, width)
    put(257, tags.LONG, height)
    put(258, tags.SHORT, *[8 * samples.dtype.itemsize] * channels)
    put(259, tags.SHORT, 8)
    put(262, tags.SHORT, _RGB if colours == 3 else _GRAY)
    put(277, tags.SHORT, channels)
    put(339, tags.SHORT, *[_FLOAT if samples.dtype.kind == "f" else _INTEGER] * channels)
    if alpha is not None:
        put(338, tags.SHORT, _STRAIGHT)
    if metadata.dpi:
        for tag, value in zip((282, 283), metadata.dpi, strict=True):
            put(tag, tags.RATIONAL, round(value * 1000), 1000)
        put(296, tags.SHORT, 2)
    if metadata.icc:
        put_raw(_ICC, tags.UNDEFINED, metadata.icc)
    if metadata.xmp:
        put_raw(_XMP, tags.BYTE, metadata.xmp)
    if metadata.iptc:
        put_raw(_IPTC, tags.UNDEFINED, metadata.iptc)
    if software:
        put_raw(_SOFTWARE, tags.ASCII, tags.ascii_value(software))
    rows = max(1, (1 << 20) // (width * channels * samples.dtype.itemsize))
    offsets, sizes, predictor = [], [], 1
    for start in range(0, height, rows):
        strip = samples[start : start + rows]
        stored, predictor = tiff_samples.packed(strip, order)
        offsets.append(len(buffer))
        sizes.append(len(stored))
        buffer += stored
        if len(buffer) + 8 * len(offsets) > _MAX_BYTES - (1 << 16):
            raise RefusedError(
                "would be larger than the 4 GiB that a TIFF file can hold: choose a .png name instead"
            )
    put(317, tags.SHORT, predictor)
    put(278, tags.LONG, rows)
    put(273, tags.LONG, *offsets)
    put(279, tags.LONG, *sizes)
    tags.append_directory(buffer, order, records, first=True)
    return bytes(buffer)


def _check_complete(page: tags.Directory) -> None:
    """The decoders write to stderr when a file ends too early."""
    for where, how_much in ((273, 279), (324, 325)):
        # Sizes may be missing in old uncompressed files.
        for offset, size in zip(page.integers(where), page.integers(how_much), strict=False):
            if offset + size > len(page.data):
                raise ValueError("a strip or tile lies outside of the file")


def _sample_type(page: tags.Directory) -> np.dtype[np.generic] | None:
    """uint8, uint16 or a float type for gray and RGB, or None for what is left to Pillow: at most 8 bits."""
    bits, kinds = set(page.integers(258, (1,))), set(page.integers(339, (_INTEGER,)))
    colour, compression = page.integers(262, (_GRAY,))[0], page.integers(259, (1,))[0]
    if colour not in _READABLE_COLOURS:
        raise RefusedError("uses a colour model that is not supported: save it as RGB or gray first")
    types: dict[tuple[int, int], np.dtype[np.generic]] = {
        (8, _INTEGER): np.dtype(np.uint8),
        (16, _INTEGER): np.dtype(np.uint16),
        (16, _FLOAT): np.dtype(np.float16),
        (32, _FLOAT): np.dtype(np.float32),
        (64, _FLOAT): np.dtype(np.float64),
    }
    dtype = types.get((max(bits), max(kinds))) if len(bits) == len(kinds) == 1 else None
    bytewise = compression in tiff_samples.BYTEWISE_COMPRESSIONS
    if dtype is not None and bytewise and colour in (_GRAY_WHITE_FIRST, _GRAY, _RGB, sensor_tags.CFA):
        return dtype
    if kinds == {_INTEGER} and bits <= {1, 2, 4, 8} and colour != sensor_tags.CFA:
        return None
    raise RefusedError(
        "stores its samples in a way that is not supported: save it with 8-bit, 16-bit or floating-point "
        "gray or RGB samples first"
    )


# What comes of numbers that are none is refused later, in a sentence.
@np.errstate(all="ignore")
def _own_pixels(
    page: tags.Directory, width: int, height: int, dtype: np.dtype[np.generic]
) -> tuple[Array, Array | None]:
    samples = tiff_samples.read_samples(page, width, height, dtype)
    if dtype.kind == "f":
        samples = samples.astype(np.float32, copy=False)
    colour = page.integers(262, (_GRAY,))[0]
    colours = 3 if colour == _RGB else 1
    channels = samples.shape[2]
    if channels < colours:
        raise ValueError("colour channels are missing")
    top = full_scale(samples.dtype)
    pixels = samples[..., :colours] if colours == 3 else samples[..., 0]
    if colour == _GRAY_WHITE_FIRST:
        pixels = top - pixels
    # Without a word on it, a single extra channel is what other programs take for alpha too.
    meaning = page.integers(338, (_STRAIGHT,))[0] if channels > colours else 0
    if meaning not in (_ASSOCIATED, _STRAIGHT):
        return np.ascontiguousarray(pixels), None
    alpha = np.ascontiguousarray(samples[..., colours])
    if meaning == _ASSOCIATED:
        pixels = undo_premultiplication(pixels, alpha)
    return np.ascontiguousarray(pixels), alpha


def _exif(page: tags.Directory) -> bytes | None:
    """The descriptive tags as a block of their own."""
    buffer = bytearray(tags.empty(page.order))
    records = tags.copy_directory(page, buffer, DESCRIPTIVE)
    if not records:
        return None
    tags.append_directory(buffer, page.order, records, first=True)
    return bytes(buffer)


def _dpi(page: tags.Directory) -> tuple[float, float] | None:
    unit = page.integers(296, (2,))[0]
    x, y = page.numbers(282), page.numbers(283)
    if unit not in (2, 3) or not x or not y or min(x[0], y[0]) <= 0:
        return None
    scale = _CENTIMETRE if unit == 3 else 1.0
    return x[0] * scale, y[0] * scale
