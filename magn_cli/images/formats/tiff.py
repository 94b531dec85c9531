"""Read one page of TIFF files, and write one page with metadata."""

import struct

import numpy as np

from magn_cli.files.data import Data, ScratchFile
from magn_cli.files.scratch import let_go
from magn_cli.images.formats import pillow, tiff_colours, tiff_damage, tiff_pages, tiff_samples
from magn_cli.images.limits import RefusedError, check_size
from magn_cli.images.metadata import iptc, tags
from magn_cli.images.photo import Array, Metadata, Photo
from magn_cli.images.raw import sensor_tags, tiff_cfa
from magn_cli.images.warnings import warn

_GRAY, _RGB = 1, 2
_INTEGER, _FLOAT = 1, 3
_STRAIGHT = 2
_STRIPS, _STRIP_SIZES = 273, 279
_XMP, _ICC, _IPTC, _RESOURCES = 700, 34675, 33723, 34377
_NAMES = {_XMP: "XMP packet", _ICC: "colour profile", _IPTC: "IPTC block", _RESOURCES: "Photoshop block"}
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


def read(data: Data) -> tuple[Photo, bool]:
    """Return the first full-resolution page of a TIFF or BigTIFF file, not yet turned, and whether there are more.

    Raises ValueError if the file is damaged, RefusedError if it is of a kind that is not read.
    """
    page, count = tiff_pages.main_page(data)
    sizes = page.integers(256) + page.integers(257)
    if page.is_cut or len(sizes) != 2:
        raise ValueError("no width and height")
    width, height = sizes
    check_size(width, height)
    layout = tiff_colours.layout(page)
    if layout is None:
        _check_complete(page)
        pixels, alpha, profile_fits = _by_pillow(page)
    else:
        samples = tiff_samples.read_samples(page, width, height, layout.bits, layout.dtype)
        pixels, alpha = tiff_colours.interpreted(page, samples, layout)
        profile_fits = layout.colour not in tiff_colours.CONVERTED
    mosaic = None
    if page.integers(262, (_GRAY,))[0] == sensor_tags.CFA:
        pixels, mosaic = tiff_cfa.prepared(page, pixels)
    tiff_pages.warn_left_out(page)
    metadata = Metadata(
        icc=_value(page, _ICC) if profile_fits else None,
        exif=_block(page, DESCRIPTIVE),
        xmp=_value(page, _XMP),
        iptc=_value(page, _IPTC) or iptc.among(_value(page, _RESOURCES) or b""),
        dpi=_dpi(page),
        geo=_block(page, tiff_pages.GEO),
    )
    return Photo(pixels, alpha, metadata, None, "TIFF", mosaic=mosaic), count > 1


