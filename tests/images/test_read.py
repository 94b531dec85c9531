"""Reading: every format, depth and layout, checked against independent encoders."""

import io
import logging
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from magn_cli import images
from tests.support.pictures import cmyk, png, save, save_cv2, texture, tiff


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM"])
@pytest.mark.parametrize("channels", [1, 3])
def test_8_bits_are_read_exactly(tmp_path, format, channels):
    pixels = texture(np.uint8, channels)
    photo = images.read(save(tmp_path / "a", pixels, format))
    assert photo.format == {"PPM": "PNM"}.get(format, format)
    assert photo.alpha is None and photo.quantization is None
    assert photo.pixels.dtype == np.uint8 and (photo.pixels == pixels).all()


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_8_bit_alpha_is_kept_apart(tmp_path, format, channels):
    pixels, alpha = texture(np.uint8, channels), texture(np.uint8, 2)[..., 1]
    photo = images.read(save(tmp_path / "a", np.dstack([pixels, alpha]), format))
    assert (photo.pixels == pixels).all() and (photo.alpha == alpha).all()


@pytest.mark.parametrize(("channels", "colour_type"), [(1, 0), (2, 4), (3, 2), (4, 6)])
def test_16_bit_png(tmp_path, channels, colour_type):
    samples = texture(np.uint16, channels)
    (tmp_path / "a").write_bytes(png(samples, colour_type))
    photo = images.read(tmp_path / "a")
    assert photo.pixels.dtype == np.uint16
    if channels in (2, 4):
        assert (photo.alpha == samples[..., -1]).all()
        samples = samples[..., 0] if channels == 2 else samples[..., :3]
    assert (photo.pixels == samples).all()


