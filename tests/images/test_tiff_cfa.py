"""TIFF files that say to be mosaics, read without rawpy."""

import sys
from dataclasses import replace

import numpy as np
import pytest

import magn_cli
from magn_cli import images
from magn_cli.api.loading import load_photo_restorer
from magn_cli.tasks import get_task
from tests.support.commands import magn, refused
from tests.support.dng import Sensor, write_dng

DNG = frozenset({50706, 50708})
LEVELS_AND_COLOURS = frozenset({50713, 50714, 50717, 50721, 50728, 50778})
PATTERNS = ("rggb", "grbg", "gbrg", "bggr")


@pytest.fixture(autouse=True)
def without_rawpy(monkeypatch, request):
    if "dng" not in request.node.name:
        monkeypatch.setitem(sys.modules, "rawpy", None)


def sampled(pixels, pattern):
    """One sample a pixel of ``(H, W, 3)``, as it is."""
    mosaic = get_task("demosaic").degrade(
        pixels.astype(np.float32), None, np.random.default_rng(0), pattern=pattern
    )
    return mosaic.sum(axis=-1).astype(pixels.dtype)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_mosaic_of_a_photo_needs_no_pattern(tmp_path, otter, pattern, dtype):
    samples = sampled(otter.astype(dtype) * (257 if dtype == np.uint16 else 1), pattern)
    path = write_dng(tmp_path / "a.tif", samples, Sensor(pattern=pattern), without=DNG | LEVELS_AND_COLOURS)
    told = magn_cli.restore(samples, "demosaic", pattern=pattern)
    restored = magn_cli.restore(path, "demosaic")
    assert restored.dtype == dtype
    assert (restored == told).all()


def test_linear_samples_give_what_their_dng_gives(tmp_path, otter):
    pytest.importorskip("rawpy", reason="raw files need rawpy: pip install '.[raw]'")
    sensor = Sensor(pattern="gbrg", black=(500, 520, 540, 560))
    samples = np.pad(sensor.mosaic(otter / 255), [(3, 1), (5, 0)])
    where = {"active": (3, 5, 147, 205), "crop": (7, 4, 101, 90)}
    dng = images.read(write_dng(tmp_path / "a.dng", samples, sensor, **where), mosaics=True)
    cfa = images.read(write_dng(tmp_path / "a.tif", samples, sensor, without=DNG, **where), mosaics=True)
    assert cfa.mosaic.pattern == dng.mosaic.pattern
    assert cfa.pixels.shape == (90, 101)
    assert abs(cfa.pixels.astype(int) - dng.pixels).max() <= 16
    assert abs(cfa.mosaic.matrix - dng.mosaic.matrix).max() < 1e-3
    assert abs(cfa.mosaic.exposure - dng.mosaic.exposure) < 1e-2


def test_linear_samples_of_8_bits(tmp_path, otter):
    sensor = Sensor(black=(16, 16, 16, 16), white=255)
    samples = sensor.mosaic(otter / 255).astype(np.uint8)
    path = write_dng(tmp_path / "a.tif", samples, sensor, without=DNG)
    photo = images.read(path, mosaics=True)
    photo = replace(photo, mosaic=replace(photo.mosaic, exposure=1.0))
    restored = load_photo_restorer("demosaic").restore(photo).pixels
    assert restored.dtype == np.uint16
    # The brightest sample counts as white, so that tones lie a little higher.
    ratio = restored.mean(axis=(0, 1)) / 257 / otter.mean(axis=(0, 1))
    assert np.ptp(ratio) < 0.05
    assert 1 < ratio.mean() < 1.25


def test_a_pattern_that_contradicts(tmp_path, otter):
    samples = sampled(otter, "rggb")
    path = write_dng(tmp_path / "a.tif", samples, Sensor(), without=DNG | LEVELS_AND_COLOURS)
    refused(magn("restore", path, "--task", "demosaic", "--pattern", "gbrg"), 1, "a.tif", "rggb", "--pattern")
    assert magn("restore", path, "--task", "demosaic", "--pattern", "rggb").exit_code == 0


@pytest.mark.parametrize("colours", [b"\0\1\1\1", b"\0\2\1\1", b"\4\1\1\2", b"\0\1"])
def test_filters_that_are_no_bayer_pattern(tmp_path, otter, colours):
    samples = sampled(otter, "rggb")
    path = write_dng(tmp_path / "a.tif", samples, Sensor(), cfa=((2, 2), colours), without=DNG)
    refused(magn("restore", path, "--task", "demosaic"), 1, "a.tif", "no Bayer pattern")


def test_levels_that_leave_no_range(tmp_path, otter):
    sensor = Sensor(black=(200, 200, 200, 200), white=100)
    path = write_dng(tmp_path / "a.tif", sampled(otter, "rggb"), sensor, without=DNG)
    refused(magn("restore", path, "--task", "demosaic"), 1, "a.tif", "damaged")


@pytest.mark.parametrize("task", ["jpeg", "denoise"])
def test_other_tasks_want_pictures(tmp_path, otter, task):
    path = write_dng(tmp_path / "a.tif", sampled(otter, "rggb"), Sensor(), without=DNG | LEVELS_AND_COLOURS)
    refused(magn("restore", path, "--task", task), 1, "a.tif", "--task demosaic")
    photo = images.read(path, mosaics=True)
    with pytest.raises(magn_cli.errors.ImageError, match="--task demosaic"):
        load_photo_restorer(task).restore(photo)
