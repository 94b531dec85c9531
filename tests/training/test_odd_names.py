"""Folders of photographs whose names are no text: a run with them can be resumed."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import magn

NAMES = [b"Caf\xe9", b"a\nb\x1b[31m\x7f", b"quote\"'\\ $x"]


@pytest.mark.skipif(os.name == "nt", reason="names as POSIX has them")
def test_a_run_resumes(tmp_path, otter):
    (tmp_path / "c.toml").write_text(
        "[network]\nfeatures = 16\ngraph_features = 16\nblocks_before = 1\nblocks_after = 1\nwindow = 32\n"
        "window_overlap = 8\n[training]\nbatch = 2\n"
    )
    folders = []
    for number, name in enumerate(NAMES):
        folder = tmp_path / os.fsdecode(name)
        try:
            folder.mkdir()
        except OSError:
            pytest.skip("this file system takes UTF-8 only")
        Image.fromarray(np.roll(otter, number * 40, 1)).save(tmp_path / "x.png")
        shutil.copy(tmp_path / "x.png", folder / os.fsdecode(b"\xff.png"))
        folders += ["--data", folder]
    out = tmp_path / os.fsdecode(b"r\xfcn")
    result = magn("train", "--config", tmp_path / "c.toml", "-t", "jpeg", *folders, "-o", out, "--max-steps", 1)
    assert result.exit_code == 0, result.output
    (out / "config.toml").read_bytes()
    result = magn("train", "-o", out, "--resume", "--max-steps", 2)
    assert result.exit_code == 0, result.output
    assert all(line.isprintable() for line in result.output.splitlines())
    (checkpoint,) = out.glob("magn-s-jpeg.safetensors")
    assert magn("weights", "verify", checkpoint).exit_code == 0
