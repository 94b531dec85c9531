"""``--task auto``: what is seen in a photo decides, and clean photos stay as they are."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

import magn_cli
from magn_cli import images
from magn_cli.api.loading import load_photo_restorer
from magn_cli.images import photo_of
from magn_cli.tasks.auto import choose
from tests.support.commands import magn, refused
from tests.support.paths import EXAMPLES

NAMES = ("otter", "osprey", "skyline")


def clean(name):
    return np.asarray(Image.open(EXAMPLES / f"{name}.png").convert("RGB"))


def noisy(pixels, sigma):
    noise = np.random.default_rng(0).standard_normal(pixels.shape) * sigma
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def as_jpeg(folder, pixels, quality):
    Image.fromarray(pixels).save(folder / "a.jpg", quality=quality)
    return images.read(folder / "a.jpg")


@pytest.mark.parametrize("name", NAMES)
class TestChoices:
    @pytest.mark.parametrize("quality", [10, 50, 90, 96])
    def test_a_jpeg_file(self, name, quality, tmp_path):
        choice = choose(as_jpeg(tmp_path, clean(name), quality))
        assert (choice.task, choice.found.level) == ("jpeg", quality)

    @pytest.mark.parametrize("quality", [30, 85])
    def test_a_picture_that_was_a_jpeg_once(self, name, quality, tmp_path):
        once = as_jpeg(tmp_path, clean(name), quality).pixels
        choice = choose(photo_of(once))
        assert (choice.task, choice.found.level) == ("jpeg", None)

    @pytest.mark.parametrize(("sigma", "gray"), [(5, False), (15, False), (50, False), (10, True), (50, True)])
    def test_a_noisy_picture(self, name, sigma, gray):
        pixels = noisy(np.asarray(Image.fromarray(clean(name)).convert("L")) if gray else clean(name), sigma)
        choice = choose(photo_of(pixels))
        assert choice.task == "denoise" and abs(choice.found.level - sigma) < 0.15 * sigma

    def test_a_clean_picture(self, name):
        choice = choose(photo_of(clean(name)))
        assert choice.task is None and choice.found.strength == 0

    def test_a_jpeg_of_full_quality(self, name, tmp_path):
        assert choose(as_jpeg(tmp_path, clean(name), 100)).task is None

    @pytest.mark.parametrize(
        ("sigma", "quality", "task"), [(15, 95, "denoise"), (25, 90, "denoise"), (1, 60, "jpeg")]
    )
    def test_a_noisy_jpeg_by_what_is_seen_of_its_blocks(self, name, sigma, quality, task, tmp_path):
        assert choose(as_jpeg(tmp_path, noisy(clean(name), sigma), quality)).task == task

    def test_gray_is_the_same_in_one_channel_and_in_three(self, name):
        gray = noisy(np.asarray(Image.fromarray(clean(name)).convert("L")), 10)
        assert choose(photo_of(np.dstack([gray] * 3))) == choose(photo_of(gray))

    def test_fine_jpeg_of_a_coarse_one(self, name, tmp_path):
        coarse = as_jpeg(tmp_path, clean(name), 30).pixels
        for pixels in (coarse, coarse[3:, 5:]):
            photo = as_jpeg(tmp_path, pixels, 100)
            choice = choose(photo)
            assert (choice.task, choice.found.level) == ("jpeg", None) and "earlier" in choice.found.how
        assert load_photo_restorer("jpeg").task.photo_options(photo) == {"corner": (5, 3)}

    @pytest.mark.parametrize("scale", [4, 1 / 255])
    def test_floats_that_networks_do_not_know(self, name, scale):
        values = noisy(clean(name), 25).astype(np.float32) / 255
        beyond = choose(photo_of(values * np.float32(scale)))
        assert (beyond.task is None and "outside 0..1" in beyond.found.how) or scale < 1
        # Noise alone goes beyond, too.
        wide = values + np.random.default_rng(0).standard_normal(values.shape, np.float32) * np.float32(0.2)
        assert choose(photo_of(wide)).task == "denoise"

    def test_another_codec_has_other_blocks(self, name, tmp_path):
        Image.fromarray(clean(name)).save(tmp_path / "a.webp", quality=60)
        assert choose(images.read(tmp_path / "a.webp")).task is None


@pytest.mark.parametrize("side", [2, 4, 8, 16])
def test_drawings_are_no_photographs(side):
    art = np.random.default_rng(0).integers(0, 5, (40, 50, 3)).astype(np.uint8) * 60
    assert choose(photo_of(art.repeat(side, 0).repeat(side, 1))).task is None
    page = Image.new("RGB", (400, 300), "white")
    draw = ImageDraw.Draw(page)
    for line in range(2, 300, 12 + side):
        draw.text((5, line), "What is written here is no photograph, however noisy it looks.", fill="black")
    for mode in ("RGB", "L", "1"):
        choice = choose(photo_of(np.asarray(page.convert(mode).convert("L" if mode == "1" else mode))))
        assert choice.task is None and "drawing or text" in choice.found.how


def test_what_is_chosen_is_better_than_what_is_not(otter, tmp_path):
    """For a noisy JPEG, which both tasks could claim."""
    for sigma, quality in ((20, 92), (8, 50)):
        photo = as_jpeg(tmp_path, noisy(otter, sigma), quality)
        errors = {
            task: np.square(load_photo_restorer(task).restore(photo).pixels - otter.astype(float)).mean()
            for task in ("jpeg", "denoise")
        }
        assert choose(photo).task == min(errors, key=lambda task: errors[task])


def test_it_is_the_default_and_says_what_it_chose(otter, otter_jpeg, tmp_path):
    Image.fromarray(noisy(otter, 25)).save(tmp_path / "noisy.png")
    jpeg, noise = magn("restore", otter_jpeg), magn("restore", tmp_path / "noisy.png")
    assert jpeg.exit_code == noise.exit_code == 0
    assert "jpeg quality 20" in jpeg.stderr and "denoise sigma 2" in noise.stderr
    one = (tmp_path / "otter_restored.png").read_bytes()
    assert magn("restore", otter_jpeg, "--task", "jpeg", "--overwrite").exit_code == 0
    with Image.open(io.BytesIO(one)) as auto, Image.open(tmp_path / "otter_restored.png") as told:
        np.testing.assert_array_equal(np.asarray(auto), np.asarray(told))
    np.testing.assert_array_equal(magn_cli.restore(otter_jpeg, "auto"), magn_cli.restore(otter_jpeg, "jpeg"))


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "jpg"])
def test_a_clean_photo_is_copied_byte_for_byte(tmp_path, suffix):
    source, out = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    options = {"png": {}, "webp": {"lossless": True}, "tif": {"compression": "tiff_lzw"}, "jpg": {"quality": 100}}
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(clean("skyline")).save(source, exif=exif, **options[suffix])
    result = magn("restore", source, "--out", out)
    assert result.exit_code == 0 and "nothing to restore" in result.stderr
    assert out.read_bytes() == source.read_bytes()
    # Stripped, or in another format, it is the same picture at least.
    for other in ("c.png", f"d.{suffix}"):
        assert magn("restore", source, "--out", tmp_path / other, "--strip-metadata").exit_code == 0
        back = images.read(tmp_path / other)
        assert back.metadata.exif is None
        if other.endswith("png"):
            np.testing.assert_array_equal(back.pixels, images.read(source).pixels)


def test_strength_goes_with_it(otter, tmp_path):
    Image.fromarray(noisy(otter, 25)).save(tmp_path / "a.png")
    results = []
    for strength in ("0", "0.5", "1"):
        out = tmp_path / f"{strength}.png"
        assert magn("restore", tmp_path / "a.png", "--out", out, "--strength", strength).exit_code == 0
        results.append(images.read(out).pixels.astype(float))
    np.testing.assert_allclose(results[1], (results[0] + results[2]) / 2, atol=1)


def test_what_needs_a_task(otter_jpeg):
    refused(magn("restore", otter_jpeg, "--level", 20), 2, "--level 20", "--task")
    refused(magn("restore", otter_jpeg, "--level", "unknown"), 2, "--level unknown")
    refused(magn("restore", otter_jpeg, "--weights", "w.safetensors"), 2, "--weights")
    refused(magn("restore", otter_jpeg, "--pattern", "rggb"), 2, "--pattern")


def test_a_quality_that_was_asked_for_is_not_copied_over(tmp_path, otter):
    Image.fromarray(otter).save(tmp_path / "a.jpg", quality=100)
    assert magn("restore", tmp_path / "a.jpg", "--quality", 20, "--out", tmp_path / "b.jpg").exit_code == 0
    assert (tmp_path / "b.jpg").stat().st_size < (tmp_path / "a.jpg").stat().st_size / 4


def test_who_may_read_a_photo_stays_so(otter_jpeg):
    otter_jpeg.chmod(0o600)
    assert magn("restore", otter_jpeg, "--out", otter_jpeg, "--overwrite").exit_code == 0
    assert otter_jpeg.stat().st_mode & 0o777 == 0o600
