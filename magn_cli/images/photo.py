"""A picture as it was read from a file: pixels, alpha, metadata, and how it was compressed."""

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from magn_cli.files import Access

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Metadata:
    """What travels with the pixels from one file to the next; every part may be missing.

    ``icc`` is a colour profile and ``xmp`` an XMP packet, both as stored. ``exif`` is an EXIF block that
    starts with its byte order mark (``II`` or ``MM``), without the ``Exif\\0\\0`` that JPEG puts before it.
    ``dpi`` is the resolution in pixels per inch, (horizontal, vertical). ``colour`` is what the file says of
    its colours beside a profile, see :mod:`magn_cli.images.metadata.colour_chunks`. ``iptc`` is an IPTC-IIM block.
    ``geo`` is a block like ``exif``, of the GeoTIFF tags.
    """

    icc: bytes | None = field(default=None, repr=False)
    exif: bytes | None = field(default=None, repr=False)
    xmp: bytes | None = field(default=None, repr=False)
    dpi: tuple[float, float] | None = None
    colour: tuple[tuple[bytes, bytes], ...] = ()
    iptc: bytes | None = field(default=None, repr=False)
    geo: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class JpegTables:
    """How a JPEG file was compressed, as stored in it (an EXIF orientation changes nothing here).

    ``luma`` and ``chroma`` are (8, 8) integer quantization tables in natural order (row = vertical
    frequency, column = horizontal); ``chroma`` is None for a gray picture. ``subsampling`` is "4:4:4",
    "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "4:0:0" for gray, or "2x3" style for anything unusual.
    """

    luma: Array
    chroma: Array | None
    subsampling: str


@dataclass(frozen=True, eq=False)
class Mosaic:
    """What a picture with one sample a pixel is, where its file says that a colour filter array made it.

    ``pattern`` names the colours of the first two rows as stored ("rggb"). ``matrix`` is None where the samples
    are those of a photograph already; else they are a sensor's, white-balanced and on the curve of sRGB, and
    once they are demosaiced and linear again, ``matrix`` (3, 3) takes camera RGB to sRGB and ``exposure``
    (1 and above) brightens. ``blacks`` (2, 2), those of the four places of the pattern, and ``white`` are the
    sensor's levels that were used; None where ``matrix`` is.
    """

    pattern: str
    matrix: Array | None = None
    exposure: float = 1.0
    blacks: Array | None = None
    white: float | None = None


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture, the right way up.

    ``pixels`` is (H, W) for gray or (H, W, 3) for RGB, as uint8 (0..255), uint16 (0..65535) or float32
    (0..1 nominal, not clipped), whatever the file holds. ``alpha`` is (H, W) of the same dtype and range,
    or None. ``quantization`` is None unless the file is a JPEG. ``format`` is the format of the file:
    "JPEG", "PNG", "WEBP", "TIFF", "BMP", "PNM", "AVIF", "HEIF" or "RAW". ``turned`` is the EXIF orientation
    (1..8) that the stored picture had and that it was turned by. ``coded`` is the bytes of a JPEG file,
    which tell more than its pixels, see :func:`magn_cli.images.read_coefficients`; None for others. ``mosaic`` is
    None unless the file says that it holds one. ``access``: who may read the file, and so whatever is made from
    it; None: no file is known. ``findings`` is where :mod:`magn_cli.analysis.findings` keeps what it has seen in
    this picture; a changed copy (``dataclasses.replace``) begins with none.
    """

    pixels: Array
    alpha: Array | None
    metadata: Metadata
    quantization: JpegTables | None
    format: str
    turned: int = 1
    mosaic: Mosaic | None = None
    coded: bytes | None = field(default=None, repr=False)
    access: Access | None = None
    findings: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
