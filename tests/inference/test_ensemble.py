"""Self-ensemble and strength."""

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.api.loading import load_photo_restorer
from magn_cli.errors import UsageError
from magn_cli.images import photo_of
from magn_cli.inference.dihedral import dihedral_transforms, whole_cells
from magn_cli.inference.picture import PhotoRestorer
from magn_cli.inference.tiling import Span
from magn_cli.tasks import get_task
from magn_cli.tasks.demosaic import PATTERNS
from tests.support.commands import magn, refused

JPEG, DENOISE, DEMOSAIC = (get_task(name) for name in ("jpeg", "denoise", "demosaic"))


class Slanted:
    """A fake network that adds a ramp to the right, so that it does not treat all sides alike."""

    def strips(self, seen, level=None, keeps_bayer=False, progress=None):
        across = np.linspace(0, 1, seen.shape[1], dtype=np.float32)[None, :, None]
        yield Span(0, len(seen)), seen + 0.25 * across


def test_turns_are_eight_and_come_back():
    x = np.arange(12).reshape(3, 4)
    seen = {transform.apply(x).tobytes() + bytes(transform.apply(x).shape) for transform in dihedral_transforms()}
    assert len(seen) == 8
    for transform in dihedral_transforms():
        np.testing.assert_array_equal(transform.invert(transform.apply(x)), x)
    np.testing.assert_array_equal(next(dihedral_transforms()).apply(x), x)


@pytest.mark.parametrize("size", [(16, 16), (13, 31), (1, 5)])
def test_an_ensemble_favours_no_side(size):
    x = np.random.default_rng(0).random((*size, 3), np.float32)
    out = PhotoRestorer(JPEG, JPEG.scale, Slanted(), ensemble=True).restore_values(x, 20)
    assert out.shape == x.shape
    np.testing.assert_allclose(out - x, 0.125, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_turn_of_a_mosaic_reaches_the_network_as_grbg(pattern, channels):
    colour = np.array([0.2, 0.5, 0.9], np.float32)
    clean = np.broadcast_to(colour, (9, 14, 3))
    calls = []

    class Looking:
        def strips(self, seen, level=None, keeps_bayer=False, progress=None):
            grbg = np.zeros_like(seen)
            grbg[::2, ::2, 1] = grbg[1::2, 1::2, 1] = colour[1]
            grbg[::2, 1::2, 0], grbg[1::2, ::2, 2] = colour[0], colour[2]
            np.testing.assert_array_equal(seen, grbg)
            calls.append(seen.shape)
            yield Span(0, len(seen)), np.broadcast_to(colour, seen.shape)

    mosaic = DEMOSAIC.degrade(clean, None, np.random.default_rng(0), pattern=pattern, channels=channels)
    restorer = PhotoRestorer(DEMOSAIC, None, Looking(), ensemble=True, pattern=pattern)
    np.testing.assert_allclose(restorer.restore_values(mosaic, None), clean, atol=1e-6)
    assert len(calls) == 8


@pytest.mark.parametrize("corner", [(0, 0), (3, 5), (7, 1)])
@pytest.mark.parametrize("colours", [1, 3])
def test_every_turn_of_a_cut_jpeg_reaches_the_network_with_whole_blocks(corner, colours):
    rows, columns = (np.arange(side) for side in (32, 40))
    inside = (((rows - corner[0]) % 8)[:, None] + 8 * ((columns - corner[1]) % 8)[None, :]) / 64
    # The same in every turn: how far from the middle of its block a pixel lies.
    far = np.abs((inside * 64) % 8 - 3.5) + np.abs(np.floor(inside * 8) - 3.5)
    picture = np.squeeze(np.repeat(far[..., None], colours, -1).astype(np.float32))
    calls = []

    class Looking:
        def strips(self, seen, level=None, keeps_bayer=False, progress=None):
            middle = np.abs(np.arange(seen.shape[0]) % 8 - 3.5)[:, None]
            middle = middle + np.abs(np.arange(seen.shape[1]) % 8 - 3.5)[None, :]
            # In front lies what was reflected.
            expected = np.broadcast_to(middle[..., None], seen.shape)
            np.testing.assert_array_equal(seen[8:, 8:], expected[8:, 8:])
            calls.append(seen.shape)
            yield Span(0, len(seen)), images.to_float(np.ascontiguousarray(seen))

    for ensemble in (False, True):
        restorer = PhotoRestorer(JPEG, JPEG.scale, Looking(), ensemble=ensemble, corner=corner)
        np.testing.assert_allclose(restorer.restore_values(picture, 20), picture, atol=1e-6)
    assert len(calls) == 9


def test_cells_are_filled_up_by_reflection():
    x = np.arange(5)[:, None] * np.ones((1, 8))
    np.testing.assert_array_equal(whole_cells(x, 8)[:, 0], [0, 1, 2, 3, 4, 3, 2, 1])
    assert whole_cells(x, 1).shape == x.shape


def test_an_ensemble_is_better(otter):
    clean = otter[:160, :160].astype(np.float32) / 255
    noisy = DENOISE.degrade(clean, 25, np.random.default_rng(0))
    errors = [
        np.square(load_photo_restorer("denoise", ensemble=ensemble).restore_values(noisy, 25) - clean).mean()
        for ensemble in (False, True)
    ]
    assert errors[1] < errors[0]


def test_strength_is_the_share_of_the_change(otter):
    photo = photo_of(otter[:96, :96])
    values = {}
    for strength in (0, 0.5, 1):
        restorer = load_photo_restorer("jpeg", strength=strength)
        values[strength] = restorer.restore(photo, 20).pixels.astype(float)
    np.testing.assert_array_equal(values[0], photo.pixels)
    assert np.abs(values[1] - values[0]).max() > 5
    np.testing.assert_allclose(values[0.5], (values[0] + values[1]) / 2, atol=1.01)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_out_of_range_is_refused(strength):
    with pytest.raises(UsageError, match="from 0 to 1"):
        load_photo_restorer("jpeg", strength=strength)


def test_the_command_takes_both(otter, tmp_path):
    Image.fromarray(otter[:64, :80]).save(tmp_path / "a.jpg", quality=20)
    words = ("restore", tmp_path / "a.jpg", "--task", "jpeg")
    results = []
    for more in ((), ("--ensemble",), ("--strength", "0.5")):
        assert magn(*words, *more, "--out", tmp_path / f"{len(results)}.png").exit_code == 0
        results.append(np.asarray(Image.open(tmp_path / f"{len(results)}.png")).astype(int))
    assert 0 < np.abs(results[1] - results[0]).max() < 40
    assert np.abs(results[2] - results[0]).max() > 0
    refused(magn(*words, "--strength", "2"), 2, "strength 2")
    refused(magn("restore", tmp_path / "a.jpg", "--task", "demosaic", "--strength", "0.5"), 2, "strength")


def test_eval_measures_an_ensemble(otter, tmp_path):
    (tmp_path / "clean").mkdir()
    Image.fromarray(otter[:64, :80]).save(tmp_path / "clean" / "a.png")
    done = magn("eval", tmp_path / "clean", "--task", "denoise", "--level", "25", "--ensemble")
    assert done.exit_code == 0 and "ensemble" in done.output
