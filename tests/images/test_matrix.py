"""Format x depth x alpha x orientation x profile through ``magn restore``, the network replaced by identity.

What comes out has to be what went in: every pixel, its depth, its transparency, and everything beside them.
"""

import importlib.util
import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms, ImageOps, features

from magn_cli import images
from magn_cli.api.loading import Loader
from magn_cli.images import to_float
from magn_cli.inference.picture import PhotoRestorer
from magn_cli.inference.tiling import Span
from magn_cli.tasks import get_task
from tests.support.commands import magn
from tests.support.encoded import DPI, Case, profile
from tests.support.pictures import MAKER_NOTE, parsed

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
needs_heif = pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="needs pillow-heif")

DEPTHS = {
    "png": (np.uint8, np.uint16),
    "tif": (np.uint8, np.uint16, np.float32),
}
CHANNELS = {"jpg": (1, 3), "webp": (3, 4), "avif": (1, 3, 4), "heic": (1, 3, 4)}


class Identity:
    """A restorer that gives back what it was given, as floats."""

    def __init__(self):
        self.pictures = 0

    def strips(self, network_input, level=None, keeps_bayer=False, progress=lambda done: None):
        self.pictures += 1
        progress(1.0)
        yield Span(0, len(network_input)), to_float(np.ascontiguousarray(network_input))


@pytest.fixture
def identity(monkeypatch):
    restorer, task = Identity(), get_task("jpeg")
    monkeypatch.setattr(Loader, "load", lambda self: PhotoRestorer(task, task.scale, restorer))
    return restorer


def cases():
    for format in ("jpg", "png", "tif", "webp", "avif", "heic"):
        mark = {"avif": needs_avif, "heic": needs_heif}.get(format, ())
        for dtype in DEPTHS.get(format, (np.uint8,)):
            for channels in CHANNELS.get(format, (1, 2, 3, 4)):
                profiles = (None, "gray") if channels < 3 else (None, "srgb", "p3")
                for orientation in range(1, 9):
                    case = Case(format, dtype, channels, orientation, profiles[orientation % len(profiles)])
                    yield pytest.param(case, marks=mark, id=case.name)
    for format, channels in (("bmp", 1), ("bmp", 3), ("ppm", 3), ("pgm", 1)):
        yield pytest.param(Case(format, np.uint8, channels), id=f"{format}-{channels}")
    for format, channels in (("ppm", 3), ("pgm", 1)):
        yield pytest.param(Case(format, np.uint16, channels), id=f"deep-{format}-{channels}")
    for channels in (1, 3, 4):
        yield pytest.param(Case("10.avif", np.uint16, channels), marks=needs_avif, id=f"deep-avif-{channels}")


def turned(samples, orientation):
    """Where each sample goes by its orientation, by Pillow's own rules."""
    height, width = samples.shape[:2]
    index = Image.fromarray(np.arange(height * width, dtype=np.int32).reshape(height, width))
    index.getexif()[ExifTags.Base.Orientation] = orientation
    places = np.asarray(ImageOps.exif_transpose(index))
    return samples.reshape(height * width, -1)[places.ravel()].reshape(*places.shape, -1)


def as_decoded(case, data):
    """Samples (H, W, C) of the input, upright: by arithmetic where it is lossless, else by another decoder."""
    if case.format in ("jpg", "avif"):
        with Image.open(io.BytesIO(data)) as image:
            samples = np.array(image)
    elif case.format == "10.avif":
        samples = np.rint((case.samples() >> 6) * (65535 / 1023)).astype(np.uint16)
    else:
        samples = case.samples()
    return turned(samples, case.orientation)


