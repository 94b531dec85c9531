"""The bundled denoiser: its level is a control, it helps real photos, and it leaves clean ones alone."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

import magn_cli
from magn_cli import images
from magn_cli.camera import camera_noise, draw_camera
from magn_cli.images import photo_of
from magn_cli.tasks import get_task
from tests.support.commands import magn
from tests.support.paths import EXAMPLES

NAMES = ("otter", "osprey", "skyline")
LEVELS = (2, 5, 10, 15, 25, 50, 75)


def crop(name, side=256):
    pixels = np.asarray(Image.open(EXAMPLES / f"{name}.png").convert("RGB"))
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return images.to_float(pixels[top : top + side, left : left + side])


def rms(values):
    return 255 * float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def psnr(a, b):
    return 20 * np.log10(255 / max(rms(a - b), 1e-9))


@pytest.fixture(scope="module")
def denoiser():
    return magn_cli.load("denoise")


def noisy(kind, name, sigma):
    rng, clean = np.random.default_rng(1), crop(name)
    if kind == "white":
        return clean + rng.standard_normal(clean.shape, np.float32) * np.float32(sigma / 255)
    return camera_noise(clean, sigma, draw_camera(rng, sigma), rng)


@pytest.mark.parametrize("kind", ["white", "camera"])
@pytest.mark.parametrize(("name", "sigma"), [("otter", 25), ("skyline", 12), ("osprey", 5)])
def test_what_is_removed_grows_with_the_level(denoiser, kind, name, sigma):
    picture = noisy(kind, name, sigma)
    changes = [rms(denoiser.restore(picture, level=level).pixels - picture) for level in LEVELS]
    assert all(low < high * 1.01 for low, high in pairwise(changes)), changes
    # A low level holds back what a higher one removes.
    assert changes[0] < 0.75 * changes[-2]


@pytest.mark.parametrize("kind", ["white", "camera"])
@pytest.mark.parametrize("name", NAMES)
def test_twice_the_noise_smooths_more(denoiser, kind, name):
    picture = noisy(kind, name, 10)

    def detail(level):
        pixels = denoiser.restore(picture, level=level).pixels
        return rms(pixels[1:, 1:] - pixels[:-1, :-1])

    assert detail(20) < 0.97 * detail(10)


@pytest.mark.parametrize("level", [5, 10, 20, 40])
@pytest.mark.parametrize("name", NAMES)
def test_no_level_changes_the_brightness(denoiser, name, level):
    picture = noisy("camera", name, 4)
    assert abs((denoiser.restore(picture, level=level).pixels - picture).mean()) * 255 < 1.5


@pytest.mark.parametrize("task", ["denoise", "auto"])
@pytest.mark.parametrize("name", NAMES)
def test_clean_photos_stay(task, name, tmp_path):
    pixels = np.asarray(Image.open(EXAMPLES / f"{name}.png").convert("RGB"))[:512, :512]
    for file, options in (("a.png", {}), ("a.jpg", {"quality": 98, "subsampling": 0}), ("b.jpg", {"quality": 95})):
        if task == "auto" and file == "b.jpg":
            continue  # Its own artifacts are removed.
        Image.fromarray(pixels).save(tmp_path / file, **options)
        out = tmp_path / f"{file}.png"
        assert magn("restore", tmp_path / file, "--task", task, "--out", out).exit_code == 0
        assert psnr(*(images.to_float(images.read(path).pixels) for path in (tmp_path / file, out))) > 50


@pytest.mark.slow
def test_clean_photos_of_others_stay(data, denoiser):
    for folder in ("Kodak24", "McMaster18"):
        for path in sorted((data / folder).iterdir())[::4]:
            pixels = images.read(path).pixels
            assert psnr(images.to_float(denoiser(pixels)), images.to_float(pixels)) > 50, path


def test_real_noise_is_removed(data, denoiser):
    """Photos with the mean of many shots as truth."""
    gains = {"denoise": [], "auto": []}
    for path in sorted((data / "PolyU").glob("*_real.JPG"))[::20]:
        truth = images.to_float(images.read(path.with_name(path.name.replace("_real", "_mean"))).pixels)
        before = psnr(images.to_float(images.read(path).pixels), truth)
        for task, found in gains.items():
            found.append(psnr(images.to_float(magn_cli.restore(path, task=task)), truth) - before)
    assert np.mean(gains["denoise"]) > 2 and np.mean(gains["auto"]) > 1.9
    assert min(gains["denoise"]) > 0.3 and min(gains["auto"]) > -0.1


def test_faint_noise_is_removed_in_part():
    task, clean, rng = get_task("denoise"), crop("skyline"), np.random.default_rng(0)
    strengths = [
        task.find_level(
            photo_of(clean + rng.standard_normal(clean.shape, np.float32) * np.float32(s / 255))
        ).strength
        for s in (0, 1, 2, 3, 6)
    ]
    assert strengths == sorted(strengths) and strengths[0] == 0 and strengths[-1] == 1
    assert 0 < strengths[2] < 1
