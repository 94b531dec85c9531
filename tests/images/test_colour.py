"""What files say of their colours beside an ICC profile, and where it goes."""

import struct

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.images.metadata import colour_chunks
from tests.support.pictures import photo, png, texture

LINEAR = struct.pack(">I", 100_000)
SRGB_GAMMA = struct.pack(">I", 45_455)
WIDE = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
P3 = bytes([12, 13, 0, 1])
PQ = bytes([9, 16, 0, 1])


def png_chunks(path):
    data, at, found = path.read_bytes(), 8, {}
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found[data[at + 4 : at + 8]] = data[at + 8 : at + 8 + length]
        at += 12 + length
    return found


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (b"gAMA", LINEAR),
        (b"cHRM", WIDE),
        (b"sRGB", b"\1"),
        (b"cICP", P3),
        (b"mDCV", bytes(24)),
        (b"cLLI", bytes(8)),
    ],
)
def test_png_keeps_them_as_stored(tmp_path, dtype, kind, content):
    pixels = texture(dtype)
    (tmp_path / "a.png").write_bytes(png(pixels, 2, 8 * pixels.itemsize, kind + content))
    read = images.read(tmp_path / "a.png")
    assert (read.pixels == pixels).all()
    images.write(tmp_path / "b.png", read.pixels, read, options=images.WriteOptions(strip_metadata=True))
    assert png_chunks(tmp_path / "b.png")[kind] == content
    chunks = list(png_chunks(tmp_path / "b.png"))
    assert chunks.index(kind) < chunks.index(b"IDAT")


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp"])
@pytest.mark.parametrize(
    ("chunks", "warned"),
    [
        ([(b"gAMA", LINEAR)], True),
        ([(b"gAMA", SRGB_GAMMA), (b"cHRM", WIDE)], True),
        ([(b"cICP", P3)], True),
        ([(b"gAMA", SRGB_GAMMA)], False),
        ([(b"sRGB", b"\0"), (b"gAMA", SRGB_GAMMA)], False),
        ([(b"cICP", bytes([1, 13, 0, 1]))], False),
        ([], False),
    ],
)
def test_other_formats_say_what_they_lose(tmp_path, caplog, suffix, chunks, warned):
    pixels = texture(np.uint8)
    images.write(tmp_path / f"a{suffix}", pixels, photo(pixels, colour=tuple(chunks)))
    assert ("will look different" in caplog.text) == warned


def test_nothing_is_lost_where_there_is_a_profile(tmp_path, caplog):
    pixels = texture(np.uint8)
    icc = bytes(16) + b"RGB " + bytes(200)
    images.write(tmp_path / "a.webp", pixels, photo(pixels, icc=icc, colour=((b"gAMA", LINEAR),)))
    assert caplog.text == ""


def test_damaged_chunks_are_left_out(tmp_path):
    (tmp_path / "a.png").write_bytes(png(texture(np.uint8), 2, 8, b"cHRM" + bytes(3)))
    assert images.read(tmp_path / "a.png").metadata.colour == ()


def test_hdr_is_said(tmp_path, caplog):
    (tmp_path / "a.png").write_bytes(png(texture(np.uint16), 2, 16, b"cICP" + PQ))
    images.read(tmp_path / "a.png")
    assert "HDR" in caplog.text and "a.png" in caplog.text


def test_code_points():
    assert colour_chunks.from_code_points(1, 13) == colour_chunks.from_code_points(2, 2) == ()
    assert colour_chunks.from_code_points(12, 13) == ((b"cICP", P3),)
    assert colour_chunks.from_code_points(300, 13) == ()


def test_other_programs_find_them(tmp_path):
    pixels = texture(np.uint8)
    images.write(tmp_path / "a.png", pixels, photo(pixels, colour=((b"gAMA", LINEAR), (b"sRGB", b"\1"))))
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.info["gamma"] == 1.0 and image.info["srgb"] == 1
