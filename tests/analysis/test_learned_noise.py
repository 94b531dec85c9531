"""Noise is estimated whatever its colour, and texture is not taken for it."""

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.analysis import findings
from magn_cli.analysis.learned_noise import MIN_SIDE, estimate_noise
from magn_cli.analysis.noise_features import noise_features
from magn_cli.camera import camera_noise, draw_camera
from magn_cli.images import photo_of
from magn_cli.tasks import get_task
from magn_cli.tasks.base import Need
from tests.support.paths import EXAMPLES

NAMES = ("otter", "osprey", "skyline")


def clean(name):
    return images.to_float(np.asarray(Image.open(EXAMPLES / f"{name}.png").convert("RGB")))


def rms(values):
    return 255 * float(np.sqrt(np.square(values, dtype=np.float64).mean()))


@pytest.mark.parametrize("name", NAMES)
class TestPictures:
    def test_a_clean_one(self, name):
        assert estimate_noise(clean(name)).sigma < 1.3

    @pytest.mark.parametrize("sigma", [5, 15, 40])
    def test_white_noise(self, name, sigma):
        pixels = clean(name)
        noisy = pixels + np.random.default_rng(0).standard_normal(pixels.shape) * sigma / 255
        found = estimate_noise(noisy.astype(np.float32))
        assert found.sigma == pytest.approx(sigma, rel=0.2) and found.error == pytest.approx(sigma, rel=0.2)

    @pytest.mark.parametrize("sigma", [6, 14])
    def test_noise_of_cameras(self, name, sigma):
        pixels, ratios, white = clean(name), [], []
        for seed in range(5):
            rng = np.random.default_rng(seed)
            noisy = camera_noise(pixels, sigma, draw_camera(rng, sigma), rng)
            ratios.append(estimate_noise(noisy).error / rms(noisy - pixels))
            white.append(findings.sigma(photo_of(noisy)) / sigma)
        assert 0.75 < np.median(ratios) < 1.25
        # What is not white is not seen as white noise.
        assert np.median(white) < 0.75

    def test_more_noise_is_more(self, name):
        pixels = clean(name)
        found = []
        for sigma in (2, 4, 8, 16, 32):
            rng = np.random.default_rng(1)
            found.append(estimate_noise(camera_noise(pixels, sigma, draw_camera(rng, 8), rng)).error)
        assert found == sorted(found)

    def test_gray_is_the_same_in_one_channel_and_in_three(self, name):
        gray = images.from_float(clean(name)[..., 1], np.uint8)
        assert estimate_noise(np.dstack([gray] * 3)) == estimate_noise(gray)

    def test_the_depth_of_the_samples_changes_nothing(self, name):
        pixels = images.from_float(clean(name), np.uint8)
        of_8_bits = estimate_noise(pixels)
        for same in (pixels.astype(np.uint16) * 257, images.to_float(pixels)):
            assert estimate_noise(same).error == pytest.approx(of_8_bits.error, abs=0.02)


def test_compression_is_told_from_noise(otter, tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(otter).save(path, quality=60)
    photo = images.read(path)
    found = findings.noise(photo)
    assert found.dominance < 0.4 and found.sigma < 0.5 * found.error
    assert found.error == pytest.approx(rms(images.to_float(photo.pixels) - images.to_float(otter)), rel=0.35)
    noisy = np.clip(otter + np.random.default_rng(0).standard_normal(otter.shape) * 20, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(path, quality=90)
    assert findings.noise(images.read(path)).dominance > 0.9


def test_tiles_of_a_large_picture_stand_for_all_of_it(otter):
    noisy = np.clip(otter + np.random.default_rng(0).standard_normal(otter.shape) * 10, 0, 255).astype(np.uint8)
    large = np.concatenate([noisy, noisy[:, ::-1]] * 4, axis=1)
    large = np.concatenate([large, large[::-1]] * 3)
    assert large.size > 3 * 1024 * 1024 + 1
    assert estimate_noise(large).error == pytest.approx(estimate_noise(noisy).error, rel=0.15)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 3), (65, 300, 3), (1500, 900), (64, 40_000, 3)])
def test_any_shape_has_finite_statistics(shape):
    for pixels in (np.zeros(shape, np.uint8), np.random.default_rng(0).integers(0, 256, shape, np.uint8)):
        assert np.isfinite(noise_features(pixels)).all()
        assert np.isfinite(estimate_noise(pixels, 90).error)


@pytest.mark.parametrize("shape", [(1, 1), (MIN_SIDE - 1, 500, 3)])
def test_small_pictures_have_white_noise_alone(shape):
    assert estimate_noise(np.zeros(shape, np.uint8)) is None
    noisy = np.random.default_rng(0).normal(128, 10, shape).astype(np.uint8)
    noise = findings.noise(photo_of(noisy))
    assert noise.sigma == noise.error == findings.sigma(photo_of(noisy))


def test_real_noise(data):
    """Photos whose noise is known from the mean of many shots."""
    ratios = []
    for path in sorted((data / "PolyU").glob("*_real.JPG"))[::8]:
        truth = images.read(path.with_name(path.name.replace("_real", "_mean"))).pixels
        photo = images.read(path)
        ratios.append(findings.noise(photo).error / rms(images.to_float(photo.pixels) - images.to_float(truth)))
    assert 0.75 < np.median(ratios) < 1.25
    assert min(ratios) > 0.5 and max(ratios) < 1.5


def test_noise_shows_beside_fine_texture(data):
    """Half of the photo is a noisy wall, the other half a pot that is strewn with dots."""
    photo = images.read(data / "PolyU" / "Sony_4-5_125_3200_plant_13_real.JPG")
    assert findings.noise(photo).dominance > 0.6
    assert get_task("denoise").claim(photo).need is Need.DOMINANT


def test_noisy_photos_are_told_from_compressed_ones(data, tmp_path):
    noisy = [images.read(path) for path in sorted((data / "PolyU").glob("*_real.JPG"))[::4]]
    compressed = []
    for path in sorted((data / "Kodak24").iterdir())[::2]:
        saved = tmp_path / f"{path.stem}.jpg"
        Image.open(path).convert("RGB").save(saved, quality=75)
        compressed.append(images.read(saved))
    claims = [[get_task("denoise").claim(p).need is Need.DOMINANT for p in group] for group in (noisy, compressed)]
    assert np.mean(claims[0]) > 0.9 and np.mean(claims[1]) < 0.2
