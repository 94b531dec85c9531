"""Kinds of files that are rare, or that phones write: read where a decoder is at hand, else one sentence."""

import base64
import io
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, features

from magn_cli import images
from magn_cli.images.formats import heif
from magn_cli.images.metadata import gain_map
from tests.support.encoded import Case, profile
from tests.support.pictures import png, refusal, save, texture

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")

# An arithmetic-coded JPEG, which hardly a program writes: 16 x 8, gray, x * 12 + y * 5.
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsI"
    "CQoKCgoKBggLDAsKDAkKCgr/yQALCAAIABABAREA/8wABgAQEAX/2gAIAQEAAD8A/wDsmfB1EbYoygTsmiT35WMSXzEBkBr/"
    "2Q=="
)
ULTRA_HDR_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description '
    b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" dc:rights="mine"/></x:xmpmeta>'
)


def jpeg(**options):
    file = io.BytesIO()
    save(file, texture(np.uint8), "JPEG", **options)
    return file.getvalue()


def test_arithmetic_coding(tmp_path):
    (tmp_path / "a.jpg").write_bytes(ARITHMETIC)
    y, x = np.mgrid[:8, :16]
    assert np.abs(images.read(tmp_path / "a.jpg").pixels - (x * 12.0 + y * 5)).max() <= 3


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [
        (1, 0xC3, "lossless JPEG"),
        (1, 0xCB, "lossless JPEG"),
        (1, 0xC5, "hierarchical JPEG"),
        (4, 12, "12-bit JPEG"),
        (4, 16, "16-bit JPEG"),
    ],
)
def test_processes_of_jpeg_that_nobody_decodes(tmp_path, offset, value, words):
    data = bytearray(jpeg())
    data[data.index(b"\xff\xc0") + offset] = value
    (tmp_path / "a.jpg").write_bytes(data)
    assert words in refusal(tmp_path / "a.jpg")


def test_rgb_without_a_colour_transform(tmp_path):
    path = save(tmp_path / "a.jpg", texture(np.uint8), "JPEG", keep_rgb=True, quality=100)
    assert np.abs(images.read(path).pixels.astype(int) - texture(np.uint8)).max() <= 2


def test_several_pictures_in_a_jpeg(tmp_path, caplog):
    other = Image.fromarray(texture(np.uint8)[::-1])
    path = save(tmp_path / "a.jpg", texture(np.uint8), "MPO", save_all=True, append_images=[other], quality=100)
    assert np.abs(images.read(path).pixels.astype(int) - texture(np.uint8)).mean() < 6
    assert "only the first" in caplog.text


def test_gain_maps_are_left_out_with_a_word(tmp_path, caplog):
    (tmp_path / "a.jpg").write_bytes(jpeg(xmp=ULTRA_HDR_XMP) + jpeg())
    read = images.read(tmp_path / "a.jpg")
    assert "gain map" in caplog.text
    assert b"hdrgm:Version" not in read.metadata.xmp and b'dc:rights="mine"' in read.metadata.xmp
    assert not gain_map.is_in(jpeg())


