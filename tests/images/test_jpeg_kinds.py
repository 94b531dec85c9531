"""Unusual kinds of JPEG: read where they are sound, refused where they are damaged, like the usual ones."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.images.formats import jpeg_segments, jpeg_zeros, opencv
from tests.support import as_written, jpeg_kinds
from tests.support.commands import magn, refused

FACTORS = {
    "4:4:1": ((1, 4), (1, 1), (1, 1)),
    "3x1": ((3, 1), (1, 1), (1, 1)),
    "mixed": ((2, 2), (2, 1), (1, 2)),
    "finer chroma": ((1, 1), (2, 2), (1, 1)),
    "4:2:0": ((2, 2), (1, 1), (1, 1)),
}
KINDS = {name: jpeg_kinds.with_factors(*factors) for name, factors in FACTORS.items()}
KINDS |= {
    "three scans": jpeg_kinds.with_factors(*FACTORS["4:2:0"], interleaved=False),
    "RGB": as_written.jpeg(keep_rgb=True),
    "arithmetic": jpeg_kinds.ARITHMETIC,
}


def reference(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("name", KINDS)
def test_sound_ones_are_read(name):
    assert (images.decode(KINDS[name]).pixels == reference(KINDS[name])).all()


@pytest.mark.parametrize("name", KINDS)
def test_damaged_ones_are_refused(tmp_path, name):
    data = KINDS[name]
    start, end = data.rindex(b"\xff\xda") + 14, len(data) - 2
    third = (end - start) // 3
    for damaged in (
        data[: start + third] + data[start + 2 * third :],
        data[: start + third] + b"\x55" * third + data[start + 2 * third :],
        data[: start + third] + bytes(third) + data[start + 2 * third :],
    ):
        with pytest.raises(ImageError, match="damaged"):
            images.decode(damaged)
    (tmp_path / "a.jpg").write_bytes(data[: start + third] + data[start + 2 * third :])
    refused(magn("restore", tmp_path / "a.jpg"), 1, "a.jpg", "damaged", "intact copy")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


@pytest.mark.parametrize("flat", [(1,), (2,), (1, 2)])
@pytest.mark.parametrize("interleaved", [True, False])
def test_planes_of_one_colour_may_be_stored_as_zeros(flat, interleaved):
    for factors in FACTORS.values():
        data = jpeg_kinds.with_factors(*factors, flat=flat, interleaved=interleaved)
        assert (images.decode(data).pixels == reference(data)).all()


def test_a_zeroed_part_is_noticed_beside_such_a_plane():
    data = jpeg_kinds.with_factors((1, 1), (1, 1), (1, 1), flat=(2,), interleaved=False)
    at = data.index(b"\xff\xda") + 40
    with pytest.raises(ImageError, match="zeros"):
        images.decode(data[:at] + bytes(40) + data[at + 40 :])


def test_a_thumbnail_in_the_jfif_segment_is_no_picture_data():
    thumbnail = as_written.segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\4\4" + b"\xff\xda" + bytes(46))
    data = as_written.jpeg()
    assert images.decode(data[:2] + thumbnail + data[20:]).pixels.shape == (48, 64, 3)


def test_an_arithmetic_file_that_is_read_in_parts():
    """libjpeg cannot pause within these, and Pillow gives it 64 KB at a time."""
    data = jpeg_kinds.ARITHMETIC
    at = data.index(b"\xff\xdb")
    size = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    middle = (data.index(b"\xff\xda") + len(data)) // 2
    count, rest = divmod((1 << 16) - middle - 9, size)
    longer = (
        data[:at] + as_written.segment(0xE0, b"JFIF\0" + bytes(rest)) + count * data[at : at + size] + data[at:]
    )
    assert longer[1 << 16 :] == data[middle:]
    assert (images.decode(longer).pixels == reference(data)).all()


def version(data):
    at = data.index(b"JFIF\0") + 5
    return data[:at] + b"\2\1" + data[at + 2 :]


def parameters(data):
    at = data.index(b"\xff\xda") + 2 + 2 + 1 + 6
    return data[:at] + bytes(3) + data[at + 3 :]


@pytest.mark.parametrize("odd", [version, parameters])
def test_a_harmless_warning_hides_no_damage(odd):
    """libjpeg tells only its first warning."""
    data = odd(as_written.jpeg())
    assert (images.decode(data).pixels == reference(data)).all()
    middle = len(data) * 2 // 3
    with pytest.raises(ImageError, match="damaged"):
        images.decode(data[: middle - 60] + data[middle + 60 :])


@pytest.mark.parametrize("options", [{"quality": 85}, {"quality": 92, "subsampling": 0}])
def test_sectors_of_zeros_in_a_progressive_file(otter, options):
    """In the scans that refine the picture, zeros could be anything, but not so many of them."""
    file = io.BytesIO()
    Image.fromarray(otter).save(file, "JPEG", progressive=True, **options)
    data = file.getvalue()
    for at in np.linspace(data.index(b"\xff\xda") + 20, len(data) - 260, 40).astype(int):
        with pytest.raises(ImageError, match="damaged"):
            images.decode(data[:at] + bytes(256) + data[at + 256 :])


def test_flat_progressive_files_are_sound():
    flat = np.full((512, 512, 3), 90, np.uint8)
    flat[:64, :64] = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    for pixels in (flat, flat[::-1], flat // 16, np.tile(flat[:16, :16], (32, 32, 1))):
        for quality in (1, 50, 100):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", progressive=True, quality=quality)
            assert images.decode(file.getvalue()).pixels.shape == pixels.shape


def test_bits_that_refine_means_may_be_zeros():
    """Arithmetic coding does not pack them."""
    frame = as_written.segment(0xCA, struct.pack(">BHHB", 8, 256, 256, 1) + b"\1\x11\0")
    for shifts, expected in ((0x10, False), (0x00, True)):
        scan = as_written.segment(0xDA, b"\1\1\0\0\0" + bytes([shifts])) + bytes(100) + b"\x55"
        data = b"\xff\xd8" + frame + scan + b"\xff\xd9"
        assert jpeg_zeros.are_within(data, jpeg_segments.parse(data)) == expected


def test_what_cannot_be_checked_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(opencv, "jpeg_complaint", lambda data: None)
    (tmp_path / "a.jpg").write_bytes(KINDS["mixed"])
    refused(magn("restore", tmp_path / "a.jpg"), 1, "a.jpg", "cannot check for damage", "PNG")
