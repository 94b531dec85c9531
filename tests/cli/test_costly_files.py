"""Small files, and long ones of empty parts, that would keep a core or the memory busy: answered soon."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from tests.support import as_written as files
from tests.support.commands import magn, refused
from tests.support.pictures import tiff

SECONDS = 10
MANY = 1 << 20


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*more):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(72)))
    return b"\x89PNG\r\n\x1a\n" + b"".join([header, *more, data, chunk(b"IEND", b"")])


def jpeg(start):
    data = files.jpeg()
    return data[:2] + start + data[2:]


def progressive(side, scans):
    """A flat picture whose last scan, of a few bytes, is there many times."""
    file = io.BytesIO()
    Image.new("L", (side, side), 128).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * scans + data[-2:]


def run_length_bmp(side):
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, 0, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + header + bytes(1024) + b"\0\2\xff\xff" * 100


def circling_exif(size):
    """Two directories that name each other as the EXIF directory, a thumbnail, and much behind."""

    def record(tag, kind, count, value):
        return struct.pack("<HHII", tag, kind, count, value)

    below = 8 + 2 + 24 + 4
    first = struct.pack("<H", 2) + record(0x8769, 4, 1, below) + record(0x9999, 7, size, below + 18)
    second = struct.pack("<H", 1) + record(0x8769, 4, 1, 8) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + first + struct.pack("<I", below) + second + bytes(size)


def with_many_bits(count):
    """A TIFF file that states the bits of so many samples a pixel."""
    data = tiff(np.zeros((8, 8), np.uint8))
    stated = struct.pack(">HHII", 258, 4, 1, 16)
    assert data.count(stated) == 1
    return data.replace(stated, struct.pack(">HHII", 258, 3, count, len(data))) + b"\0\x10" * count


def with_overlapping_pages():
    """A TIFF file of 256 pages, each of which points to the same 64 overlapping directories of many records."""
    records = 0xFF * 257
    data = bytearray(b"II*\0" + bytes(4) + b"\xff" * (2 + 12 * records + 4 + 128))
    where = len(data)
    data += struct.pack("<64I", *(8 + 2 * number for number in range(64)))
    struct.pack_into("<I", data, 4, len(data))
    for number in range(256):
        following = len(data) + 2 + 24 + 4 if number < 255 else 0
        data += struct.pack("<H", 2) + struct.pack("<HHII", 254, 4, 1, 1) + struct.pack("<HHII", 330, 4, 64, where)
        data += struct.pack("<I", following)
    return bytes(data)


def announcing_xmp(prefixes, size=4 << 20):
    """Many names of one namespace, each with elements that are never closed."""
    names = [b"p%03d" % number for number in range(prefixes)]
    declared = b"".join(b' xmlns:%s="http://ns.adobe.com/hdr-gain-map/1.0/"' % name for name in names)
    elements = b"".join(b"<%s:x>" % name * 256 for name in names)
    return (b"<x" + declared + b">" + elements).ljust(size - 1, b"a")


def with_overlapping_values(count, size):
    """A TIFF file whose EXIF directory has that many values of so many bytes, all in the same place."""
    data = bytearray(tiff(np.zeros((8, 8), np.uint8), t34665=1))
    order = ">" if data[:2] == b"MM" else "<"
    at = data.index(struct.pack(order + "HH", 34665, 4)) if struct.pack(order + "HH", 34665, 4) in data else None
    if at is None:
        at = data.index(struct.pack(order + "HHI", 34665, 3, 1))
    struct.pack_into(order + "HHII", data, at, 34665, 4, 1, len(data))
    data += struct.pack(order + "H", count)
    data += b"".join(struct.pack(order + "HHII", 0x1000 + n, 7, size, 8) for n in range(count)) + bytes(4)
    return bytes(data) + bytes(size)


REFUSED = {
    "a.bmp": (lambda: run_length_bmp(20_000), "damaged"),
    "comments.jpg": (lambda: jpeg(b"\xff\xfe\0\2" * MANY), "segments"),
    "scans.jpg": (lambda: progressive(64, 200), "scans"),
    "large-scans.jpg": (lambda: progressive(13_000, 60), "scans"),
    "empty-scans.jpg": (lambda: files.jpeg()[:-2] + b"\xff\xda\0\2" * MANY, "segments"),
    "spaces.pgm": (lambda: b"P5" + b"\n" * (20 * MANY) + b"8 8 255\n" + bytes(64), "damaged"),
    "comments.pgm": (lambda: b"P5\n" + b"#\n" * (10 * MANY) + b"8 8 255\n" + bytes(64), "damaged"),
    "digits.pgm": (lambda: b"P2\n2 1 255\n" + b"9" * (20 * MANY) + b" 7\n", "damaged"),
    "negative.pgm": (lambda: b"P2\n2 1 255\n-5 7\n", "damaged"),
    "chunks.png": (lambda: png(chunk(b"teXt", b"") * (MANY + 1)), "chunks"),
    "bits.tif": (lambda: with_many_bits(5 * MANY), "damaged"),
    "pages.tif": (with_overlapping_pages, "damaged"),
    "tile.tif": (
        lambda: tiff(np.zeros((8, 8), np.uint8), t322=64, t323=1 << 30, t324=8, t325=64, t259=8),
        "damaged",
    ),
}
READ = {
    "fill.jpg": lambda: jpeg(b"\xff" * (20 * MANY)),
    "junk.jpg": lambda: jpeg(b"\xff\0" * (10 * MANY)),
    "xmp.png": lambda: png(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(100 << 20), 9)) * 60
    ),
    "large-xmp.png": lambda: png(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x:xmpmeta " + b"<a> " * (50 * MANY), 9))
    ),
    "announcing-xmp.png": lambda: png(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(announcing_xmp(128), 9))
    ),
    "values.tif": lambda: with_overlapping_values(2_000, 150_000),
    "text.pgm": lambda: b"P2\n1 1 255\n" + b"7 " * (20 * MANY),
    "circle.png": lambda: png(chunk(b"eXIf", circling_exif(100_000))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    make, word = REFUSED[name]
    (tmp_path / name).write_bytes(make())
    began = time.process_time()
    refused(magn("restore", tmp_path / name, "-o", tmp_path / "out.png"), 1, name, word)
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("name", READ)
def test_read(tmp_path, name):
    """All the same in a JPEG, which holds 64 KB of EXIF."""
    (tmp_path / name).write_bytes(READ[name]())
    began = time.process_time()
    words = ["-t", "jpeg", "-l", 40, "--threads", 1, "-o", tmp_path / "out.jpg"]
    result = magn("restore", tmp_path / name, *words)
    assert result.exit_code == 0, result.output
    assert time.process_time() - began < SECONDS
    assert images.read(tmp_path / "out.jpg").pixels.size
