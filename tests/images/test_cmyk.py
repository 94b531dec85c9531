"""CMYK in TIFF files of every layout, as programs for print write it."""

import io

import numpy as np
import pytest
import tifffile

from magn_cli import images
from tests.support.commands import magn, refused

SHADES = np.linspace(0.1, 0.9, 37 * 45 * 5).reshape(37, 45, 5)


def cmyk(dtype, channels, **options) -> bytes:
    samples = (SHADES[..., :channels] * np.iinfo(dtype).max).astype(dtype)
    if options.get("planarconfig") == "separate":
        samples = np.moveaxis(samples, -1, 0)
    file = io.BytesIO()
    tifffile.imwrite(file, samples, photometric="separated", metadata=None, **options)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("channels", [4, 5])
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 32)}, {"planarconfig": "separate", "rowsperstrip": 5}])
def test_layouts(tmp_path, dtype, big, channels, layout):
    alpha = {"extrasamples": ["unassalpha"]} if channels == 5 else {}
    data = cmyk(dtype, channels, bigtiff=big, byteorder=">", compression="zlib", **layout, **alpha)
    photo = images.decode(data)
    expected = (1 - SHADES[..., :3]) * (1 - SHADES[..., 3:4])
    assert np.abs(photo.pixels / 255 - expected).max() < 0.02
    assert photo.pixels.dtype == np.uint8 and (photo.alpha is not None) == (channels == 5)


def test_the_command_says_what_was_converted(tmp_path):
    (tmp_path / "a.tif").write_bytes(cmyk(np.uint16, 4))
    result = magn("restore", tmp_path / "a.tif", "-t", "denoise", "-l", 5, "--threads", 1)
    assert result.exit_code == 0, result.output
    assert "CMYK of 16 bits a sample, of which 8 were used" in result.stderr
    assert images.read(tmp_path / "a_restored.png").pixels.shape == (37, 45, 3)


def test_other_inks_are_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(cmyk(np.uint8, 4, extratags=[(332, 3, 1, 2, True)]))
    refused(magn("restore", tmp_path / "a.tif"), 1, "colour model that is not supported")
