"""Writing: every format and depth, whole or not at all."""

import errno
import os
import stat
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import atomic
from magn_cli.images import encoding
from tests.support.pictures import photo, texture

DTYPES = [np.uint8, np.uint16, np.float32]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("transparent", [False, True])
def test_round_trip(tmp_path, suffix, dtype, channels, transparent):
    pixels = texture(dtype, channels)
    alpha = texture(dtype, 2)[..., 1] if transparent else None
    path = tmp_path / f"a{suffix}"
    images.write(path, pixels, photo(pixels, alpha))
    back = images.read(path)
    deepest = {".png": np.uint16, ".tif": np.float32}.get(suffix, np.uint8)
    held = dtype if dtype == np.uint8 or suffix == ".tif" else deepest
    expected = images.change_depth(pixels, held)
    if suffix == ".webp" and channels == 1:
        expected = np.dstack([expected] * 3)
    assert back.pixels.dtype == held and back.pixels.shape == expected.shape
    if suffix == ".jpg":
        if transparent:
            opacity = images.to_float(alpha if channels == 1 else alpha[..., None])
            expected = expected * opacity + 255 * (1 - opacity)
        assert np.abs(back.pixels.astype(int) - expected).mean() < 4
        assert back.alpha is None
        assert back.quantization.subsampling == ("4:4:4" if channels == 3 else "4:0:0")
    else:
        assert (back.pixels == expected).all()
        assert (back.alpha is None) == (alpha is None)
        assert alpha is None or (back.alpha == images.change_depth(alpha, held)).all()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (130, 3), (64, 65)])
def test_another_decoder_reads_the_same(tmp_path, suffix, dtype, size):
    pixels = texture(dtype, 3, size)
    images.write(tmp_path / f"a{suffix}", pixels)
    read = cv2.imread(str(tmp_path / f"a{suffix}"), cv2.IMREAD_UNCHANGED)
    assert read.dtype == dtype and (read[..., ::-1] == pixels).all()


def test_floats_outside_of_the_scale_survive_in_tiff(tmp_path):
    pixels = texture(np.float32) * 4 - 1
    images.write(tmp_path / "a.tif", pixels)
    assert (images.read(tmp_path / "a.tif").pixels == pixels).all()


def test_jpeg_quality(tmp_path):
    images.write(tmp_path / "default.jpg", texture(np.uint8))
    images.write(tmp_path / "low.jpeg", texture(np.uint8), options=images.WriteOptions(30))
    assert images.read(tmp_path / "default.jpg").quantization.luma[0, 0] == 2
    assert images.read(tmp_path / "low.jpeg").quantization.luma[0, 0] == 27


@pytest.mark.parametrize(("opacity", "warned"), [(255, False), (254, True)])
def test_losing_transparency_is_said(tmp_path, caplog, opacity, warned):
    pixels = texture(np.uint8)
    images.write(tmp_path / "a.jpg", pixels, photo(pixels, np.full(pixels.shape[:2], opacity, np.uint8)))
    assert ("alpha" in caplog.text) == warned


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_transparent_pictures_lie_on_white_in_jpeg(tmp_path, channels, dtype):
    pixels = np.zeros((16, 24, channels), dtype).squeeze()
    alpha = np.full((16, 24), images.full_scale(np.dtype(dtype)), dtype)
    alpha[:, 8:16], alpha[:, 16:] = alpha[0, 0] / 2, 0
    images.write(tmp_path / "a.jpg", pixels, photo(pixels, alpha))
    columns = images.read(tmp_path / "a.jpg").pixels.reshape(16, 24, -1).mean((0, 2))
    assert columns[[4, 12, 20]] == pytest.approx([0, 127.5, 255], abs=2)


def test_supported_outputs():
    assert images.is_supported_output("a.PNG") and images.is_supported_output("b.tiff")
    assert not images.is_supported_output("a.gif") and not images.is_supported_output("png")
    assert images.OUTPUT_SUFFIXES <= images.INPUT_SUFFIXES


