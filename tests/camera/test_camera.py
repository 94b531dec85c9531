"""The simulated camera: correct colours, and noise of the right strength and character."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from magn_cli import images
from magn_cli.camera import (
    Camera,
    Compression,
    brightness_shift,
    camera_noise,
    compress_again,
    draw_camera,
    draw_sharpness,
    film_grain,
    subsampled,
)
from magn_cli.camera.developing import METHODS, ToneCurve, demosaic, draw_tone_curve
from magn_cli.camera.processing import Processing, blurred
from magn_cli.camera.sensor import draw_sensor, expose, mosaic
from magn_cli.camera.tables import Table

PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]
PLAIN = Processing(0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0)


def photo(size: int = 192) -> np.ndarray:
    pixels = images.to_float(images.read(Path("examples/otter.png")).pixels)
    return np.ascontiguousarray(pixels[200 : 200 + size, 300 : 300 + size])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("phase", PHASES)
def test_every_method_keeps_a_flat_colour(method: str, phase: tuple[int, int]) -> None:
    rgb = np.broadcast_to(np.array([0.7, 0.4, 0.2], np.float32), (16, 20, 3))
    developed = demosaic(mosaic(rgb, phase), phase, method)
    assert developed.shape == (16, 20, 3)
    np.testing.assert_allclose(developed[3:-3, 3:-3], rgb[3:-3, 3:-3], atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_near_a_smooth_picture(method: str) -> None:
    clean = photo()
    for phase in PHASES:
        difference = (demosaic(mosaic(clean, phase), phase, method) - clean)[4:-4, 4:-4]
        assert rms(difference) < 0.03


def test_a_table_is_linear_between_its_values() -> None:
    values = np.random.default_rng(0).random(17, dtype=np.float32)
    x = np.linspace(-0.5, 1.5, 999, dtype=np.float32).reshape(27, 37)
    expected = np.interp(x, np.linspace(0, 1, 17), values)
    np.testing.assert_allclose(Table(values)(x), expected, atol=1e-6)


def test_tone_curves_rise_and_have_an_inverse() -> None:
    values = np.linspace(0, 1, 256, dtype=np.float32)
    for seed in range(50):
        curve: ToneCurve = draw_tone_curve(np.random.default_rng(seed))
        assert (np.diff(curve.to_display(values)) > 0).all()
        np.testing.assert_allclose(curve.to_display(curve.to_linear(values)), values, atol=2e-3)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("corner", [(0, 0), (3, 5)])
def test_subsampled_chroma_is_that_of_a_file(subsampling: str, corner: tuple[int, int]) -> None:
    colours = np.random.default_rng(0).standard_normal((79, 91, 3), np.float32)
    clean = (photo()[:79, :91] + 0.2 * blurred(colours, 0.8)).clip(0, 1)
    files = (Compression(100, subsampling, corner),)
    stored, ours = compress_again(clean, files), subsampled(clean, files)
    assert rms(stored - ours) < 1 / 255
    assert (rms(stored - clean) > 5 / 255) == (subsampling != "4:4:4")
    np.testing.assert_array_equal(subsampled(clean[..., 1], files), clean[..., 1])


def test_noise_leaves_the_mean_at_each_brightness() -> None:
    ramp = np.linspace(0.25, 0.75, 256, dtype=np.float32)
    clean = np.repeat(np.repeat(ramp[None, :, None], 256, 0), 3, 2)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        camera = dataclasses.replace(draw_camera(rng, 20.0), files=())
        noise = camera_noise(clean, 12.0, camera, rng, exact=False) - clean
        assert np.abs(noise.reshape(256, 8, 32, 3).mean((0, 2))).max() * 255 < 1.2


def test_brightness_shift_is_the_mean_of_clipped_noise() -> None:
    clean = np.repeat(np.linspace(0, 0.5, 512, dtype=np.float32)[None], 512, 0)
    noise = np.random.default_rng(0).standard_normal(clean.shape, np.float32) * np.float32(0.08)
    clipped = (clean + noise).clip(0, 1) - clean
    shift = brightness_shift(clipped, clean)
    # At black, half of the noise remains: a mean of sigma / sqrt(2 pi).
    assert shift[:, 0].mean() == pytest.approx(0.08 / math.sqrt(2 * math.pi), rel=0.2)
    assert abs(shift[:, -60:].mean()) < 0.002


def test_raw_noise_grows_with_light_as_poisson_says() -> None:
    sensor = draw_sensor(np.random.default_rng(3), 10.0)
    found = []
    for light in (0.02, 0.1, 0.4):
        gray = np.full((256, 256, 3), light, np.float32)
        clean, noisy = expose(gray, sensor, np.random.default_rng(0))
        row, column = sensor.phase
        green = (noisy - clean)[row::2, 1 - column :: 2]
        found.append(float(green.var()))
        expected = sensor.shot * clean[row, 1 - column] + sensor.read + sensor.rows**2
        assert found[-1] == pytest.approx(float(expected), rel=0.1)
    assert found[0] < found[1] < found[2]


@pytest.mark.parametrize("sigma", [2.0, 8.0, 30.0])
def test_noise_is_as_strong_as_asked_for(sigma: float) -> None:
    clean = photo()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        camera = draw_camera(rng, sigma)
        plain = Camera(camera.sensor, camera.curve, camera.method, camera.processing, ())
        found = 255 * rms(camera_noise(clean, sigma, plain, rng) - clean)
        # Clipping at black and white, and 8 bits, take or add a little.
        assert found == pytest.approx(sigma, rel=0.06)


def test_the_same_seed_gives_the_same_noise() -> None:
    clean = photo(96)
    first, second, other = (
        camera_noise(clean, 8, draw_camera(np.random.default_rng(s), 8), np.random.default_rng(s))
        for s in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, second)
    assert rms(first - other) > 0.01


def test_noise_is_coarser_than_white_noise_and_chroma_coarser_than_luma() -> None:
    """White noise has no correlation between neighbours; camera noise has."""
    clean = np.full((128, 128, 3), 0.4, np.float32)
    luma, chroma = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        noise = camera_noise(clean, 8, draw_camera(rng, 8), rng) - clean
        gray = noise @ np.array([0.299, 0.587, 0.114], np.float32)
        red = noise[..., 0] - gray
        for values, found in ((gray, luma), (red, chroma)):
            centred = values - values.mean()
            found.append(float((centred[:, 1:] * centred[:, :-1]).mean() / (centred**2).mean()))
    assert np.median(luma) > 0.2
    assert np.median(chroma) > 0.6


def test_some_pictures_get_softer_colours_and_keep_their_luma() -> None:
    clean = 0.2 + 0.6 * photo()
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    drawn = [draw_sharpness(clean, np.random.default_rng(seed)) for seed in range(60)]
    same_luma = [picture for picture in drawn if rms((picture - clean) @ luma) < 0.001]
    softer = [picture for picture in same_luma if rms(picture - clean) > 0.002]
    assert 0.1 < len(softer) / len(same_luma) < 0.9
    for picture in softer:
        colours, before = (values - (values @ luma)[..., None] for values in (picture, clean))
        assert rms(np.diff(colours, axis=1)) < 0.95 * rms(np.diff(before, axis=1))


def test_gray_pictures_and_odd_sizes() -> None:
    for shape in ((33, 47), (33, 47, 3), (1, 1, 3), (2, 5)):
        clean = np.random.default_rng(0).random(shape).astype(np.float32)
        for seed in range(6):
            rng = np.random.default_rng(seed)
            noisy = camera_noise(clean, 10, draw_camera(rng, 10), rng)
            assert noisy.shape == shape and noisy.dtype == np.float32
            assert np.isfinite(noisy).all() and noisy.min() >= 0 and noisy.max() <= 1


def test_jpeg_files_have_their_blocks_where_they_say() -> None:
    clean = photo(96)
    moved = compress_again(clean, (Compression(30, "4:4:4", (3, 5)),))
    aligned = compress_again(clean[5:, 3:], (Compression(30, "4:4:4", (0, 0)),))
    np.testing.assert_array_equal(moved[5:, 3:], aligned)
    gray = clean.mean(-1)
    assert compress_again(gray, (Compression(30, "4:2:0", (0, 0)),)).shape == gray.shape


def test_grain_is_gray_and_strongest_in_the_middle_tones() -> None:
    ramp = np.repeat(np.linspace(0, 1, 512, dtype=np.float32)[None, :, None], 128, 0).repeat(3, 2)
    noise = film_grain(ramp, 10, 1.0, np.random.default_rng(0)) - ramp
    assert np.abs(noise - noise[..., :1])[:, 60:-60].max() < 2 / 255
    assert noise[:, 200:312].std() > 1.5 * noise[:, 20:60].std()
    assert 255 * rms(noise) == pytest.approx(10, rel=0.1)