def test_extended_xmp_is_left_out_with_a_word(tmp_path, caplog):
    data, part = jpeg(), b"http://ns.adobe.com/xmp/extension/\0" + bytes(60)
    data = data[:20] + b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part + data[20:]
    (tmp_path / "a.jpg").write_bytes(data)
    images.read(tmp_path / "a.jpg")
    assert "extended XMP" in caplog.text


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("byteorder", "<>")
def test_other_floats_of_tiff(tmp_path, dtype, byteorder):
    values = (texture(np.float32) * 3 - 1).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", byteorder=byteorder)
    read = images.read(tmp_path / "a.tif")
    assert read.pixels.dtype == np.float32 and (read.pixels == values.astype(np.float32)).all()
    tifffile.imwrite(tmp_path / "b.tif", np.full((4, 5), 1e300 if dtype == np.float64 else np.inf, dtype))
    assert "infinite" in refusal(tmp_path / "b.tif")


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.int16, np.int8, np.uint64, np.complex64])
def test_numbers_of_tiff_that_are_no_pixels(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 5), dtype), photometric="minisblack")
    assert "stores its samples" in refusal(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize(
    "layout", [{"tile": (16, 16)}, {"planarconfig": "separate"}, {"rowsperstrip": 4}, {"byteorder": ">"}]
)
def test_layouts_of_tiff(tmp_path, dtype, channels, layout):
    samples = texture(dtype, channels)
    options = {"photometric": "rgb" if channels > 2 else "minisblack", "compression": "zlib"}
    if channels in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    planar = layout.get("planarconfig", "contig") == "separate"
    stored = np.moveaxis(samples, -1, 0) if planar else samples
    tifffile.imwrite(tmp_path / "a.tif", stored, **({"planarconfig": "contig"} | options | layout))
    read = images.read(tmp_path / "a.tif")
    together = np.dstack([part for part in (read.pixels, read.alpha) if part is not None])
    assert together.dtype == dtype and (together == samples).all()


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"GIF89a", "GIF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\1\0\1\0", "icon"),
        (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
        (b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
        (b"%PDF-1.7", "PDF"),
        (b"v/1\1", "OpenEXR"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "demosaic"),
    ],
)
def test_known_formats_that_are_not_read(tmp_path, start, words):
    (tmp_path / "a.png").write_bytes(start + bytes(100))
    sentence = refusal(tmp_path / "a.png")
    assert words in sentence and any(word in sentence for word in ("convert it", "save a frame", "make a picture"))


@needs_avif
@pytest.mark.parametrize("depth", [10, 12])
def test_deep_avif_without_opencv(tmp_path, monkeypatch, caplog, depth):
    samples = texture(np.uint16) >> (16 - depth)
    options = [cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_QUALITY, 100]
    (tmp_path / "a.avif").write_bytes(cv2.imencode(".avif", samples[..., ::-1].copy(), options)[1].tobytes())
    deep = images.read(tmp_path / "a.avif").pixels
    assert (deep == np.rint(samples * (65535 / (2**depth - 1)))).all()

    def undecoded(_):
        raise ValueError("OpenCV cannot decode it")

    monkeypatch.setattr(heif.opencv, "decode", undecoded)
    shallow = images.read(tmp_path / "a.avif").pixels
    assert shallow.dtype == np.uint8 and f"{depth} bits" in caplog.text
    assert np.abs(shallow * 257.0 - deep).max() < 600


@needs_avif
def test_avif_frames_and_code_points(tmp_path, caplog):
    other = Image.fromarray(texture(np.uint8)[::-1])
    path = save(tmp_path / "a.avif", texture(np.uint8), "AVIF", save_all=True, append_images=[other])
    images.read(path)
    assert "only the first" in caplog.text
    data = save(tmp_path / "b.avif", texture(np.uint8), "AVIF").read_bytes()
    at = data.index(b"colrnclx") + 8
    (tmp_path / "b.avif").write_bytes(data[:at] + struct.pack(">HH", 12, 13) + data[at + 4 :])
    read = images.read(tmp_path / "b.avif")
    assert read.metadata.colour == ((b"cICP", bytes([12, 13, 0, 1])),)


def test_avif_without_a_decoder(tmp_path, monkeypatch):
    (tmp_path / "a.avif").write_bytes(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(100))
    monkeypatch.setattr(pytest.importorskip("PIL.AvifImagePlugin"), "SUPPORTED", False)
    assert "install Pillow 11.3" in refusal(tmp_path / "a.avif")


def test_heif_without_its_package(tmp_path, monkeypatch):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert "pip install 'magn-cli[heif]'" in refusal(tmp_path / "a.heic")


