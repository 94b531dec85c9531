"""White noise is told from coarse noise, and dark noise from bright."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from magn_cli import camera
from magn_cli.analysis.grain import EDGES, MAX_RATIO, measure_grain
from magn_cli.images import from_float, to_float
from tests.support.paths import EXAMPLES


@pytest.fixture(scope="module")
def photo():
    return to_float(np.asarray(Image.open(EXAMPLES / "otter.png").convert("RGB")))


def noise(shape, sigma, blur=0.0, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    values = camera.processing.blurred(values, blur) if blur else values
    return values * np.float32(sigma / 255 / values.std())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_white_noise_is_white(photo, dtype):
    grain = measure_grain(from_float(photo + noise(photo.shape, 10), dtype))
    assert not grain.is_coarse and 0.9 < grain.chroma < 1.3


@pytest.mark.parametrize("blur", [0.8, 1.5])
def test_blurred_noise_is_coarse(photo, blur):
    grain = measure_grain(from_float(photo + noise(photo.shape, 10, blur), np.uint8))
    assert grain.is_coarse and 3 < grain.chroma <= MAX_RATIO and grain.luma > 3


@pytest.mark.parametrize("seed", range(4))
def test_the_noise_of_a_camera_is_coarse(photo, seed):
    rng = np.random.default_rng(seed)
    noisy = camera.camera_noise(photo, 10, camera.draw_camera(rng, 10), rng)
    assert measure_grain(from_float(noisy, np.uint8)).is_coarse


def test_gray_pictures(photo):
    gray = photo @ np.array([0.299, 0.587, 0.114], np.float32)
    grain = measure_grain(from_float(gray + noise(gray.shape, 10), np.uint8))
    assert grain.chroma is None and not grain.is_coarse
    assert measure_grain(from_float(gray + noise(gray.shape, 10, 1.5), np.uint8)).is_coarse


def test_noise_by_brightness_is_found_where_it_is():
    ramp = np.repeat(np.linspace(0.05, 0.95, 512, dtype=np.float32)[None, :], 512, 0)
    sigma = np.where(ramp < 0.5, 20, 5).astype(np.float32)
    grain = measure_grain(ramp + noise(ramp.shape, 1) * sigma)
    relative = [one.relative for one in grain.ranges]
    assert [(one.low, one.high) for one in grain.ranges] == list(pairwise(EDGES))
    assert sum(one.share for one in grain.ranges) == pytest.approx(1)
    dark, bright = relative[1], relative[3]
    assert dark / bright == pytest.approx(4, rel=0.1)
    # The mean power is that of the whole picture.
    whole = np.sqrt(np.square(sigma).mean())
    assert dark == pytest.approx(20 / whole, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (63, 4000, 3), (64, 64), (100, 100, 3)])
def test_pictures_that_are_too_small(shape):
    assert measure_grain(np.full(shape, 100, np.uint8)) is None


@pytest.mark.parametrize("value", [0, 255])
def test_clipped_pictures_tell_nothing(value):
    assert measure_grain(np.full((512, 512, 3), value, np.uint8)) is None


def test_a_flat_picture_has_no_noise():
    grain = measure_grain(np.full((512, 512, 3), 90, np.uint8))
    assert not grain.is_coarse and all(one.relative is None for one in grain.ranges)