def test_other_suffixes_are_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"\.jpeg, \.jpg, \.png"):
        images.write(tmp_path / "a.gif", texture(np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_only_overwritten_when_asked(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("precious")
    with pytest.raises(UsageError, match=r"a\.png exists"):
        images.write(path, "no picture at all")
    assert path.read_text() == "precious"
    images.write(path, texture(np.uint8), overwrite=True)
    assert images.read(path).format == "PNG" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_count_as_existing_and_their_targets_are_never_touched(tmp_path):
    target, link, dangling = tmp_path / "in.png", tmp_path / "link.png", tmp_path / "dangling.png"
    target.write_text("precious")
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (link, dangling):
        with pytest.raises(UsageError):
            images.write(path, texture(np.uint8))
    images.write(link, texture(np.uint8), overwrite=True)
    assert target.read_text() == "precious" and not link.is_symlink()


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch, existing, error, step):
    path = tmp_path / "a.png"
    if existing:
        path.write_text("old")

    def failing(*_):
        assert len([p for p in tmp_path.iterdir() if p.name.startswith(".a.png.")]) == 1
        raise error

    monkeypatch.setattr(os, step, failing)
    expected = ImageError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        images.write(path, texture(np.uint8), overwrite=True)
    assert expected is KeyboardInterrupt or "the disk is full" in str(caught.value)
    assert [p.read_text() for p in tmp_path.iterdir()] == (["old"] if existing else [])


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for path, words in [
        (tmp_path / "missing" / "a.png", "folder does not exist"),
        (tmp_path / "file" / "a.png", "folder does not exist"),
        (tmp_path / "folder.png", "is a folder"),
    ]:
        with pytest.raises(ImageError, match=words) as caught:
            images.write(path, texture(np.uint8), overwrite=True)
        assert str(path) in str(caught.value)


def test_a_folder_that_may_not_be_written_to(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(atomic, "write_bytes", denied)
    with pytest.raises(ImageError, match="may not write"):
        images.write(tmp_path / "a.png", texture(np.uint8))


@pytest.mark.skipif(os.name == "nt", reason="no umask there")
def test_the_file_mode_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        images.write(tmp_path / "a.png", texture(np.uint8))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640


def test_long_names(tmp_path):
    path = tmp_path / ("n" * 251 + ".png")
    images.write(path, texture(np.uint8))
    assert images.read(path).format == "PNG"


@pytest.mark.parametrize(("suffix", "longest"), [(".jpg", 65_500), (".webp", 16_383)])
def test_too_long_for_the_format(tmp_path, suffix, longest):
    images.write(tmp_path / f"fits{suffix}", np.zeros((1, longest), np.uint8))
    with pytest.raises(ImageError, match=r"choose a \.png"):
        images.write(tmp_path / f"a{suffix}", np.zeros((longest + 1, 1), np.uint8))
    assert not (tmp_path / f"a{suffix}").exists()


@pytest.mark.parametrize("shape", [(4,), (4, 4, 4), (4, 4, 1), (0, 4)])
def test_what_is_no_picture(tmp_path, shape):
    with pytest.raises(ValueError, match="pixels must be"):
        images.write(tmp_path / "a.png", np.zeros(shape, np.uint8))


def test_alpha_of_another_size(tmp_path):
    pixels = texture(np.uint8)
    with pytest.raises(ValueError, match="alpha"):
        images.write(tmp_path / "a.png", pixels[1:], photo(pixels, pixels[..., 0]))


def test_other_memory_layouts(tmp_path):
    pixels = np.asfortranarray(texture(np.uint16))[::-1, ::2]
    for suffix in (".png", ".tif"):
        images.write(tmp_path / f"a{suffix}", pixels)
        assert (images.read(tmp_path / f"a{suffix}").pixels == pixels).all()


def test_a_large_noise_picture_in_several_data_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding.png, "_DATA_CHUNK", 1000)
    images.write(tmp_path / "a.png", texture(np.uint16))
    with Image.open(tmp_path / "a.png") as image:
        image.load()
    assert (images.read(tmp_path / "a.png").pixels == texture(np.uint16)).all()


def test_importing_stays_light():
    code = "import sys, magn_cli.images; print([m for m in ('torch', 'cv2') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