class TestHeif:
    """What the matrix does not hold."""

    @pytest.fixture(autouse=True)
    def package(self):
        self.heif = pytest.importorskip("pillow_heif")
        self.heif.register_heif_opener()

    @pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
    @pytest.mark.parametrize("twelve", [False, True])
    def test_more_than_8_bits(self, tmp_path, monkeypatch, mode, twelve):
        monkeypatch.setattr(self.heif.options, "SAVE_HDR_TO_12_BIT", twelve)
        samples = texture(np.uint16, {"L": 1, "RGB": 3, "RGBA": 4}[mode])
        file = self.heif.from_bytes(f"{mode};16", (34, 21), samples.tobytes())
        file.save(tmp_path / "a.heic", quality=-1, chroma=444, matrix_coefficients=0)
        depth = 12 if twelve else 10
        expected = np.rint((samples >> (16 - depth)) * (65535 / (2**depth - 1))).astype(np.uint16)
        read = images.read(tmp_path / "a.heic")
        together = np.dstack([part for part in (read.pixels, read.alpha) if part is not None])
        assert together.dtype == np.uint16
        np.testing.assert_array_equal(together.squeeze(), expected)

    def test_an_orientation_without_a_transformation_is_a_copy_only(self, tmp_path):
        """The standard: what the file itself does not turn, nobody turns."""
        case = Case("heic", np.uint8, 3, 1, "p3")
        data = bytearray(case.encoded())
        at = data.index(b"MM\0*\0\0\0\x08") if b"MM\0*\0\0\0\x08" in data else data.index(b"II*\0\x08\0\0\0")
        order = ">" if data[at : at + 2] == b"MM" else "<"
        record = data.index(struct.pack(order + "HHI", 274, 3, 1), at)
        struct.pack_into(order + "H", data, record + 8, 6)
        (tmp_path / "a.heic").write_bytes(data)
        read = images.read(tmp_path / "a.heic")
        assert (read.pixels == case.samples()).all() and read.turned == 1
        assert read.metadata.icc == profile("p3")
        exif = Image.Exif()
        exif.load(b"Exif\0\0" + read.metadata.exif)
        assert exif[274] == 1

    def test_tiles_that_are_missing(self, tmp_path, monkeypatch):
        """As in a photo of a phone that was not copied to the end: libheif leaves them green."""
        monkeypatch.setattr(self.heif.options, "GRID_TILE_SIZE", 32)
        path = save(tmp_path / "a.heic", texture(np.uint8, size=(64, 96)), "HEIF", quality=90)
        data = path.read_bytes()
        assert b"grid" in data and images.read(path).pixels.shape == (64, 96, 3)
        for share in (0.5, 0.8, 0.95, 0.99):
            path.write_bytes(data[: int(share * len(data))])
            assert "truncated or damaged" in refusal(path)

    def test_several_pictures(self, tmp_path, caplog):
        other = Image.fromarray(texture(np.uint8)[::-1])
        path = save(tmp_path / "a.heic", texture(np.uint8), "HEIF", save_all=True, append_images=[other])
        assert images.read(path).pixels.shape == (21, 34, 3)
        assert "only the first" in caplog.text

    def test_the_limit_holds(self, tmp_path):
        path = save(tmp_path / "a.heic", texture(np.uint8), "HEIF")
        with pytest.raises(images.decoding.ImageError, match="34 x 21 pixels"):
            images.read(path, 100)


def test_importing_needs_none_of_the_decoders():
    code = "import sys, magn_cli.images; print([m for m in ('pillow_heif', 'cv2') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_png_of_16_bits_is_silent(tmp_path, capfd):
    data = bytearray(png(texture(np.uint16), 2))
    at = data.index(b"IDAT")
    del data[at + 20 : at + 60]
    (tmp_path / "a.png").write_bytes(data)
    refusal(tmp_path / "a.png")
    assert capfd.readouterr() == ("", "")