def in_output(path):
    """Samples (H, W, C) of an output, by a decoder that is not ours."""
    if path.suffix == ".tif":
        array = tifffile.imread(path)
        return array.reshape(*array.shape[:2], -1)
    if path.suffix == ".png":
        array = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        array = array.reshape(*array.shape[:2], -1)
        return array[..., {1: [0], 2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[array.shape[2]]]
    with Image.open(path) as image:
        return np.asarray(image).reshape(image.height, image.width, -1)


def check_metadata(case, path):
    found = images.read(path).metadata
    if case.format in ("bmp", "ppm", "pgm", "10.avif"):
        assert found.icc is None and found.xmp is None
        return
    assert found.icc == profile(case.icc)
    assert found.xmp == replace(case, orientation=1).xmp()
    if case.format in ("jpg", "png", "tif") and path.suffix != ".webp":
        dpi = DPI if case.orientation < 5 else DPI[::-1]
        assert found.dpi == pytest.approx(dpi, rel=1e-3)
    exif = parsed(found.exif)
    assert exif[ExifTags.Base.Make] == "Maker"
    assert exif.get(ExifTags.Base.Orientation, 1) == 1
    if case.format != "tif":
        below = exif.get_ifd(ExifTags.IFD.Exif)
        assert below[ExifTags.Base.MakerNote] == MAKER_NOTE
        assert float(below[ExifTags.Base.ExposureTime]) == pytest.approx(0.004)
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (52, 31, 12)


@pytest.mark.parametrize("case", list(cases()))
def test_through_the_command(tmp_path, identity, case):
    source = tmp_path / f"a.{case.format}"
    source.write_bytes(case.encoded())
    expected = as_decoded(case, source.read_bytes())
    suffixes = [".png", ".tif", ".webp"] if case.dtype == np.uint8 else [".png", ".tif"]
    if case.dtype == np.float32:
        suffixes = [".tif"]
    for suffix in suffixes:
        out = tmp_path / f"out{suffix}"
        result = magn("restore", source, "--task", "jpeg", "--level", 50, "--out", out)
        assert result.exit_code == 0, result.output
        samples, wanted = in_output(out), expected
        if suffix == ".webp" and case.channels < 3:
            wanted = np.dstack([wanted[..., :1]] * 3 + [wanted[..., 1:]])
        elif suffix == ".png" and case.channels == 2:
            # OpenCV shows gray with alpha as four channels.
            wanted = np.dstack([wanted[..., :1]] * 3 + [wanted[..., 1:]])
        assert samples.dtype == wanted.dtype
        if case.dtype == np.float32 and case.channels < 3:
            # The mean of three equal floats may differ in its last bit.
            np.testing.assert_allclose(samples, wanted, rtol=1e-6)
        else:
            np.testing.assert_array_equal(samples, wanted)
        if suffix != ".webp" or case.channels > 2:
            check_metadata(case, out)
    assert identity.pictures == len(suffixes)


@pytest.mark.parametrize("format", ["jpg", "png", "tif", "webp", pytest.param("heic", marks=needs_heif)])
@pytest.mark.parametrize("level", ["auto", "unknown"])
def test_a_level_that_is_found_changes_nothing_of_it(tmp_path, identity, format, level):
    case = Case(format, np.uint8, 3, 6, "p3")
    (tmp_path / f"a.{format}").write_bytes(case.encoded())
    expected = as_decoded(case, case.encoded())
    result = magn("restore", tmp_path / f"a.{format}", "--task", "jpeg", "--level", level)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(in_output(tmp_path / "a_restored.png"), expected)
    assert ("quality 60" in result.stderr) == (format == "jpg" and level == "auto")
    check_metadata(case, tmp_path / "a_restored.png")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("format", ["jpg", "png", "tif", "webp"])
def test_to_jpeg(tmp_path, identity, format, channels):
    if format == "webp" and channels == 1:
        pytest.skip("WebP has no gray")
    case = Case(format, np.uint8, channels, 6, "gray" if channels == 1 else "p3")
    (tmp_path / f"a.{format}").write_bytes(case.encoded())
    out = tmp_path / "out.jpg"
    assert magn("restore", tmp_path / f"a.{format}", "--task", "jpeg", "--out", out).exit_code == 0
    expected = as_decoded(case, case.encoded())
    assert np.abs(in_output(out).astype(int) - expected).mean() < 4
    check_metadata(case, out)


def test_the_wide_profile_is_one():
    """Red of the wide profile lies outside of sRGB, and other programs can use the profile."""
    wide = ImageCms.ImageCmsProfile(io.BytesIO(profile("p3")))
    red = Image.new("RGB", (1, 1), (200, 30, 30))
    shown = ImageCms.profileToProfile(red, wide, ImageCms.createProfile("sRGB"))
    assert shown.getpixel((0, 0))[0] > 205
