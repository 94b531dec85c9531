"""Pictures as bytes: no path, no file."""

import numpy as np
import pytest

from magn_cli import images
from magn_cli.errors import ImageError
from tests.support.pictures import photo, texture


@pytest.mark.parametrize(("format", "dtype"), [("PNG", np.uint16), ("TIFF", np.float32), ("WEBP", np.uint8)])
def test_there_and_back(format, dtype):
    pixels = texture(dtype)
    back = images.decode(images.encode(pixels, format))
    assert back.format == format and back.pixels.dtype == dtype
    np.testing.assert_array_equal(back.pixels, pixels)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_file_holds_the_same_bytes(tmp_path, suffix):
    path, pixels = tmp_path / f"a{suffix}", texture(np.uint8)
    like = photo(pixels)
    images.write(path, pixels, like, software="magn")
    data = images.encode(pixels, images.output_format(path), like, software="magn")
    assert path.read_bytes() == data
    np.testing.assert_array_equal(images.read(path).pixels, images.decode(data).pixels)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "is empty"), (b"text", "contains no JPEG"), (b"GIF89a", "is a GIF"), (b"\x89PNG\r\n\x1a\n", "damaged")],
)
def test_messages_have_the_name_they_are_given(data, words):
    with pytest.raises(ImageError, match=rf"^shelf/a\.png .*{words}"):
        images.decode(data, name="shelf/a.png")
    with pytest.raises(ImageError, match=rf"^The picture .*{words}"):
        images.decode(data)


def test_too_large_for_the_format():
    with pytest.raises(ImageError, match=r"^b\.webp cannot be written: WebP holds"):
        images.encode(np.zeros((1, 16_384), np.uint8), "WEBP", name="b.webp")


def test_a_start_that_is_none():
    images.check_start(images.encode(texture(np.uint8), "PNG"))
    for start, words in ((b"", "is empty"), (b"MZ" * 32, "contains no JPEG")):
        with pytest.raises(ImageError, match=rf"^a\.exe {words}"):
            images.check_start(start, "a.exe")


@pytest.mark.parametrize(
    ("options", "source", "target", "copied"),
    [
        ({}, "PNG", "PNG", True),
        ({}, "PNG", "TIFF", False),
        ({"strip_metadata": True}, "PNG", "PNG", False),
        ({}, "JPEG", "JPEG", True),
        ({"copies": False}, "JPEG", "JPEG", False),
        ({"copies": False}, "PNG", "PNG", True),
    ],
)
def test_when_a_file_may_be_copied(options, source, target, copied):
    assert images.WriteOptions(**options).keeps_bytes(source, target) is copied
