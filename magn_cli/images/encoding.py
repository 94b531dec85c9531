"""Encode a picture as the bytes of a file, with the alpha and metadata of the photo it was made from."""

import io
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np
import numpy.typing as npt
from PIL import Image

from magn_cli.errors import ImageError, UsageError
from magn_cli.files.data import Data
from magn_cli.images.depth import change_depth, full_scale
from magn_cli.images.formats import jpeg, png, tiff
from magn_cli.images.limits import RefusedError
from magn_cli.images.metadata import colour_chunks, exif, xmp
from magn_cli.images.photo import Array, JpegTables, Metadata, Photo
from magn_cli.images.warnings import about, warn

OUTPUT_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"})
"""The suffixes (lower case) of the formats that can be written."""

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
_NAMES = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "TIFF": "TIFF"}
_DEPTHS: dict[str, tuple[npt.DTypeLike, ...]] = {
    "JPEG": (np.uint8,),
    "WebP": (np.uint8,),
    "PNG": (np.uint8, np.uint16),
    "TIFF": (np.uint8, np.uint16, np.float32),
}
# The JPEG library stops a little below the 65,535 that the format could say.
_LONGEST_SIDES = {"JPEG": 65_500, "WebP": 16_383}
_MAX_RIFF = 2**32 - 2**16
"""The most bytes of a block in a WebP file."""
_MAX_DPI = 1e6
"""Above it a resolution is a damaged one."""


@dataclass(frozen=True)
class WriteOptions:
    """What a user can choose for an output.

    ``jpeg_quality`` is 1..100 with chroma at full resolution, or None: as the input file where that was a JPEG
    (the same quantization tables and subsampling), else 95. ``strip_metadata`` leaves out EXIF, XMP, IPTC,
    resolution and the name of the software; the colour profile stays, as colours would change without it.
    ``copies``: a file of the same format in which nothing was changed is copied, not compressed once more.
    """

    jpeg_quality: int | None = 95
    strip_metadata: bool = False
    copies: bool = True

    def keeps_bytes(self, source: str, target: str) -> bool:
        """Whether a file whose pixels are unchanged may be copied; ``source`` and ``target`` are formats."""
        return source == target and not self.strip_metadata and (self.copies or target != "JPEG")


def is_supported_output(path: PurePath) -> bool:
    """Whether the suffix of a path, in any case, is that of a format that can be written."""
    return PurePath(path).suffix.lower() in OUTPUT_SUFFIXES


def output_format(path: PurePath) -> str:
    """The format, "JPEG", "PNG", "WEBP" or "TIFF", that a path's suffix stands for.

    Raises UsageError if that is none that can be written.
    """
    if not is_supported_output(path):
        raise UsageError(f"{path} cannot be written in that format: choose a name that ends in {_choices()}.")
    return _FORMATS[PurePath(path).suffix.lower()]


def encode(
    pixels: Array,
    format: str,
    like: Photo | None = None,
    *,
    options: WriteOptions | None = None,
    software: str | None = None,
    name: str = "",
) -> Data:
    """The bytes of a file of pixels, (H, W) gray or (H, W, 3) RGB.

    PNG and WebP are lossless, TIFF is and keeps float32; JPEG is written as the ``options`` say (None: the
    defaults). Samples deeper than the format can hold are rounded to the nearest step.

    ``format`` is "JPEG", "PNG", "WEBP" or "TIFF", as in ``Photo.format``. ``like`` is the picture that these
    pixels were made of: its alpha, which must have the same height and width, and its metadata go into the file
    as far as the format can hold them. ``software`` is the name of the program to be noted in the file. ``name``
    is what messages call the file.

    Raises ImageError if the picture is too large for the format; ValueError and TypeError for pixels that are no
    picture.

    >>> encode(np.zeros((3, 4), np.uint8), "PNG")[:8]
    b'\\x89PNG\\r\\n\\x1a\\n'
    """
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or pixels.size == 0:
        raise ValueError(f"pixels must be (H, W) or (H, W, 3), not {pixels.shape}")
    try:
        with about(name):
            return _encoded(_NAMES[format], pixels, like, options or WriteOptions(), software)
    except RefusedError as refusal:
        raise ImageError(f"{name or 'The picture'} {refusal}.") from None


