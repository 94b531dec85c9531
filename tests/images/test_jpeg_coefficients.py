"""The coefficients of JPEG files, against the pixels that libjpeg decodes from them."""

import io

import numpy as np
import pytest
from PIL import Image

from magn_cli.images import read_coefficients

U, X = np.mgrid[:8, :8]
DCT = np.cos((2 * X + 1) * U * np.pi / 16) * np.where(U > 0, 0.5, 8**-0.5)


def jpeg(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


def decoded(coefficients, which=0):
    """The samples of a plane, not rounded, by the formula of the standard."""
    blocks = DCT.T @ (coefficients.planes[which] * coefficients.tables[which]) @ DCT + 128
    rows, columns = blocks.shape[:2]
    height, width = coefficients.size
    return blocks.swapaxes(1, 2).reshape(rows * 8, columns * 8)[:height, :width].clip(0, 255)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", None])
@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"progressive": True, "restart_marker_blocks": 5}],
)
@pytest.mark.parametrize("size", [(144, 200), (37, 51), (3, 9)])
@pytest.mark.parametrize("quality", [10, 75, 100])
def test_they_decode_to_the_pixels_of_the_file(otter, subsampling, options, size, quality):
    pixels = otter[: size[0], : size[1]]
    if subsampling is None:
        pixels = np.ascontiguousarray(pixels[..., 1])
        data = jpeg(pixels, quality=quality, **options)
    else:
        data = jpeg(pixels, quality=quality, subsampling=subsampling, **options)
    coefficients = read_coefficients(data)
    assert coefficients.size == size and coefficients.is_gray == (subsampling is None)
    assert len(coefficients.planes) == (3 if subsampling == "4:4:4" else 1)
    image = Image.open(io.BytesIO(data))
    image.draft("YCbCr" if image.mode == "RGB" else "L", None)
    planes = np.asarray(image).reshape(*size, -1)
    for which in range(len(coefficients.planes)):
        # libjpeg's integers and the rounding.
        assert np.abs(decoded(coefficients, which) - planes[..., which]).max() < 1.6


def test_long_files_are_read_in_chunks():
    pixels = np.random.default_rng(0).integers(0, 256, (600, 700), np.uint8)
    for options in ({}, {"progressive": True}):
        data = jpeg(pixels, quality=95, **options)
        assert len(data) > 2 * (1 << 17)
        assert np.abs(decoded(read_coefficients(data)) - np.asarray(Image.open(io.BytesIO(data)))).max() < 1.6


def test_other_colours_have_none(otter):
    cmyk = io.BytesIO()
    Image.fromarray(otter).convert("CMYK").save(cmyk, "JPEG")
    assert read_coefficients(cmyk.getvalue()) is None
    assert read_coefficients(jpeg(otter, keep_rgb=True, subsampling="4:4:4")) is None


@pytest.mark.parametrize("progressive", [False, True])
def test_damaged_files_end_in_an_error_or_a_wrong_picture(otter, progressive):
    data = jpeg(otter[:64, :64], quality=50, progressive=progressive)
    rng = np.random.default_rng(0)
    for _ in range(200):
        broken = bytearray(data[: rng.integers(len(data) // 4, len(data))])
        broken[rng.integers(len(broken))] = rng.integers(256)
        try:
            read_coefficients(bytes(broken))
        except (ValueError, IndexError, KeyError, OverflowError):
            continue
