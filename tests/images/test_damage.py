"""Damage inside files that decoders patch over: never restored without a word."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.errors import ImageError
from tests.support import as_written as files
from tests.support.commands import magn, refused

JPEG = files.jpeg(quality=85)
START, END = files.scan_bytes(JPEG)
MIDDLE = (START + END) // 2

DAMAGES = {
    "missing": JPEG[: MIDDLE - 60] + JPEG[MIDDLE + 60 :],
    "zeroed": JPEG[: MIDDLE - 100] + bytes(200) + JPEG[MIDDLE + 100 :],
    "zeroed to the end": JPEG[:MIDDLE] + bytes(len(JPEG) - MIDDLE),
    "lower half missing": JPEG[:MIDDLE] + JPEG[END:],
    "repeated": JPEG[:MIDDLE] + JPEG[START:],
    "filled": JPEG[: MIDDLE - 100] + b"\x55" * 200 + JPEG[MIDDLE + 100 :],
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_jpeg_is_refused(tmp_path, name):
    (tmp_path / "a.jpg").write_bytes(DAMAGES[name])
    refused(magn("restore", tmp_path / "a.jpg"), 1, "a.jpg", "damaged", "intact copy")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_blocks": 1}, {"optimize": True}])
def test_other_kinds_of_jpeg(options):
    data = files.jpeg(**options)
    assert images.decode(data).pixels.shape == (48, 64, 3)
    middle = (data.index(b"\xff\xda") + len(data)) // 2
    with pytest.raises(ImageError, match="damaged"):
        images.decode(data[: middle - 60] + data[middle + 60 :])


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_gray_and_cmyk(tmp_path, mode):
    Image.fromarray(files.picture()).convert(mode).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    assert images.decode(data).pixels.shape[:2] == (48, 64)
    start, end = files.scan_bytes(data)
    middle = (start + end) // 2
    with pytest.raises(ImageError, match="damaged"):
        images.decode(data[: middle - 60] + data[middle + 60 :])


def test_a_scan_that_is_missing():
    data = files.jpeg(progressive=True)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 3
    with pytest.raises(ImageError, match="damaged"):
        images.decode(data[: scans[-1]])


@pytest.mark.parametrize("padding", [b"\0", b"\xff", bytes(40), b"\xff" * 40, b"\x7f", b"\xff\0"])
def test_padding_behind_the_picture_data_is_no_damage(padding):
    for options in ({}, {"optimize": True}, {"quality": 95}, {"progressive": True}):
        data = files.jpeg(**options)
        padded = data[:-2] + padding + data[-2:]
        assert (images.decode(padded).pixels == images.decode(data).pixels).all()


@pytest.mark.parametrize(("count", "filling"), [(16, bytes(16)), (64, bytes(64)), (256, b""), (1000, b"")])
def test_losses_anywhere_are_noticed(count, filling):
    """A decoder may find the rhythm again and end only a few bytes too early."""
    for at in np.linspace(START, END - count - 1, 40).astype(int):
        with pytest.raises(ImageError, match="damaged"):
            images.decode(JPEG[:at] + filling + JPEG[at + count :])


def test_flat_parts_of_zeros_are_no_damage(tmp_path):
    flat = np.full((256, 256, 3), 128, np.uint8)
    flat[:64] = np.tile(files.picture()[:32], (2, 4, 1))
    for options in ({"optimize": True}, {"progressive": True}, {}):
        Image.fromarray(flat).save(tmp_path / "a.jpg", **options)
        assert images.read(tmp_path / "a.jpg").pixels.shape == flat.shape


@pytest.mark.parametrize("kind", ["JPEG", "progressive", "PNG", "TIFF", "BMP", "PPM"])
def test_a_small_file_cannot_say_that_it_is_large(tmp_path, kind):
    side = 22_000
    if kind in ("JPEG", "progressive"):
        data = bytearray(files.jpeg(progressive=kind == "progressive", quality=1)[:630])
        frame = data.index(b"\xff\xc2" if kind == "progressive" else b"\xff\xc0")
        struct.pack_into(">HH", data, frame + 5, side, side)
    elif kind == "PNG":
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + files.chunk(b"IHDR", header) + files.png()[33:]
    elif kind == "TIFF":
        data = files.tiff(files.picture(), t256=(4, (side,)), t257=(4, (side,)), t278=(4, (side,)))
    elif kind == "BMP":
        data = bytearray(files.bmp_with_alpha(np.zeros(files.SIZE, np.uint8)))
        struct.pack_into("<ii", data, 18, side, side)
    else:
        data = b"P6 22000 22000 255\n" + bytes(600)
    (tmp_path / "a").write_bytes(data)
    start = time.monotonic()
    refused(magn("restore", tmp_path / "a"), 1, "damaged")
    assert time.monotonic() - start < 5


def png_with(rows: int, *, interlaced: int = 0) -> bytes:
    """A PNG of 16 x 16 whose data have only so many rows, chunk checksums right."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, interlaced)
    data = zlib.compress(b"".join(b"\0" + bytes([row] * 48) for row in range(rows)))
    parts = chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_rows_that_a_png_lacks(tmp_path):
    """Pillow fills them up with black."""
    assert images.decode(png_with(16)).pixels.shape == (16, 16, 3)
    for data in (png_with(15), png_with(16, interlaced=1)):
        (tmp_path / "a.png").write_bytes(data)
        refused(magn("restore", tmp_path / "a.png"), 1, "a.png", "damaged", "intact copy")