def test_interlaced_png(tmp_path):
    # Adam7 of a 1 x 2 picture: pass 1 holds the first row and pass 7 the second.
    plain = png(np.array([[[1000, 2000, 3000]], [[4000, 5000, 60000]]], np.uint16), 2)
    header = plain[16:28] + b"\1"
    fixed = plain[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + plain[33:]
    (tmp_path / "a").write_bytes(fixed)
    assert images.read(tmp_path / "a").pixels.tolist() == [[[1000, 2000, 3000]], [[4000, 5000, 60000]]]


@pytest.mark.parametrize(("depth", "key", "expected"), [(1, 1, [0, 255]), (2, 2, [0, 170]), (4, 10, [0, 170])])
def test_low_depths_and_their_transparent_gray(tmp_path, depth, key, expected):
    packed = np.array([[key << (8 - 2 * depth)], [0]], np.uint8)
    data = png(packed, 0, depth, b"tRNS" + struct.pack(">H", key))
    header = struct.pack(">IIBBBBB", 2, 2, depth, 0, 0, 0, 0)
    data = data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]
    (tmp_path / "a").write_bytes(data)
    photo = images.read(tmp_path / "a")
    assert photo.pixels.tolist() == [expected, [0, 0]]
    assert photo.alpha.tolist() == [[255, 0], [255, 255]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparent_colour_of_rgb(tmp_path, dtype):
    pixels = texture(dtype)
    depth = 8 * pixels.dtype.itemsize
    (tmp_path / "a").write_bytes(png(pixels, 2, depth, b"tRNS" + pixels[3, 4].astype(">u2").tobytes()))
    photo = images.read(tmp_path / "a")
    assert (photo.pixels == pixels).all()
    assert photo.alpha[3, 4] == 0 and photo.alpha.max() == np.iinfo(dtype).max


def test_palettes_become_rgb_with_their_transparency(tmp_path):
    image = Image.fromarray(texture(np.uint8)).quantize(16)
    photo = images.read(save(tmp_path / "a", image, "PNG"))
    assert (photo.pixels == np.array(image.convert("RGB"))).all() and photo.alpha is None
    photo = images.read(save(tmp_path / "b", image, "PNG", transparency=bytes([0, 100] + [255] * 14)))
    indices = np.array(image)
    assert (photo.alpha[indices == 0] == 0).all() and (photo.alpha[indices == 1] == 100).all()
    assert (images.read(save(tmp_path / "c", image, "BMP")).pixels == np.array(image.convert("RGB"))).all()


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM"])
def test_black_and_white_becomes_gray(tmp_path, format):
    image = Image.fromarray(texture(np.uint8, 1) > 127)
    photo = images.read(save(tmp_path / "a", image, format))
    assert (photo.pixels == np.array(image) * np.uint8(255)).all()


@pytest.mark.parametrize("lossless", [True, False])
def test_webp(tmp_path, lossless):
    samples = texture(np.uint8, 4)
    photo = images.read(save(tmp_path / "a", samples, "WEBP", lossless=lossless, exact=True, quality=100))
    assert photo.format == "WEBP" and (photo.alpha == samples[..., 3]).all()
    assert np.abs(photo.pixels.astype(int) - samples[..., :3]).mean() <= (0 if lossless else 12)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
def test_deep_tiff_by_another_encoder(tmp_path, dtype, channels, compression):
    samples = texture(dtype, channels)
    path = save_cv2(tmp_path / "a", samples, ".tif", cv2.IMWRITE_TIFF_COMPRESSION, compression)
    photo = images.read(path)
    assert photo.pixels.dtype == dtype
    assert (photo.pixels == (samples[..., :3] if channels == 4 else samples)).all()
    assert channels != 4 or (photo.alpha == samples[..., 3]).all()


def test_big_endian_white_first_tiff(tmp_path):
    pixels = texture(np.uint16, 1)
    (tmp_path / "a").write_bytes(tiff((65535 - pixels).astype(">u2"), t262=0))
    assert (images.read(tmp_path / "a").pixels == pixels).all()


def test_premultiplied_alpha_is_divided_out(tmp_path):
    pixels, alpha = np.array([[40000, 30000, 9]], np.uint16), np.array([[65535, 32768, 0]], np.uint16)
    stored = np.rint(pixels * (alpha / 65535))
    # Width 3 with two samples a pixel.
    samples = np.dstack([stored, alpha]).astype(">u2")
    (tmp_path / "a").write_bytes(tiff(samples, t277=2, t338=1))
    photo = images.read(tmp_path / "a")
    assert (photo.alpha == alpha).all()
    assert np.abs(photo.pixels.astype(int) - [[40000, 30000, 0]]).max() <= 1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P2 # gray\n2 1\n1023\n0 1023\n", [[0, 65535]]),
        (b"P3\n1 1\n255\n1 2 3\n", [[[1, 2, 3]]]),
        (b"P5 2 1 15\n\x00\x0f", [[0, 255]]),
        (b"P6\n1 1\n65535\n" + struct.pack(">3H", 1, 256, 65535), [[[1, 256, 65535]]]),
        (b"P1\n3 1\n101\n", [[0, 255, 0]]),
        (b"P4\n3 1\n\xa0", [[0, 255, 0]]),
    ],
)
def test_pnm(tmp_path, data, expected):
    (tmp_path / "a").write_bytes(data)
    assert images.read(tmp_path / "a").pixels.tolist() == expected


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(("subsampling", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_jpeg_and_its_tables(tmp_path, progressive, subsampling, name):
    options = {"quality": 40, "subsampling": subsampling, "progressive": progressive}
    path = save(tmp_path / "a.png", texture(np.uint8), "JPEG", **options)
    photo = images.read(path)
    with Image.open(path) as image:
        assert (photo.pixels == np.array(image)).all()
        tables = image.quantization
    assert photo.format == "JPEG" and photo.quantization.subsampling == name
    assert photo.quantization.luma.ravel().tolist() == tables[0]
    assert photo.quantization.chroma.ravel().tolist() == tables[1]
    # The first row of the standard luma table at quality 50 is 16 11 10 16 ...; it is scaled by 1.25 here.
    assert photo.quantization.luma[0, :4].tolist() == [20, 14, 13, 20]


def test_gray_jpeg(tmp_path):
    photo = images.read(save(tmp_path / "a", texture(np.uint8, 1), "JPEG"))
    assert photo.pixels.ndim == 2 and photo.quantization.chroma is None
    assert photo.quantization.subsampling == "4:0:0"


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb_without_its_profile(tmp_path, format, caplog):
    # A profile that cannot convert CMYK: the plain conversion takes over.
    wrong = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = images.read(save(tmp_path / "a", cmyk(), format, icc_profile=wrong))
    assert np.abs(photo.pixels.astype(int) - texture(np.uint8)).mean() < 12
    assert photo.metadata.icc is None and "CMYK" in caplog.text


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_used(tmp_path, format, caplog):
    first, second = texture(np.uint8), texture(np.uint8)[::-1]
    options = {"save_all": True, "append_images": [Image.fromarray(second)]}
    options |= {"lossless": True} if format == "WEBP" else {}
    path = save(tmp_path / "several.x", first, format, **options)
    with caplog.at_level(logging.WARNING):
        assert (images.read(path).pixels == first).all()
    assert "only the first" in caplog.text and "several.x" in caplog.text


def test_a_picture_above_the_limit_of_pillow_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for format in ("PNG", "JPEG", "TIFF", "BMP", "WEBP"):
        assert images.read(save(tmp_path / "a", texture(np.uint8), format)).pixels.shape == (21, 34, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_names_in_any_script(tmp_path):
    save(tmp_path / "ü 图.png", texture(np.uint8), "PNG")
    assert images.read(tmp_path / "ü 图.png").format == "PNG"


def test_bytes_behind_a_picture_do_not_matter(tmp_path):
    file = io.BytesIO()
    save(file, texture(np.uint8), "JPEG")
    (tmp_path / "a").write_bytes(file.getvalue() + b"trailing")
    assert images.read(tmp_path / "a").pixels.shape == (21, 34, 3)
