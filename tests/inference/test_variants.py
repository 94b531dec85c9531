"""A network for white noise takes over where such noise is seen, and nowhere else."""

import logging

import numpy as np
import pytest
from PIL import Image

import magn_cli
from magn_cli import images
from magn_cli.analysis import findings
from magn_cli.api.loading import Loader, load_photo_restorer
from magn_cli.camera import camera_noise, draw_camera
from magn_cli.inference.graph_window import graph_window
from magn_cli.weights.registry import variant
from magn_cli.weights.resolve import resolve
from tests.support.commands import magn


def noisy(clean, sigma, kind="white"):
    rng, clean = np.random.default_rng(3), images.to_float(clean)
    if kind == "white":
        return clean + rng.standard_normal(clean.shape, np.float32) * np.float32(sigma / 255)
    return camera_noise(clean, sigma, draw_camera(rng, sigma), rng)


def eight_bit(values):
    return images.from_float(values.clip(0, 1), np.dtype(np.uint8))


@pytest.mark.parametrize("sigma", [10, 15, 25, 50])
@pytest.mark.parametrize("gray", [False, True])
def test_white_noise_is_recognized_rounded_or_not(otter, sigma, gray):
    clean = otter[..., 1] if gray else otter
    values = noisy(clean, sigma)
    assert findings.is_white(images.photo_of(values))
    assert findings.is_white(images.photo_of(eight_bit(values)))


@pytest.mark.parametrize("sigma", [5, 10, 25])
def test_clean_photos_and_the_noise_of_cameras_are_not_white(otter, sigma):
    assert not findings.is_white(images.photo_of(otter))
    assert not findings.is_white(images.photo_of(noisy(otter, sigma, "camera")))


def test_jpeg_files_are_never_white(otter, tmp_path):
    path = tmp_path / "noisy.jpg"
    Image.fromarray(eight_bit(noisy(otter, 25))).save(path, quality=98, subsampling=0)
    assert not findings.is_white(images.read(path))


def test_each_photo_gets_the_network_that_suits_it(otter, caplog):
    caplog.set_level(logging.INFO, "magn_cli")
    restorer = load_photo_restorer("denoise", precision="fp32")
    own = {
        preset: load_photo_restorer("denoise", weights=resolve("denoise", preset).path, precision="fp32")
        for preset in ("magn-s", "magn-s-white")
    }
    assert not any(alone.variants for alone in own.values())
    for kind, preset in (("white", "magn-s-white"), ("camera", "magn-s")):
        values = noisy(otter, 25, kind)
        assert restorer.suited(images.photo_of(values)).network == own[preset].network
        result = restorer.restore_values(values, 25)
        np.testing.assert_array_equal(result, own[preset].restore_values(values, 25))
        photo = images.photo_of(eight_bit(values))
        restored = restorer.restore(photo, 25)
        np.testing.assert_array_equal(restored.pixels, own[preset].restore(photo, 25).pixels)
        assert restored.network == own[preset].network == graph_window(restorer, photo, (60, 60), 25).network
    assert "white noise: the network" in caplog.text


def test_it_is_loaded_once_and_only_when_needed(otter, monkeypatch):
    loaded = []
    real = Loader._tiled
    monkeypatch.setattr(Loader, "_tiled", lambda self, *words: loaded.append(words) or real(self, *words))
    restorer = magn_cli.load("denoise")
    restorer.restore(otter, level=5)
    assert len(loaded) == 1
    for _ in range(2):
        restorer.restore(noisy(otter, 25), level=25)
    assert len(loaded) == 2


def test_only_the_registry_of_a_preset_adds_a_variant_to_it(tmp_path, monkeypatch):
    assert variant("denoise", "magn-s", "white") == "magn-s-white"
    assert variant("denoise", "magn-s-white", "white") is variant("jpeg", "magn-s", "white") is None
    found = resolve("denoise", "magn-s")
    own = tmp_path / "weights.toml"
    own.write_text(
        f'[[checkpoint]]\ntask = "denoise"\npreset = "magn-s"\nfile = "own.safetensors"\n'
        f'sha256 = "{found.sha256}"\nsize = {found.path.stat().st_size}\n'
    )
    (tmp_path / "own.safetensors").write_bytes(found.path.read_bytes())
    monkeypatch.setenv("MAGN_WEIGHTS", str(own))
    assert variant("denoise", "magn-s", "white") is None
    assert Loader("denoise").variants == {"denoise": {}}


def test_it_can_be_asked_for_by_name(otter, tmp_path):
    Image.fromarray(eight_bit(noisy(otter, 25, "camera"))).save(tmp_path / "a.png")
    out = tmp_path / "out.png"
    words = ["-t", "denoise", "-l", "25", "--preset", "magn-s-white", "--precision", "fp32"]
    done = magn("restore", tmp_path / "a.png", *words, "-o", out)
    assert done.exit_code == 0, done.output
    alone = load_photo_restorer("denoise", preset="magn-s-white", precision="fp32")
    expected = alone.restore(images.read(tmp_path / "a.png"), 25).pixels
    np.testing.assert_array_equal(images.read(out).pixels, expected)