def _encoded(kind: str, pixels: Array, like: Photo | None, options: WriteOptions, software: str | None) -> Data:
    _check_sides(kind, pixels.shape)
    allowed = [np.dtype(depth) for depth in _DEPTHS[kind]]
    dtype = pixels.dtype if pixels.dtype in allowed else allowed[-1]
    alpha = None if like is None or like.alpha is None else change_depth(like.alpha, dtype)
    if alpha is not None and alpha.shape != pixels.shape[:2]:
        raise ValueError(f"the alpha is {alpha.shape}, the pixels {pixels.shape[:2]}")
    if dtype != pixels.dtype:
        warn(f"{kind} holds at most {8 * dtype.itemsize} bits; the picture had more.")
    pixels = change_depth(pixels, dtype)
    metadata = like.metadata if like is not None else Metadata()
    if options.strip_metadata:
        metadata, software = Metadata(icc=metadata.icc, colour=metadata.colour), None
    metadata = _fitting(metadata, kind, gray=pixels.ndim == 2 and kind != "WebP")
    if kind in ("JPEG", "WebP"):
        limit = jpeg.MAX_EXIF if kind == "JPEG" else _MAX_RIFF
        metadata = replace(metadata, exif=exif.within(metadata.exif, software, limit))
    if metadata.xmp and not (metadata.exif and exif.stated_orientation(metadata.exif)):
        # The pixels are upright, and nothing but the packet may say otherwise.
        metadata = replace(metadata, xmp=xmp.with_orientation_1(metadata.xmp))
    if kind == "PNG":
        return png.encode(pixels, alpha, metadata, software)
    if kind == "TIFF":
        return tiff.encode(pixels, alpha, metadata, software)
    if kind == "WebP":
        return _webp(pixels, alpha, metadata)
    if alpha is not None and (alpha < full_scale(alpha.dtype)).any():
        warn("JPEG has no transparency; the picture was laid on white and the alpha channel left out.")
        pixels = _on_white(pixels, alpha)
    return jpeg.encode(pixels, metadata, _jpeg_quality(like, options))


def check_sides(format: str, shape: tuple[int, ...]) -> None:
    """Raise RefusedError if a picture of that shape, (H, W) or (H, W, 3), is too large for a format."""
    _check_sides(_NAMES[format], shape)


def _check_sides(kind: str, shape: tuple[int, ...]) -> None:
    longest = _LONGEST_SIDES.get(kind)
    if longest and max(shape[:2]) > longest:
        raise RefusedError(
            f"cannot be written: {kind} holds at most {longest:,} pixels a side and the picture has "
            f"{shape[1]:,} x {shape[0]:,}, so choose a .png name instead"
        )


def _on_white(pixels: Array, alpha: Array) -> Array:
    """8-bit pixels, (H, W) or (H, W, 3), as they look on white paper; ``alpha`` is (H, W)."""
    opacity = (alpha if pixels.ndim == 2 else alpha[..., None]).astype(np.uint16)
    return ((pixels * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _jpeg_quality(like: Photo | None, options: WriteOptions) -> int | JpegTables:
    if options.jpeg_quality is not None:
        return options.jpeg_quality
    if like is None or like.quantization is None:
        return 95
    tables = like.quantization
    if like.turned < 5:
        return tables
    # The picture lies on its side now, and so must what its frequencies were divided by.
    turned = {"4:2:2": "4:4:0", "4:4:0": "4:2:2"}.get(tables.subsampling, tables.subsampling)
    return JpegTables(tables.luma.T, None if tables.chroma is None else tables.chroma.T, turned)


def _fitting(metadata: Metadata, kind: str, *, gray: bool) -> Metadata:
    """The metadata without a profile for other colours, a damaged EXIF block, and what the format cannot hold."""
    icc, block = metadata.icc, metadata.exif
    # Bytes 16 to 19 of a profile name the colours that it is for.
    if icc and icc[16:20] != (b"GRAY" if gray else b"RGB "):
        warn(f"The colour profile is not one for {'gray' if gray else 'RGB'} and was left out.")
        icc = None
    try:
        block = block and exif.with_orientation_1(block)
        if block and kind == "TIFF":
            block = exif.without_loose_values(block)
    except ValueError:
        warn("The EXIF block is damaged and was left out.")
        block = None
    if metadata.iptc and kind not in ("JPEG", "TIFF"):
        warn(f"{kind} cannot hold the IPTC block, which was left out; a .jpg or .tif name keeps it.")
    if metadata.geo and kind != "TIFF":
        warn(f"{kind} cannot hold the place on the map (GeoTIFF), which was left out; a .tif name keeps it.")
    dpi = metadata.dpi if metadata.dpi and all(0 < value < _MAX_DPI for value in metadata.dpi) else None
    chunks = colour_chunks.fitting(metadata.colour, kind, has_profile=icc is not None)
    return replace(metadata, icc=icc, exif=block, dpi=dpi, colour=chunks)


def _webp(pixels: Array, alpha: Array | None, metadata: Metadata) -> bytes:
    colours = pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)
    samples = colours if alpha is None else np.dstack([colours, alpha])
    file = io.BytesIO()
    Image.fromarray(samples).save(
        file,
        "WEBP",
        lossless=True,
        exact=True,
        icc_profile=metadata.icc or b"",
        exif=metadata.exif or b"",
        xmp=metadata.xmp or b"",
    )
    return file.getvalue()


def _choices() -> str:
    *others, last = sorted(OUTPUT_SUFFIXES)
    return f"{', '.join(others)} or {last}"
