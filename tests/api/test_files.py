"""``magn_cli.read`` and ``magn_cli.write``."""

import numpy as np
import pytest
import torch
from PIL import Image

import magn_cli
from magn_cli.errors import ImageError, UsageError


def test_what_is_written_is_read_again(tmp_path, otter):
    deep, floats = otter[..., 0].astype(np.uint16) * 257, otter.astype(np.float32) / 255
    for name, pixels in (("a.png", otter), ("b.png", deep), ("c.tif", floats)):
        magn_cli.write(tmp_path / name, pixels)
        back = magn_cli.read(str(tmp_path / name))
        assert back.dtype == pixels.dtype
        np.testing.assert_array_equal(back, pixels)


def test_images_and_tensors_are_written(tmp_path, otter):
    alpha = np.full(otter.shape[:2], 99, np.uint8)
    magn_cli.write(tmp_path / "a.png", Image.fromarray(np.dstack([otter, alpha])))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), np.dstack([otter, alpha]))
    magn_cli.write(tmp_path / "b.png", torch.from_numpy(otter.copy()).permute(2, 0, 1))
    np.testing.assert_array_equal(magn_cli.read(tmp_path / "b.png"), otter)


def test_like_brings_what_the_file_carried(tmp_path, otter, otter_jpeg):
    magn_cli.write(tmp_path / "a.png", otter, like=otter_jpeg)
    with Image.open(tmp_path / "a.png") as out, Image.open(otter_jpeg) as before:
        assert out.info["icc_profile"] == before.info["icc_profile"]
        assert out.getexif()[0x010F] == "Camera maker"


def test_mistakes(tmp_path, otter, otter_jpeg):
    before = otter_jpeg.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        magn_cli.write(otter_jpeg, otter)
    assert otter_jpeg.read_bytes() == before
    magn_cli.write(otter_jpeg, otter, overwrite=True, quality=50)
    assert otter_jpeg.read_bytes() != before
    for wrong in ({"quality": 0}, {"like": tmp_path / "none.jpg"}):
        with pytest.raises((UsageError, ImageError)):
            magn_cli.write(tmp_path / "b.jpg", otter, **wrong)
    with pytest.raises(UsageError, match="format"):
        magn_cli.write(tmp_path / "b.xyz", otter)
    with pytest.raises(UsageError, match="batch of 2"):
        magn_cli.write(tmp_path / "b.png", torch.zeros(2, 3, 8, 8))
    with pytest.raises(UsageError, match="is a path"):
        magn_cli.write(tmp_path / "b.png", str(otter_jpeg))
    with pytest.raises(ImageError, match="does not exist"):
        magn_cli.read(tmp_path / "none.jpg")
    magn_cli.write(tmp_path / "alpha.png", Image.fromarray(np.dstack([otter, otter[..., 0]])))
    with pytest.raises(UsageError, match="200 x 144"):
        magn_cli.write(tmp_path / "b.png", otter[:40], like=tmp_path / "alpha.png")
    assert not (tmp_path / "b.png").exists()