def encode(pixels: Array, alpha: Array | None, metadata: Metadata, software: str | None) -> Data:
    """Return a TIFF file, deflated without loss, of uint8, uint16 or float32 pixels, ``(H, W)`` or ``(H, W, 3)``.

    ``alpha``: ``(H, W)`` of the same dtype. ``software``: the program's name, for its tag. Raises RefusedError
    above the 4 GiB that the format can hold.
    """
    height, width = pixels.shape[:2]
    colours = pixels.size // (height * width)
    channels = colours + (alpha is not None)
    # The EXIF block opens the file, so that every offset within it (maker notes too) stays valid.
    geo = tags.read_directory(metadata.geo) if metadata.geo else None
    buffer = bytearray(metadata.exif or tags.empty(geo.order if geo else "<"))
    page = tags.read_directory(buffer) if metadata.exif else None
    order: tags.ByteOrder = page.order if page else geo.order if geo else "<"
    records = {tag: page.record(tag) for tag in DESCRIPTIVE & set(page.positions)} if page else {}
    if geo and geo.order == order:
        records |= tags.copy_directory(geo, buffer, tiff_pages.GEO)

    def put(tag: int, kind: int, *numbers: int) -> None:
        code = {tags.SHORT: "H", tags.LONG: "I", tags.RATIONAL: "I"}[kind]
        put_raw(tag, kind, struct.pack(f"{order}{len(numbers)}{code}", *numbers))

    def put_raw(tag: int, kind: int, value: bytes) -> None:
        records[tag] = tags.append_value(buffer, order, tag, kind, value)

    put(256, tags.LONG, width)
    put(257, tags.LONG, height)
    put(258, tags.SHORT, *[8 * pixels.dtype.itemsize] * channels)
    put(259, tags.SHORT, 8)
    put(262, tags.SHORT, _RGB if colours == 3 else _GRAY)
    put(277, tags.SHORT, channels)
    put(339, tags.SHORT, *[_FLOAT if pixels.dtype.kind == "f" else _INTEGER] * channels)
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
    rows = max(1, (1 << 20) // (width * channels * pixels.dtype.itemsize))
    starts = range(0, height, rows)
    put(317, tags.SHORT, tiff_samples.predictor_of(pixels.dtype))
    put(278, tags.LONG, rows)
    put(_STRIPS, tags.LONG, *[0] * len(starts))
    put(_STRIP_SIZES, tags.LONG, *[0] * len(starts))
    tags.append_directory(buffer, order, records, first=True)
    written = tags.read_directory(buffer)
    file = ScratchFile(pixels.nbytes)
    file.write(bytes(buffer))
    offsets, sizes = [], []
    for start in starts:
        strip = pixels[start : start + rows].reshape(-1, width, colours)
        if alpha is not None:
            strip = np.dstack([strip, alpha[start : start + rows]])
        offsets.append(file.size)
        sizes.append(file.write(tiff_samples.packed(strip, order)))
        let_go(pixels)
        if file.size > _MAX_BYTES:
            raise RefusedError(
                "would be larger than the 4 GiB that a TIFF file can hold: choose a .png name instead"
            )
    for tag, numbers in ((_STRIPS, offsets), (_STRIP_SIZES, sizes)):
        file.replace(written.value_start(tag), struct.pack(f"{order}{len(numbers)}I", *numbers))
    return file.content()


def _check_complete(page: tags.Directory) -> None:
    """The decoders fill what lies behind the end of the file with gray, and write to stderr."""
    for where, how_much in ((_STRIPS, _STRIP_SIZES), (324, 325)):
        for offset, size in zip(page.integers(where), page.integers(how_much), strict=False):
            if offset + size > len(page.data):
                raise ValueError("a strip or tile lies outside of the file")


def _by_pillow(page: tags.Directory) -> tuple[Array, Array | None, bool]:
    """Pixels, alpha, and whether the colour profile is still one for them."""
    complaints: list[str] = []
    tiff_colours.check_planes(page)
    try:
        with pillow.opened(tiff_pages.bare(page), "TIFF", complaints=complaints) as image:
            image.load()
            pixels, alpha = pillow.samples(image)
            profile_fits = image.mode != "CMYK"
    except RefusedError:
        raise
    except Exception as error:
        refusal = tiff_colours.refusal(page, error)
        raise (error if refusal is None else refusal) from None
    tiff_damage.check(page, pixels, "".join(complaints))
    tiff_colours.warn_extra_channels(page, has_alpha=alpha is not None)
    return pixels, alpha, profile_fits


def _value(page: tags.Directory, tag: int) -> bytes | None:
    """The value of a tag that says nothing about pixels; None, with a warning, where it is damaged."""
    try:
        return page.value(tag) or None
    except ValueError:
        warn(f"The {_NAMES[tag]} is damaged and was left out.")
        return None


def _block(page: tags.Directory, wanted: frozenset[int]) -> bytes | None:
    """These tags as a block of their own."""
    buffer = bytearray(tags.empty(page.order))
    records = tags.copy_directory(page, buffer, wanted)
    if not records:
        return None
    tags.append_directory(buffer, page.order, records, first=True)
    return bytes(buffer)


def _dpi(page: tags.Directory) -> tuple[float, float] | None:
    try:
        unit = page.integers(296, (2,))[0]
        x, y = page.numbers(282), page.numbers(283)
    except ValueError:
        return None
    if unit not in (2, 3) or not x or not y or min(x[0], y[0]) <= 0:
        return None
    scale = _CENTIMETRE if unit == 3 else 1.0
    return x[0] * scale, y[0] * scale
