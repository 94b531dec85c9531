"""Small pictures, and files of them made by other encoders or by hand."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.images import from_float
from magn_cli.images.metadata import tags

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:t="\xc3\xbc"/></x:xmpmeta>'
MAKER_NOTE = bytes(range(256)) * 3


def texture(dtype, channels=3, size=(21, 34)):
    """A picture with gradients and noise, different in each channel and at each end."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    planes = [0.5 + 0.3 * np.sin(x / (3 + c)) * np.cos(y / 5) + 0.1 * y / height for c in range(channels)]
    noise = np.random.default_rng(channels).normal(0, 0.03, (height, width, channels))
    values = np.clip(np.stack(planes, axis=-1) + noise, 0, 1)
    pixels = values.astype(np.float32) if dtype == np.float32 else from_float(values, dtype)
    return pixels[..., 0] if channels == 1 else pixels


def photo(pixels, alpha=None, **metadata):
    return images.Photo(pixels, alpha, images.Metadata(**metadata), None, "PNG")


def save(path, array, format, **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(path, format, **options)
    return path


def save_cv2(path, rgb, suffix, *options):
    order = [2, 1, 0, 3][: rgb.shape[2]] if rgb.ndim == 3 else slice(None)
    path.write_bytes(cv2.imencode(suffix, np.ascontiguousarray(rgb[..., order]), list(options))[1].tobytes())
    return path


def png(samples, colour_type, depth=16, extra=b"", size=None, interlaced=0):
    """A PNG with filter 0, built by hand; ``samples`` are the packed rows if of less than 8 bits.

    ``size``: height and width that the file declares, if they are not those of the samples.
    """

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = size or samples.shape[:2]
    stored = samples.astype(">u2") if depth == 16 else samples
    rows = b"".join(b"\0" + row.tobytes() for row in stored)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlaced)
    extra_chunk = chunk(extra[:4], extra[4:]) if extra else b""
    parts = [chunk(b"IHDR", header), extra_chunk, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(samples, **tags):
    """An uncompressed big-endian TIFF, built by hand from raw strips; ``tags`` as t262=1."""
    pages = {
        256: samples.shape[1],
        257: samples.shape[0],
        258: 16,
        259: 1,
        262: 1,
        277: 1,
        278: samples.shape[0],
    }
    pages |= {int(name[1:]): value for name, value in tags.items()}
    body = samples.tobytes()
    pages |= {273: 8, 279: len(body)}
    body += b"\0" * (len(body) % 2)
    records = [struct.pack(">HHII", tag, 4, 1, pages[tag]) for tag in sorted(pages)]
    directory = struct.pack(">H", len(records)) + b"".join(records) + b"\0\0\0\0"
    return struct.pack(">2sHI", b"MM", 42, 8 + len(body)) + body + directory


def cmyk():
    return Image.fromarray(texture(np.uint8)).convert("CMYK")


def exif_bytes(orientation=None, thumbnail=b""):
    """An EXIF block as cameras write it, without the header that JPEG puts before it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Software] = "Firmware 1.0"
    if orientation:
        exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.ExposureTime: 0.004,
        ExifTags.Base.MakerNote: MAKER_NOTE,
        ExifTags.Base.ExifImageWidth: 34,
        ExifTags.Base.ExifImageHeight: 21,
    }
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitude: (52.0, 31.0, 12.0)}
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    if not thumbnail:
        return block
    # The directory of the thumbnail goes behind everything, and the first one points to it.
    first = tags.read_directory(block)
    buffer = bytearray(block)
    buffer += b"\0" * (len(buffer) % 2)
    struct.pack_into(first.order + "I", buffer, first.end, len(buffer))
    return bytes(buffer) + struct.pack(first.order + "HI", 0, 0) + thumbnail


def parsed(block):
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + block)
    return exif


def refusal(path):
    with pytest.raises(ImageError) as caught:
        images.read(path)
    message = str(caught.value)
    starts = (str(path), f"you have no permission to read {path}: ")
    assert message.startswith(starts) and message.endswith(".") and "\n" not in message
    assert ". " not in message.removeprefix(str(path))
    return message