def saved_tiff(image: Image.Image, compression: str, **options) -> tuple[bytes, int]:
    """The file, and where the middle of its first strip is."""
    file = io.BytesIO()
    image.save(file, "TIFF", compression=compression, **options)
    with Image.open(file) as opened:
        start, size = opened.tag_v2[273][0], opened.tag_v2[279][0]  # type: ignore[attr-defined]
    return file.getvalue(), start + size // 2


@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "jpeg", "group4"])
def test_damage_inside_a_tiff(tmp_path, otter, compression):
    image = Image.fromarray(otter)
    data, middle = saved_tiff(image.convert("1") if compression == "group4" else image, compression)
    assert images.decode(data).pixels.shape[:2] == otter.shape[:2]
    (tmp_path / "a.tif").write_bytes(data[:middle] + b"\xa5" * 40 + data[middle + 40 :])
    refused(magn("restore", tmp_path / "a.tif"), 1, "a.tif", "damaged", "intact copy")


@pytest.mark.parametrize("white_first", [False, True])
def test_fax_of_which_decoders_leave_rows_blank(otter, white_first):
    """Zeros look to them like the end of a strip, and a strip may be cut off in front of its end."""
    options = {"tiffinfo": {262: 0}} if white_first else {}
    data, middle = saved_tiff(Image.fromarray(otter).convert("1"), "group4", **options)
    assert images.decode(data).pixels.shape == otter.shape[:2]
    with pytest.raises(ImageError, match="damaged"):
        images.decode(data[:middle] + bytes(12) + data[middle + 12 :])
    with Image.open(io.BytesIO(data)) as opened:
        size = opened.tag_v2[279][0]  # type: ignore[attr-defined]
    assert data.count(struct.pack("<HHII", 279, 4, 1, size)) == 1
    shorter = struct.pack("<HHII", 279, 4, 1, size // 2)
    with pytest.raises(ImageError, match="damaged"):
        images.decode(data.replace(struct.pack("<HHII", 279, 4, 1, size), shorter))


def test_strips_and_tiles_of_jpeg_that_are_whole(otter):
    """Their tables stand in a tag of their own, or in each of them."""
    for options in ({}, {"quality": 60}, {"tiffinfo": {278: 16}}):
        data, _ = saved_tiff(Image.fromarray(otter), "jpeg", **options)
        assert images.decode(data).pixels.shape == otter.shape
