"""What a user decides about the output: its JPEG quality, and whether metadata goes along."""

import re

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from tests.support.commands import magn, refused
from tests.support.encoded import Case, profile
from tests.support.pictures import exif_bytes, save, texture

LIKE_INPUT = images.WriteOptions(None)


def tables(path):
    found = images.read(path).quantization
    chroma = None if found.chroma is None else found.chroma.tolist()
    return found.luma.tolist(), chroma, found.subsampling


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [1, 20, 93])
def test_like_the_input(tmp_path, quality, subsampling, capfd):
    path = save(tmp_path / "a.jpg", texture(np.uint8), "JPEG", quality=quality, subsampling=subsampling)
    read = images.read(path)
    images.write(tmp_path / "b.jpg", read.pixels, read, options=LIKE_INPUT)
    assert tables(tmp_path / "b.jpg") == tables(path)
    assert tables(path)[2] == subsampling
    assert capfd.readouterr() == ("", "")


def test_gray_like_the_input(tmp_path):
    read = images.read(save(tmp_path / "a.jpg", texture(np.uint8, 1), "JPEG", quality=33))
    images.write(tmp_path / "b.jpg", read.pixels, read, options=LIKE_INPUT)
    assert tables(tmp_path / "b.jpg") == tables(tmp_path / "a.jpg")
    # A mosaic comes in gray and leaves in colour.
    images.write(tmp_path / "c.jpg", texture(np.uint8), read, options=LIKE_INPUT)
    luma, chroma, subsampling = tables(tmp_path / "c.jpg")
    assert luma == chroma == tables(tmp_path / "a.jpg")[0] and subsampling == "4:4:4"


def test_tables_lie_down_with_the_picture(tmp_path):
    options = {"quality": 40, "subsampling": "4:2:2", "exif": b"Exif\0\0" + exif_bytes(6)}
    read = images.read(save(tmp_path / "a.jpg", texture(np.uint8), "JPEG", **options))
    images.write(tmp_path / "b.jpg", read.pixels, read, options=LIKE_INPUT)
    luma, _, subsampling = tables(tmp_path / "b.jpg")
    assert luma == read.quantization.luma.T.tolist() != read.quantization.luma.tolist()
    # 4:4:0 cannot be written; nothing coarser takes its place.
    assert subsampling == "4:4:4"


@pytest.mark.parametrize("options", [None, LIKE_INPUT])
def test_what_was_no_jpeg_is_written_at_95(tmp_path, options):
    read = images.read(save(tmp_path / "a.png", texture(np.uint8), "PNG"))
    images.write(tmp_path / "b.jpg", read.pixels, read, options=options)
    save(tmp_path / "c.jpg", texture(np.uint8), "JPEG", quality=95, subsampling="4:4:4")
    assert tables(tmp_path / "b.jpg") == tables(tmp_path / "c.jpg")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_stripped(tmp_path, suffix):
    case = Case("jpg", np.uint8, 3, 6, "p3")
    (tmp_path / "a.jpg").write_bytes(case.encoded())
    out = tmp_path / f"out{suffix}"
    words = ["restore", tmp_path / "a.jpg", "--task", "jpeg", "--strip-metadata", "--out", out]
    assert magn(*words).exit_code == 0
    found = images.read(out)
    assert found.pixels.shape == (26, 19, 3)
    assert found.metadata == images.Metadata(icc=profile("p3"))
    data = out.read_bytes()
    assert not any(word in data for word in (b"Maker", b"Software", b"magn", b"xmpmeta", b"Firmware"))


def test_by_the_command(tmp_path):
    save(tmp_path / "a.jpg", texture(np.uint8), "JPEG", quality=77, subsampling="4:2:0")
    for words, same_as in (
        ([], {"quality": 95, "subsampling": "4:4:4"}),
        (["--quality", "60"], {"quality": 60, "subsampling": "4:4:4"}),
        (["--quality", "like-input"], {"quality": 77, "subsampling": "4:2:0"}),
    ):
        out = tmp_path / "out.jpg"
        result = magn("restore", tmp_path / "a.jpg", "--task", "jpeg", "--out", out, "--overwrite", *words)
        assert result.exit_code == 0, result.output
        save(tmp_path / "b.jpg", texture(np.uint8), "JPEG", **same_as)
        assert tables(out) == tables(tmp_path / "b.jpg")


@pytest.mark.parametrize("quality", ["0", "101", "-5", "best", "7.5", ""])
def test_qualities_that_are_none(tmp_path, quality):
    path = save(tmp_path / "a.jpg", texture(np.uint8), "JPEG")
    refused(magn("restore", path, "--task", "jpeg", f"--quality={quality}"), 2, "--quality", "like-input")


def test_the_software_says_what_was_done(tmp_path):
    path = save(tmp_path / "a.jpg", texture(np.uint8), "JPEG", quality=50)
    assert magn("restore", path, "--task", "jpeg", "--out", tmp_path / "b.png").exit_code == 0
    with Image.open(tmp_path / "b.png") as image:
        software = image.text["Software"]
    assert software.startswith("magn ") and ": jpeg, quality 50 (" in software
    # The weights, by the start of their sha256.
    assert re.search(r"; magn-s [0-9a-f]{8}$", software)
