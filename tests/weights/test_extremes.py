"""Bundled networks on pictures that no photograph resembles: none of them runs away."""

import cv2
import numpy as np
import pytest

import magn_cli
from magn_cli import images
from magn_cli.inference.tiled_network import TiledNetwork
from magn_cli.tasks import get_task
from magn_cli.training.patterns import draw_pattern
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.resolve import resolve
from tests.support.paths import EXAMPLES

SIDE = 96
LEVELS = {"denoise": (0, 5, 25, 75), "jpeg": (5, 40, 95), "demosaic": (None,)}


def photo():
    return images.to_float(images.read(EXAMPLES / "osprey.png").pixels)[150 : 150 + SIDE, 150 : 150 + SIDE]


def fixed():
    """The patterns that broke networks trained on photographs alone."""
    y, x = np.mgrid[:SIDE, :SIDE]
    rng = np.random.default_rng(0)
    noise = rng.random((SIDE, SIDE, 3), dtype=np.float32)
    planes = {
        "checkerboard": (x + y) % 2,
        "coarse checkerboard": (x // 2 + y // 2) % 2,
        "stripes": x % 2,
        "wide stripes": y // 2 % 2,
    }
    pictures = {name: np.repeat(plane[..., None], 3, axis=2) for name, plane in planes.items()}
    colours = np.stack([x % 3 == channel for channel in range(3)], axis=2)
    pictures |= {"noise": noise, "two values": noise > 0.5, "colour stripes": colours}
    return {name: picture.astype(np.float32) for name, picture in pictures.items()}


def drawn():
    rng = np.random.default_rng(1)
    return {f"drawn {number}": draw_pattern(photo(), rng) for number in range(12)}


def soft(seed):
    """Vivid colours that blend over 20 pixels, as on a toy out of focus."""
    colours = np.random.default_rng(seed).choice(np.float32([0, 0, 0.15, 0.3, 0.7, 1]), (6, 6, 3))
    return cv2.resize(colours, (128, 128), interpolation=cv2.INTER_CUBIC).clip(0, 1)


@pytest.mark.parametrize("noise", [0, 2, 5])
def test_soft_colours_stay_much_as_they_are_however_much_noise_is_told(noise):
    denoise, degrade = magn_cli.load("denoise", precision="fp32").restore, get_task("denoise").degrade
    for level in (2, 5, 10, 25, 50, 75):
        changes = []
        for seed in range(6):
            clean = soft(seed)
            noisy = degrade(clean, noise, np.random.default_rng(seed))
            changes.append(np.abs(denoise(noisy, level=level).pixels.clip(0, 1) - clean).max(-1) * 255)
        # Twice the noise told, and what the colours around a pixel differ by.
        assert np.max(changes) < 80 + 2 * level, level
        assert np.mean(np.array(changes) > 40) < 0.1, level


@pytest.mark.parametrize("task", LEVELS)
def test_patterns_do_not_run_away(task):
    about = resolve(task, "magn-s")
    network, task = TiledNetwork(load_checkpoint(about.path)[0]), get_task(task)
    for name, picture in (fixed() | drawn()).items():
        pixels = task.degrade(picture, None, np.random.default_rng(0)) if task.name == "demosaic" else picture
        for level in LEVELS[task.name]:
            told = -1.0 if level is None else task.scale.to_network(level)
            restored = network.restore(task.network_input(pixels), told, task.keeps_bayer_phase)
            found = name, level, restored.min(), restored.max()
            assert restored.min() > -1 and restored.max() < 2, found
