"""Files that cannot be read: each is one ImageError with one sentence that names the file."""

import os
import random
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.images import decoding, limits
from tests.support.pictures import png, refusal, save, save_cv2, texture, tiff


def test_missing_file(tmp_path):
    assert "does not exist" in refusal(tmp_path / "missing.png")


def test_folder(tmp_path):
    assert "is a folder" in refusal(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "a.png").touch()
    assert "is empty" in refusal(tmp_path / "a.png")


def test_text_named_jpg(tmp_path):
    (tmp_path / "a.jpg").write_text("This is no picture, and longer than any header.\n" * 20)
    assert "contains no JPEG, PNG" in refusal(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    "text", [b"BM, a bookmark", b"P5 is a processor", b"RIFF1234WEBP", b"II*\0", b"\xff\xd8\xff"]
)
def test_other_files_that_start_like_pictures(tmp_path, text):
    (tmp_path / "a").write_bytes(text)
    assert "truncated or damaged" in refusal(tmp_path / "a")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind")
def test_unreadable_file(tmp_path):
    path = save(tmp_path / "a.png", texture(np.uint8), "PNG")
    path.chmod(0)
    assert "permissions" in refusal(path)


def test_permission_denied(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", texture(np.uint8), "PNG")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    assert "permissions" in refusal(path)


@pytest.mark.skipif(os.name == "nt", reason="pipes are not files there")
def test_pipe(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert "not an ordinary file" in refusal(tmp_path / "a.png")


def test_impossible_names(tmp_path):
    refusal(tmp_path / ("x" * 300))
    with pytest.raises(ImageError, match="file name"):
        images.read(tmp_path / "a\0b")


def sources(tmp_path):
    pixels, deep = texture(np.uint8), texture(np.uint16)
    yield save(tmp_path / "a.jpg", pixels, "JPEG")
    yield save(tmp_path / "progressive.jpg", pixels, "JPEG", progressive=True)
    yield save(tmp_path / "a.png", pixels, "PNG")
    yield save_cv2(tmp_path / "deep.png", deep, ".png")
    yield save(tmp_path / "a.webp", pixels, "WEBP")
    yield save(tmp_path / "lossless.webp", pixels, "WEBP", lossless=True)
    for compression in ("raw", "tiff_lzw", "tiff_deflate", "jpeg"):
        yield save(tmp_path / f"{compression}.tif", pixels, "TIFF", compression=compression)
    for compression in (1, 5, 8):
        path = tmp_path / f"deep{compression}.tif"
        yield save_cv2(path, deep, ".tif", cv2.IMWRITE_TIFF_COMPRESSION, compression)
    # Its rows need no padding, the loss of which would not matter.
    yield save(tmp_path / "a.bmp", texture(np.uint8, 3, (21, 32)), "BMP")
    yield save(tmp_path / "a.ppm", pixels, "PPM")


def test_files_cut_off_anywhere_are_refused_in_silence(tmp_path, capfd):
    for path in sources(tmp_path):
        data = path.read_bytes()
        cuts = {*range(20, len(data), len(data) // 25), *range(len(data) - 4, len(data))}
        for cut in cuts:
            path.write_bytes(data[:cut])
            if path.suffix == ".jpg" and len(data) - cut <= 2:
                # Only its end marker is gone.
                assert np.array_equal(images.read(path).pixels, decoding.decode(data).pixels)
                continue
            assert "truncated or damaged" in refusal(path), (path.name, len(data) - cut)
    assert capfd.readouterr() == ("", "")


def test_random_damage_never_escapes_as_anything_else(tmp_path, capfd):
    dice = random.Random(0)
    for path in sources(tmp_path):
        data = path.read_bytes()
        for _ in range(40):
            damaged = bytearray(data)
            for _ in range(4):
                damaged[dice.randrange(len(data))] = dice.randrange(256)
            path.write_bytes(damaged)
            try:
                images.read(path)
            except ImageError as error:
                assert str(path) in str(error)
    assert capfd.readouterr().err == ""


def test_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path):
    data = bytearray(png(np.zeros((1, 1, 3), np.uint16), 2))
    data[16:24] = struct.pack(">II", 30000, 30000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    (tmp_path / "a.png").write_bytes(data)
    assert "30000 x 30000" in refusal(tmp_path / "a.png")
    assert images.MAX_PIXELS == 500_000_000


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM"])
def test_the_limit_holds_for_every_format(tmp_path, monkeypatch, format):
    monkeypatch.setattr(limits, "MAX_PIXELS", 100)
    assert "34 x 21 pixels" in refusal(save(tmp_path / "a", texture(np.uint8), format))


def test_pictures_without_pixels(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 0 3 255\n")
    assert "has no pixels" in refusal(tmp_path / "a.ppm")
    (tmp_path / "a.tif").write_bytes(tiff(np.zeros((1, 1), ">u2"), t256=0))
    assert "has no pixels" in refusal(tmp_path / "a.tif")
    data = bytearray(png(np.zeros((1, 1, 3), np.uint16), 2))
    data[16:20] = bytes(4)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    (tmp_path / "a.png").write_bytes(data)
    assert "has no pixels" in refusal(tmp_path / "a.png")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_that_are_no_numbers(tmp_path, value):
    pixels = texture(np.float32)
    pixels[3, 4, 1] = value
    path = save_cv2(tmp_path / "a.tif", pixels, ".tif", cv2.IMWRITE_TIFF_COMPRESSION, 1)
    assert "NaN or infinite" in refusal(path)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"t262": 8}, "colour model"),
        ({"t339": 2}, "stores its samples"),
        ({"t258": 24}, "stores its samples"),
        ({"t259": 99}, "compression 99"),
        ({"t50706": 1}, "camera raw"),
        ({"t258": 32}, "stores its samples"),
    ],
)
def test_kinds_of_tiff_that_are_not_read(tmp_path, tags, words):
    (tmp_path / "a.tif").write_bytes(tiff(np.zeros((4, 4), ">u2"), **tags))
    assert words in refusal(tmp_path / "a.tif")


def test_a_bigtiff_without_tags(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + bytes(64))
    assert "truncated or damaged" in refusal(tmp_path / "a.tif")


def test_out_of_memory(tmp_path, monkeypatch):
    path = save(tmp_path / "a.jpg", texture(np.uint8), "JPEG")

    def exhausted(_):
        raise MemoryError

    monkeypatch.setitem(decoding._READERS, "JPEG", exhausted)
    assert "memory" in refusal(path)


def test_an_interruption_is_not_swallowed(tmp_path, monkeypatch):
    path = save(tmp_path / "a.bmp", texture(np.uint8), "BMP")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    limit = Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(Image, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        images.read(path)
    assert limit == Image.MAX_IMAGE_PIXELS
