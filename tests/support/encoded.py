"""Files of every format and depth with everything that may travel along, made by encoders that are not ours."""

import io
import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms

from magn_cli.images.metadata import tags
from tests.support.pictures import XMP, exif_bytes, png, texture

DPI = (300.0, 150.0)
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def profile(kind: str | None) -> bytes | None:
    """An ICC profile: ``srgb``, ``p3`` (the primaries of Display P3) or ``gray``; None for None."""
    if kind is None:
        return None
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The time at which it was made.
    data[24:36] = bytes(12)
    if kind == "gray":
        data[16:20] = b"GRAY"
    if kind == "p3":
        primaries = {
            b"rXYZ": (0.51512, 0.2412, -0.00105),
            b"gXYZ": (0.29198, 0.69225, 0.04189),
            b"bXYZ": (0.1571, 0.06657, 0.78407),
        }
        for name, values in primaries.items():
            at = data.index(name, 128)
            (offset,) = struct.unpack_from(">I", data, at + 4)
            struct.pack_into(">3i", data, offset + 8, *(round(value * 65536) for value in values))
    return bytes(data)


@dataclass(frozen=True)
class Case:
    """What a file of the matrix is."""

    format: str
    dtype: type = np.uint8
    channels: int = 3
    orientation: int = 1
    icc: str | None = None

    @property
    def name(self) -> str:
        parts = (MODES[self.channels], 8 * np.dtype(self.dtype).itemsize, self.orientation, self.icc or "plain")
        return f"{'-'.join(map(str, parts))}.{self.format}"

    def xmp(self) -> bytes:
        """An XMP packet that says the same orientation as the rest of the file."""
        return XMP.replace(b'Orientation="6"', b'Orientation="%d"' % self.orientation)

    def samples(self) -> np.ndarray:
        """``(H, W)`` or ``(H, W, C)``, with transparent pixels where there is alpha."""
        samples = texture(self.dtype, self.channels, (19, 26))
        if self.channels in (2, 4):
            samples[:5, :9, -1] = 0
        return samples

    def encoded(self) -> bytes:
        """The bytes of the file."""
        return _ENCODERS[self.format](self)


def _by_pillow(case: Case, format: str, **options) -> bytes:
    file = io.BytesIO()
    if case.icc:
        options["icc_profile"] = profile(case.icc)
    exif = b"Exif\0\0" + exif_bytes(case.orientation)
    Image.fromarray(case.samples()).save(file, format, exif=exif, xmp=case.xmp(), **options)
    return file.getvalue()


def _png(case: Case) -> bytes:
    samples = case.samples()
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[case.channels]
    data = png(samples, colour_type, 8 * samples.itemsize)
    x, y = (round(value / 0.0254) for value in DPI)
    chunks = [
        (b"pHYs", struct.pack(">IIB", x, y, 1)),
        (b"eXIf", exif_bytes(case.orientation)),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + case.xmp()),
    ]
    if case.icc:
        chunks.insert(0, (b"iCCP", b"name\0\0" + zlib.compress(profile(case.icc))))
    parts = [
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    ]
    return data[:33] + b"".join(parts) + data[33:]


def _tiff(case: Case) -> bytes:
    extra = [(tags.ORIENTATION, "H", 1, case.orientation, True), (700, "B", len(XMP), case.xmp(), True)]
    extra.append((271, "s", 6, "Maker", True))
    if case.icc:
        extra.append((34675, "B", len(profile(case.icc)), profile(case.icc), True))
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        case.samples(),
        photometric="rgb" if case.channels >= 3 else "minisblack",
        planarconfig="contig" if case.channels > 1 else None,
        extrasamples=["unassalpha"] if case.channels in (2, 4) else None,
        resolution=DPI,
        resolutionunit="INCH",
        compression="zlib",
        software="Firmware 1.0",
        metadata=None,
        extratags=extra,
    )
    return file.getvalue()


def _heif(case: Case) -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    return _by_pillow(case, "HEIF", quality=-1, chroma=444, matrix_coefficients=0)


def _deep_avif(case: Case) -> bytes:
    samples = case.samples() >> 6
    order = [2, 1, 0, 3][: case.channels] if case.channels > 1 else slice(None)
    options = [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100, cv2.IMWRITE_AVIF_SPEED, 9]
    return cv2.imencode(".avif", np.ascontiguousarray(samples[..., order]), options)[1].tobytes()


def _bare(case: Case) -> bytes:
    """Of the formats that hold nothing beside the pixels."""
    samples = case.samples()
    stored = samples[..., ::-1] if case.channels == 3 else samples
    return cv2.imencode(f".{case.format}", np.ascontiguousarray(stored))[1].tobytes()


_ENCODERS = {
    "jpg": lambda case: _by_pillow(case, "JPEG", dpi=DPI, quality=60),
    "png": _png,
    "tif": _tiff,
    "webp": lambda case: _by_pillow(case, "WEBP", lossless=True, exact=True),
    "avif": lambda case: _by_pillow(case, "AVIF", speed=9, subsampling="4:4:4" if case.channels > 2 else "4:0:0"),
    "10.avif": _deep_avif,
    "heic": _heif,
    "bmp": _bare,
    "ppm": _bare,
    "pgm": _bare,
}
