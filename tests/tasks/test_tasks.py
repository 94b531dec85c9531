"""Degradations and levels: against the paper's input columns, and against what other encoders say."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import magn_cli
from magn_cli import images
from magn_cli.analysis import noise
from magn_cli.analysis.jpeg_blocks import find_grid
from magn_cli.analysis.noise import estimate_sigma, sigma_of_detail
from magn_cli.api.loading import load_photo_restorer
from magn_cli.errors import ImageError, UsageError
from magn_cli.images import photo_of
from magn_cli.inference.picture import PhotoRestorer
from magn_cli.inference.tiling import Span
from magn_cli.tasks import get_task
from magn_cli.tasks.demosaic import PATTERNS
from tests.support.paths import EXAMPLES


def encode(pixels, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


RNG = np.random.default_rng(0)


class Identity:
    """A fake network that returns its input."""

    def strips(self, seen, level=None, keeps_bayer=False, progress=None):
        for start in range(0, len(seen), 50):
            rows = seen[start : start + 50]
            yield Span(start, start + len(rows)), images.to_float(rows)


def as_float(otter):
    return images.to_float(otter)


def mean_psnr(folder: Path, task: str, level) -> float:
    values = []
    for path in sorted(folder.glob("*.*")):
        clean = images.to_float(images.read(path).pixels)
        degraded = images.from_float(get_task(task).degrade(clean, level, RNG), np.dtype(np.uint8)).astype(float)
        values.append(-10 * np.log10(np.square(degraded / 255 - clean.astype(float)).mean()))
    return float(np.mean(values))


@pytest.mark.parametrize(("quality", "printed"), [(10, 27.82), (20, 30.12), (30, 31.48), (40, 32.43)])
def test_jpeg_column_of_table_iii(data, quality, printed):
    assert round(mean_psnr(data / "Classic5", "jpeg", quality), 2) == printed


@pytest.mark.parametrize(("name", "printed"), [("McMaster18", 9.17), ("Kodak24", 8.56)])
def test_mosaic_row_of_table_iv(data, name, printed):
    assert round(mean_psnr(data / name, "demosaic", None), 2) == printed


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_quality_is_read_from_the_tables(tmp_path, otter, mode):
    for quality in range(1, 101):
        Image.fromarray(otter[:16, :16]).convert(mode).save(tmp_path / "a.jpg", quality=quality)
        found = get_task("jpeg").find_level(images.read(tmp_path / "a.jpg"))
        assert (found.level, found.how) == (quality, "from the file's quantization tables")


def test_tables_of_another_encoder_get_the_nearest_quality(tmp_path, otter):
    standard = io.BytesIO()
    Image.fromarray(otter).save(standard, "JPEG", quality=30)
    tables = {i: [min(255, v + 1) for v in t] for i, t in Image.open(standard).quantization.items()}
    Image.fromarray(otter).save(tmp_path / "a.jpg", qtables=tables)
    found = get_task("jpeg").find_level(images.read(tmp_path / "a.jpg"))
    assert abs(found.level - 30) <= 2 and "nearest" in found.how


def test_a_quality_above_the_range_is_told_as_the_nearest(tmp_path, otter):
    Image.fromarray(otter).save(tmp_path / "a.jpg", quality=98)
    task = get_task("jpeg")
    level = PhotoRestorer(task, task.scale, Identity()).resolve(images.read(tmp_path / "a.jpg"), "auto")
    assert level.level == 95 and "98" in level.how


@pytest.mark.parametrize("name", ["otter", "osprey", "skyline"])
def test_a_clean_picture_that_is_no_jpeg_is_left_as_it_is(name):
    clean = np.asarray(Image.open(EXAMPLES / f"{name}.png").convert("RGB"))
    task = get_task("jpeg")
    restored = PhotoRestorer(task, task.scale, None).restore(photo_of(clean))  # a network would be missed
    assert restored.pixels is clean and "left as it is" in restored.describe_level()
    # Resized after compression: there are no blocks any more.
    small = Image.open(io.BytesIO(encode(clean, 60))).resize((500, 300))
    assert task.find_level(photo_of(np.asarray(small))).strength == 0


@pytest.mark.parametrize("name", ["otter", "osprey", "skyline"])
@pytest.mark.parametrize("quality", [30, 60, 85])
def test_a_picture_that_was_a_jpeg_once_is_known_by_its_blocks(name, quality):
    clean = np.asarray(Image.open(EXAMPLES / f"{name}.png").convert("RGB"))
    once = np.asarray(Image.open(io.BytesIO(encode(clean, quality))))
    for pixels, corner in ((once, (0, 0)), (once[3:, 5:], (5, 3)), (once.astype(np.uint16) * 257, (0, 0))):
        assert find_grid(pixels).corner == corner
        found = get_task("jpeg").find_level(photo_of(pixels))
        assert found.level is None and found.strength == 1 and "shows the blocks" in found.how


def test_blocks_that_begin_elsewhere_are_restored_as_well_as_others(otter):
    once = np.asarray(Image.open(io.BytesIO(encode(otter, 20))))
    restorer = load_photo_restorer("jpeg")

    def error(rows, columns, known=True):
        cut = photo_of(np.ascontiguousarray(once[rows:, columns:]))
        if known:
            assert restorer.task.photo_options(cut).get("corner", (0, 0)) == (-rows % 8, -columns % 8)
            restored = restorer.restore(cut, 20).pixels
        else:
            restored = images.from_float(restorer.restore_values(images.to_float(cut.pixels), 20), np.uint8)
        inner = np.s_[24 - rows : 120 - rows, 24 - columns : 176 - columns]
        return np.square(restored[inner].astype(float) - otter[24:120, 24:176]).mean()

    assert error(3, 5) < 1.02 * error(0, 0)
    assert error(3, 5) < 0.95 * error(3, 5, known=False)


@pytest.mark.parametrize("pixels", [np.zeros((63, 200), np.uint8), np.zeros((1, 1, 3), np.uint8)])
def test_of_small_pictures_nothing_is_said(pixels):
    assert find_grid(pixels) is None
    assert get_task("jpeg").find_level(photo_of(pixels)).strength == 1


def test_a_flat_picture_has_no_blocks():
    assert find_grid(np.full((100, 100, 3), 7, np.uint8)).contrast == 1


def test_jpeg_is_what_pillow_makes(otter):
    buffer = io.BytesIO()
    Image.fromarray(otter).save(buffer, "JPEG", quality=35, subsampling="4:4:4")
    ours = get_task("jpeg").degrade(as_float(otter), 35, RNG, subsampling="4:4:4")
    np.testing.assert_array_equal(images.from_float(ours, np.dtype(np.uint8)), np.asarray(Image.open(buffer)))


def test_noise_has_the_sigma_asked_for_and_is_not_clipped(otter):
    clean = as_float(otter)
    noise = (get_task("denoise").degrade(clean, 25, np.random.default_rng(1)) - clean) * 255
    assert abs(noise.std() - 25) < 0.2 and abs(noise.mean()) < 0.2
    assert (clean + noise / 255).min() < 0


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_sigma_is_estimated(otter, sigma):
    noisy = get_task("denoise").degrade(as_float(otter), sigma, np.random.default_rng(1))
    assert abs(estimate_sigma(noisy) - sigma) < 0.05 * sigma  # though there is fur all over
    gray = noisy @ np.array([0.299, 0.587, 0.114], np.float32)
    assert abs(estimate_sigma(gray) / (0.668 * sigma) - 1) < 0.3  # in gray, texture counts in part


@pytest.mark.parametrize("sigma", [2, 5, 10])
@pytest.mark.parametrize("name", ["otter", "osprey", "skyline"])
def test_sigma_in_files_of_8_bits(name, sigma):
    clean = np.asarray(Image.open(EXAMPLES / f"{name}.png").convert("RGB"))
    noisy = np.clip(np.rint(clean + np.random.default_rng(1).standard_normal(clean.shape) * sigma), 0, 255)
    for pixels in (noisy.astype(np.uint8), noisy.astype(np.uint16) * 257, noisy.astype(np.float32) / 255):
        assert abs(estimate_sigma(pixels) - sigma) < 0.05 * sigma + 0.3


@pytest.mark.parametrize("sigma", [0, 5, 20])
def test_some_rows_of_a_large_picture_show_its_noise(otter, sigma, monkeypatch):
    noisy = get_task("denoise").degrade(as_float(otter), sigma, np.random.default_rng(1))
    every = sigma_of_detail(noisy)
    monkeypatch.setattr(noise, "MAX_BLOCKS", 100)
    some = sigma_of_detail(noisy)
    assert some != every
    np.testing.assert_allclose(some, every, rtol=0.05, atol=0.2)


def test_clipping_does_not_hide_noise():
    gray = np.tile(np.linspace(0, 1, 400, dtype=np.float32), (400, 1))
    noisy = gray + np.random.default_rng(1).standard_normal(gray.shape, np.float32) * np.float32(50 / 255)
    assert abs(estimate_sigma(np.clip(noisy, 0, 1)) - 50) < 3


@pytest.mark.parametrize("name", ["otter", "osprey", "skyline"])
def test_a_clean_photo_is_hardly_taken_for_noisy(name):
    assert estimate_sigma(np.asarray(Image.open(EXAMPLES / f"{name}.png").convert("RGB"))) < 1.2


@pytest.mark.parametrize("name", ["otter", "osprey", "skyline"])
def test_noise_is_seen_where_chroma_was_stored_at_half_the_size(name, tmp_path):
    clean = np.asarray(Image.open(EXAMPLES / f"{name}.png").convert("RGB"))
    noisy = np.clip(clean + np.random.default_rng(1).standard_normal(clean.shape) * 15, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "a.jpg", quality=90)
    photo = images.read(tmp_path / "a.jpg")
    assert get_task("denoise").find_level(photo).level > 8
    assert estimate_sigma(photo.pixels) > 8  # nor where it was saved as a PNG since


@pytest.mark.parametrize("shape", [(1, 1), (2, 2, 3), (16, 16, 3), (40, 33, 3), (70, 300)])
def test_sigma_of_small_pictures(shape):
    assert estimate_sigma(np.full(shape, 90, np.uint8)) == 0
    noise = 128 + np.random.default_rng(0).standard_normal(shape) * 20
    assert np.isfinite(estimate_sigma(noise.astype(np.uint8)))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_pattern_reaches_the_network_as_grbg(otter, pattern, channels):
    task, clean = get_task("demosaic"), as_float(otter)[:21, :32]
    mosaic = task.degrade(clean, None, RNG, pattern=pattern, channels=channels)
    seen = task.network_input(mosaic, pattern=pattern)
    assert (seen[0::2, 0::2, [0, 2]] == 0).all() and (seen[0::2, 1::2, 1:] == 0).all()
    assert (seen[1::2, 0::2, :2] == 0).all() and (seen[1::2, 1::2, [0, 2]] == 0).all()
    back = seen[task.margin(pattern=pattern)[0] :, task.margin(pattern=pattern)[1] :]
    np.testing.assert_array_equal(back, task.degrade(clean, None, RNG, pattern=pattern))


def test_a_photo_is_no_mosaic(otter):
    with pytest.raises(ImageError, match="not a GRBG mosaic"):
        get_task("demosaic").network_input(as_float(otter))


def test_a_cfa_picture_becomes_colour_of_its_depth(otter):
    task = get_task("demosaic")
    cfa = images.from_float(task.degrade(as_float(otter), None, RNG, channels=1), np.dtype(np.uint16))
    out = PhotoRestorer(task, None, Identity(), pattern="grbg").restore(photo_of(cfa)).pixels
    assert out.shape == (*cfa.shape, 3) and out.dtype == np.uint16
    sampled = task.network_input(cfa)
    np.testing.assert_array_equal(out[sampled > 0], sampled[sampled > 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("start", [0, 1, 6, 17])
def test_missing_colours_stay_near_the_samples_around_them(otter, dtype, start):
    task, clean = get_task("demosaic"), as_float(otter)[:20, :32].copy()
    clean[4:12, 8:20] = 1
    seen = images.from_float(task.degrade(clean, None, RNG), np.dtype(dtype))
    rows = clean[start : start + 3]
    for strange in (rows - 3, rows + 3):
        bounded = task.bounded(strange.copy(), seen, start, None)
        assert bounded.min() >= -0.5 and bounded.max() <= 1.5
        # Every sample within two pixels is white, so are the colours between them.
        assert (bounded[:, 10:18] == 1).all() == (start == 6)
        whole = task.bounded(np.repeat(strange[:1], 20, axis=0), seen, 0, None)
        np.testing.assert_array_equal(bounded[0], whole[start])


@pytest.mark.parametrize("start", [0, 1, 9])
def test_a_denoised_picture_stays_near_its_own_values(otter, start):
    task, noisy = get_task("denoise"), as_float(otter)[:20, :32].copy()
    noisy[4:16, 8:20] = 0.5
    rows = noisy[start : start + 4]
    bounded = task.bounded(rows + 1, noisy, start, 20.0)
    np.testing.assert_array_equal(bounded[0], task.bounded(noisy + 1, noisy, 0, 20.0)[start])
    assert (bounded <= rows + 1).all()
    if start == 9:
        np.testing.assert_allclose(bounded[:, 10:18], 0.5 + 2 * 20 / 255, atol=1e-6)
    np.testing.assert_array_equal(task.bounded(rows, noisy, start, 20.0), rows)


@pytest.mark.parametrize("name", ["denoise", "jpeg"])
def test_gray_in_gray_out(name, otter):
    task, gray = get_task(name), as_float(otter)[..., 1]
    seen = task.network_input(gray)
    assert seen.shape == (*gray.shape, 3)
    np.testing.assert_allclose(task.network_output(seen, gray=True), gray, atol=1e-6)


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("name", ["jpeg", "demosaic"])
def test_the_network_sees_the_picture_as_it_was_stored(tmp_path, otter, name, turned):
    """JPEG blocks and Bayer patterns start where the file starts, whichever way up the picture is shown."""
    stored, exif = otter[:21, :30, 1], Image.Exif()
    exif[0x0112] = turned
    path = tmp_path / ("a.jpg" if name == "jpeg" else "a.tif")
    Image.fromarray(stored).save(path, exif=exif)
    photo, seen = images.read(path), []

    class Watching(Identity):
        def strips(self, pixels, *others, **more):
            seen.append(images.to_float(pixels))
            return super().strips(pixels, *others, **more)

    task = get_task(name)
    out = PhotoRestorer(task, None, Watching()).restore(photo).pixels
    assert seen[0].shape == (21, 30, 3)
    assert out.shape[:2] == photo.pixels.shape
    if name == "jpeg":
        np.testing.assert_array_equal(out, photo.pixels)
    else:
        np.testing.assert_array_equal(images.from_float(seen[0].sum(-1), np.uint8), stored)
        assert (out == photo.pixels[..., None]).any(axis=-1).all()


def test_levels_out_of_range_are_refused():
    for name, level in (("jpeg", 96), ("jpeg", 4.9), ("denoise", 76), ("denoise", -1)):
        with pytest.raises(UsageError, match="out of range"):
            get_task(name).scale.check(level)


def test_denoise_leaves_clean_photos_alone_and_cleans_noisy_ones(otter):
    skyline = images.read(EXAMPLES / "skyline.png").pixels
    assert np.array_equal(magn_cli.restore(skyline, task="denoise"), skyline)
    # A small piece full of fur looks a little noisy.
    restored = magn_cli.restore(otter, task="denoise")
    assert np.abs(restored.astype(int) - otter).mean() < 0.4
    noise = np.random.default_rng(0).normal(0, 10, otter.shape)
    noisy = np.clip(otter + noise, 0, 255).round().astype(np.uint8)

    def error(pixels):
        return np.square(pixels.astype(float) - otter).mean()

    assert error(magn_cli.restore(noisy, task="denoise")) < 0.4 * error(noisy)
