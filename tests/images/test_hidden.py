"""What stands under transparent pixels: it is kept, and it reaches nothing beside it."""

import cv2
import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.api.loading import Loader
from magn_cli.inference import picture
from tests.support.commands import magn
from tests.support.pictures import texture

SIZE = (60, 83)


def subject(dtype=np.uint8, channels=3):
    """A picture, and the mask of what is transparent around a disc in it."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return texture(dtype, channels, SIZE), np.hypot(y - 30, x - 40) > 22


def with_junk(pixels, mask, junk):
    given = pixels.copy()
    given[mask] = junk
    return given


def opacity(mask, dtype=np.uint8):
    return np.where(mask, 0, images.full_scale(np.dtype(dtype))).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_filling_depends_on_the_visible_alone(dtype, channels):
    pixels, mask = subject(dtype, channels)
    top = images.full_scale(np.dtype(dtype))
    dark, bright = (images.filled(with_junk(pixels, mask, junk), mask) for junk in (0, top))
    assert (dark == bright).all() and dark.dtype == dtype and dark.shape == pixels.shape
    assert (dark[~mask] == pixels[~mask]).all()
    # No new extremes, and no edge where the picture ends.
    shown = pixels[~mask].reshape(-1, channels)
    assert (dark.reshape(-1, channels).min(0) >= shown.min(0)).all()
    assert (dark.reshape(-1, channels).max(0) <= shown.max(0)).all()
    rim = cv2.dilate((~mask).astype(np.uint8), np.ones((3, 3))).astype(bool) & mask
    steps = np.abs(images.to_float(dark)[:, 1:] - images.to_float(dark)[:, :-1])
    assert steps[rim[:, 1:]].mean() < 2 * steps[~mask[:, 1:]].mean()


def test_where_something_is_hidden():
    pixels, mask = subject()
    photo = images.Photo(pixels, opacity(mask), images.Metadata(), None, "PNG")
    assert (images.hidden(photo) == mask).all()
    for alpha in (None, np.full(SIZE, 255, np.uint8), np.zeros(SIZE, np.uint8), np.ones(SIZE, np.uint8)):
        assert images.hidden(images.Photo(pixels, alpha, images.Metadata(), None, "PNG")) is None


@pytest.mark.parametrize("task", ["jpeg", "denoise"])
@pytest.mark.parametrize("level", [20, "auto"])
def test_junk_does_not_bleed(tmp_path, task, level):
    pixels, mask = subject()
    noise = np.random.default_rng(0).normal(0, 12, pixels.shape)
    pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    results = []
    for name, junk in (("dark", 0), ("bright", 255), ("odd", np.arange(mask.sum() * 3).reshape(-1, 3) * 7 % 256)):
        given = with_junk(pixels, mask, junk)
        Image.fromarray(np.dstack([given, opacity(mask)])).save(tmp_path / f"{name}.png")
        result = magn("restore", tmp_path / f"{name}.png", "--task", task, "--level", level)
        assert result.exit_code == 0, result.output
        out = np.asarray(Image.open(tmp_path / f"{name}_restored.png"))
        assert (out[..., 3] == opacity(mask)).all()
        assert (out[mask][:, :3] == given[mask]).all()
        results.append(out[~mask])
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()
    assert (results[0][:, :3] != pixels[~mask]).any()


def test_junk_does_not_choose_the_task():
    pixels, mask = subject()
    noisy = np.clip(pixels + np.random.default_rng(0).normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
    restorer = Loader().load()
    for junk in (0, 255, np.random.default_rng(1).integers(0, 256, (mask.sum(), 3))):
        given = images.Photo(with_junk(noisy, mask, junk), opacity(mask), images.Metadata(), None, "PNG")
        restored = restorer.restore(given)
        assert restored.task == "denoise" and restored.found.level == pytest.approx(12, abs=4)
        assert restored.network.startswith("magn-s ")


@pytest.mark.parametrize("turned", [1, 3, 6])
def test_junk_does_not_say_where_blocks_begin(tmp_path, turned):
    """It may have been a JPEG on another grid."""
    whole, coarse = Image.fromarray(texture(np.uint8).repeat(6, 0).repeat(6, 1)), tmp_path / "a.jpg"
    whole.save(coarse, quality=40)
    blocks = np.asarray(Image.open(coarse))[3:, 5:]
    mask = np.zeros(blocks.shape[:2], bool)
    mask[:, 90:] = True
    results = []
    for junk in (blocks[mask], 0, np.roll(blocks, (2, 3), (0, 1))[mask]):
        exif = Image.Exif()
        exif[0x0112] = turned
        picture_ = Image.fromarray(np.dstack([with_junk(blocks, mask, junk), opacity(mask)]))
        picture_.save(tmp_path / "b.png", exif=exif)
        assert magn("restore", tmp_path / "b.png", "--task", "jpeg", "--overwrite").exit_code == 0
        out = images.read(tmp_path / "b_restored.png")
        results.append(out.pixels[out.alpha > 0])
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()


def test_opaque_pictures_are_not_filled(tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("filled")

    monkeypatch.setattr(picture.images, "filled", never)
    for channels in (3, 4):
        samples = texture(np.uint8, channels)
        samples[..., -1] |= 1
        Image.fromarray(samples).save(tmp_path / f"{channels}.png")
        assert magn("restore", tmp_path / f"{channels}.png", "--task", "jpeg").exit_code == 0


def test_a_mosaic_is_not_filled(tmp_path):
    """Neighbours have other colours there."""
    samples = np.dstack([texture(np.uint8, 1), np.full((21, 34), 255, np.uint8)])
    samples[:5, :5, 1] = 0
    Image.fromarray(samples).save(tmp_path / "a.png")
    assert magn("restore", tmp_path / "a.png", "--task", "demosaic").exit_code == 0
    assert Image.open(tmp_path / "a_restored.png").mode == "RGBA"
