"""``magn restore`` as a user meets it: what comes out, what is kept, and one sentence for each mistake."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.support.commands import magn, refused


def psnr(a, b):
    return -10 * np.log10(np.square((a.astype(float) - b) / 255).mean())


def test_a_jpeg_comes_out_better_with_what_it_carried(otter, otter_jpeg, tmp_path):
    result = magn("restore", otter_jpeg, "--task", "jpeg", "--out", tmp_path / "clean.png")
    assert result.exit_code == 0, result.output
    assert "quality 20" in result.stderr
    with Image.open(tmp_path / "clean.png") as clean, Image.open(otter_jpeg) as before:
        assert clean.size == before.size and clean.mode == "RGB"
        assert clean.info["icc_profile"] == before.info["icc_profile"]
        assert clean.getexif()[0x010F] == "Camera maker"
        assert psnr(np.asarray(clean), otter) > psnr(np.asarray(before), otter) + 1
        mean = np.asarray(clean).mean((0, 1)) - np.asarray(before).mean((0, 1))
        assert np.abs(mean).max() < 1  # no colour shift


def test_without_out_the_result_lies_beside_the_input(otter_jpeg):
    assert magn("restore", otter_jpeg, "--task", "jpeg", "--quiet").exit_code == 0
    assert otter_jpeg.with_name("otter_restored.png").exists()


@pytest.mark.parametrize("size", [(1, 1), (7, 13)])
def test_the_smallest_pictures(tmp_path, size):
    Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(tmp_path / "a.png")
    assert magn("restore", tmp_path / "a.png", "--task", "jpeg", "--level", 40).exit_code == 0
    out = np.asarray(Image.open(tmp_path / "a_restored.png"))
    assert out.shape == (*size, 3) and np.abs(out.astype(int) - 90).max() <= 3


def test_an_odd_photo_at_full_length(tmp_path, otter):
    photo = np.tile(otter, (8, 3, 1))[:1023, :517]
    Image.fromarray(photo).save(tmp_path / "a.jpg", quality=30)
    assert magn("restore", tmp_path / "a.jpg", "--task", "jpeg").exit_code == 0
    with Image.open(tmp_path / "a_restored.png") as out, Image.open(tmp_path / "a.jpg") as before:
        assert psnr(np.asarray(out), photo) > psnr(np.asarray(before), photo) + 0.5


def test_gray_stays_gray(tmp_path, otter):
    gray = otter.mean(-1).astype(np.uint8)
    Image.fromarray(gray).save(tmp_path / "a.jpg", quality=20)
    assert magn("restore", tmp_path / "a.jpg", "--task", "jpeg").exit_code == 0
    with Image.open(tmp_path / "a_restored.png") as out, Image.open(tmp_path / "a.jpg") as before:
        assert out.mode == "L"
        assert psnr(np.asarray(out), gray) > psnr(np.asarray(before), gray) + 1


def test_16_bits_stay_16_bits(tmp_path, otter):
    deep = otter.astype(np.uint16) * 257 + np.arange(200, dtype=np.uint16)[None, :, None] % 256
    cv2.imwrite(str(tmp_path / "a.png"), deep[..., ::-1])
    assert magn("restore", tmp_path / "a.png", "--task", "jpeg", "--level", 90).exit_code == 0
    out = cv2.imread(str(tmp_path / "a_restored.png"), cv2.IMREAD_UNCHANGED)
    assert out.dtype == np.uint16
    assert len(np.unique(out % 257)) > 200  # really 16 bits deep, not 8 stretched


def test_alpha_is_untouched(tmp_path, otter):
    alpha = np.arange(144 * 200).reshape(144, 200).astype(np.uint8)
    Image.fromarray(np.dstack([otter, alpha])).save(tmp_path / "a.webp", lossless=True, exact=True)
    assert magn("restore", tmp_path / "a.webp", "--task", "jpeg", "--level", 50).exit_code == 0
    with Image.open(tmp_path / "a_restored.png") as out:
        assert out.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(out)[..., 3], alpha)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_formats_of_the_result(otter_jpeg, tmp_path, suffix):
    out = tmp_path / f"clean.{suffix}"
    assert magn("restore", otter_jpeg, "--task", "jpeg", "--out", out).exit_code == 0
    assert Image.open(out).size == (200, 144)


def test_a_folder_with_a_broken_file(tmp_path, otter):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name in ("a", "c"):
        Image.fromarray(otter[:40, :48]).save(photos / f"{name}.jpg", quality=30)
    (photos / "b.jpg").write_text("not a picture")
    (photos / "notes.txt").write_text("left alone")
    result = magn("restore", photos, "--task", "jpeg", "--out", out)
    assert result.exit_code == 1
    assert sorted(p.name for p in out.iterdir() if p.name[0] != ".") == ["a.png", "c.png"]
    assert "b.jpg" in result.stderr and "1 of 3 pictures" in result.stderr


@pytest.mark.parametrize("quality", [95, 97, 98, 100])
def test_a_hardly_compressed_file_does_not_come_out_worse(otter, tmp_path, quality):
    Image.fromarray(otter).save(tmp_path / "a.jpg", quality=quality)
    result = magn("restore", tmp_path / "a.jpg", "--task", "jpeg")
    assert result.exit_code == 0
    with Image.open(tmp_path / "a_restored.png") as out, Image.open(tmp_path / "a.jpg") as before:
        assert psnr(np.asarray(out), otter) >= psnr(np.asarray(before), otter)
        if quality == 100:
            np.testing.assert_array_equal(np.asarray(out), np.asarray(before))
            assert "left as it is" in result.stderr


def test_level_of_a_file_that_is_no_jpeg_is_unknown(tmp_path, otter):
    Image.fromarray(otter[:40, :48]).save(tmp_path / "a.png")
    result = magn("restore", tmp_path / "a.png", "--task", "jpeg")
    assert result.exit_code == 0 and "quality unknown" in result.stderr


def test_a_folder_goes_on_after_a_target_that_cannot_be_written(tmp_path, otter):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    out.mkdir()
    Image.fromarray(otter[:40, :48]).save(photos / "a.jpg")
    (out / "a.png").symlink_to(tmp_path / "nowhere")
    refused(magn("restore", photos, "--task", "jpeg", "--out", out), 2, "a.png")
    assert (out / "a.png").is_symlink()


class TestMistakes:
    def test_missing_file(self, tmp_path):
        refused(magn("restore", tmp_path / "no.jpg", "--task", "jpeg"), 1, "no.jpg")

    @pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0 cut"])
    def test_broken_files(self, tmp_path, content):
        (tmp_path / "a.jpg").write_bytes(content)
        result = magn("restore", tmp_path / "a.jpg", "--task", "jpeg", "--out", tmp_path / "b.png")
        refused(result, 1, "a.jpg")
        assert [p.name for p in tmp_path.iterdir()] == ["a.jpg"]

    def test_truncated_jpeg(self, otter_jpeg, tmp_path):
        otter_jpeg.write_bytes(otter_jpeg.read_bytes()[:3000])
        refused(magn("restore", otter_jpeg, "--task", "jpeg"), 1, "otter.jpg", "truncated")
        assert [p.name for p in tmp_path.iterdir()] == ["otter.jpg"]

    def test_unknown_task(self, otter_jpeg):
        refused(magn("restore", otter_jpeg, "--task", "dehaze"), 2, "dehaze", "denoise, jpeg, demosaic or auto.")

    @pytest.mark.parametrize("level", ["4", "96", "-1", "nan", "strong"])
    def test_level_out_of_range(self, otter_jpeg, level):
        refused(magn("restore", otter_jpeg, "--task", "jpeg", f"--level={level}"), 2, level)

    def test_existing_output_is_not_replaced_unasked(self, otter_jpeg, tmp_path):
        out = tmp_path / "clean.png"
        out.write_bytes(b"mine")
        refused(magn("restore", otter_jpeg, "--task", "jpeg", "--out", out), 2, "clean.png", "--overwrite")
        assert out.read_bytes() == b"mine"
        assert magn("restore", otter_jpeg, "--task", "jpeg", "--out", out, "--overwrite").exit_code == 0
        assert Image.open(out).size == (200, 144)

    def test_the_input_is_not_replaced_unasked(self, otter_jpeg):
        before = otter_jpeg.read_bytes()
        refused(magn("restore", otter_jpeg, "--task", "jpeg", "--out", otter_jpeg), 2, "otter.jpg")
        assert otter_jpeg.read_bytes() == before

    def test_folder_that_does_not_exist(self, otter_jpeg, tmp_path):
        result = magn("restore", otter_jpeg, "--task", "jpeg", "--out", tmp_path / "none" / "a.png")
        refused(result, 1, "none")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_unwritable_folder(self, otter_jpeg, tmp_path):
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o555)
        refused(magn("restore", otter_jpeg, "--task", "jpeg", "--out", locked / "a.png"), 1, "locked")

    def test_folder_that_is_a_file(self, otter_jpeg, tmp_path):
        (tmp_path / "file").write_text("x")
        refused(magn("restore", otter_jpeg, "--task", "jpeg", "--out", tmp_path / "file" / "a.png"), 1, "file")

    def test_unknown_format(self, otter_jpeg, tmp_path):
        refused(magn("restore", otter_jpeg, "--task", "jpeg", "--out", tmp_path / "a.xyz"), 2, "a.xyz")

    def test_weights_that_do_not_exist_yet(self, otter_jpeg):
        refused(magn("restore", otter_jpeg, "--task", "denoise", "--preset", "magn"), 3, "denoise", "--weights")

    @pytest.mark.parametrize("task", [(), ("--task", "auto")])
    def test_a_preset_that_cannot_serve_auto(self, otter_jpeg, task):
        refused(magn("restore", otter_jpeg, "--preset", "magn", *task), 3, "magn has no weights", "auto", "--task")
        result = magn("restore", otter_jpeg, "--preset", "magn-s-white", *task)
        refused(result, 3, "magn-s-white has weights for denoise only", "give --task denoise.")

    def test_weights_file_that_is_not_there(self, otter_jpeg, tmp_path):
        refused(magn("restore", otter_jpeg, "--task", "jpeg", "--weights", tmp_path / "w.safetensors"), 3, "w.saf")

    def test_name_that_is_too_long(self, otter_jpeg):
        refused(magn("restore", otter_jpeg, "--task", "jpeg", "--out", "a" * 300 + ".png"), 1, "aaa")

    @pytest.mark.parametrize(
        "option",
        [
            ("--device", "tpu"),
            ("--device", "cpu:"),
            ("--preset", "magn-xl"),
            ("--precision", "int4"),
            ("--threads", "0"),
            ("--tile", "big"),
        ],
    )
    def test_options_that_make_no_sense(self, otter_jpeg, option):
        refused(magn("restore", otter_jpeg, "--task", "jpeg", *option), 2, option[1])

    def test_two_inputs_for_one_output(self, tmp_path, otter):
        photos = tmp_path / "photos"
        photos.mkdir()
        Image.fromarray(otter).save(photos / "a.jpg")
        Image.fromarray(otter).save(photos / "a.png")
        refused(magn("restore", photos, "--task", "jpeg", "--out", tmp_path / "out"), 2, "a.jpg", "a.png")
        assert not (tmp_path / "out").exists()

    def test_folder_without_pictures(self, tmp_path):
        refused(magn("restore", tmp_path, "--task", "jpeg"), 1, "no picture")


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["restore", "--help"],
        ["train", "--help"],
        ["degrade", "--help"],
        ["eval", "--help"],
        ["weights", "--help"],
        ["weights", "push", "--help"],
    ],
)
def test_help_does_not_import_torch(words):
    code = (
        "import sys\nsys.argv = ['magn', *sys.argv[1:]]\n"
        "from magn_cli.cli import main\n"
        "try:\n    main()\nfinally:\n    assert not {'torch', 'cv2', 'numpy'} & set(sys.modules), 'heavy import'\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
