"""For one photo, weights are resolved once and each finding is computed once."""

import sys

import numpy as np
import pytest
from PIL import Image

import magn_cli
from magn_cli.analysis import findings
from magn_cli.files import checksum
from magn_cli.model import Magn
from tests.support.commands import magn


@pytest.fixture
def counted(monkeypatch):
    """Counts of hashes, loaded networks and analyses of photos."""
    counts: dict[str, int] = {}

    def count(owner, name):
        whole = getattr(owner, name)

        def counting(*args, **kwargs):
            counts[name] = counts.get(name, 0) + 1
            return whole(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    count(checksum, "of")
    count(Magn, "__init__")
    count(findings, "find_grid")
    count(findings, "estimate_sigma")
    count(findings, "nearest_quality")
    # Where another module has one of its own, it looks for itself.
    for module in [module for name, module in sys.modules.items() if name.startswith("magn_cli")]:
        for name in ("estimate_sigma", "nearest_quality"):
            assert (
                getattr(module, name, None) is None
                or module is findings
                or module.__name__.startswith("magn_cli.analysis")
            ), module
    return counts


def test_a_jpeg_by_auto(counted, otter_jpeg):
    result = magn("restore", otter_jpeg)
    assert result.exit_code == 0, result.output
    assert counted == {"of": 3, "__init__": 1, "find_grid": 1, "estimate_sigma": 1, "nearest_quality": 1}


def test_a_cut_jpeg_by_auto(counted, otter_jpeg, tmp_path):
    with Image.open(otter_jpeg) as photo:
        photo.crop((3, 5, 200, 144)).save(tmp_path / "cut.png")
    result = magn("restore", tmp_path / "cut.png")
    assert result.exit_code == 0 and "blocks" in result.stderr
    assert counted == {"of": 3, "__init__": 1, "find_grid": 1, "estimate_sigma": 1}


def test_one_task(counted, otter_jpeg):
    assert magn("restore", otter_jpeg, "--task", "jpeg").exit_code == 0
    assert counted == {"of": 1, "__init__": 1, "nearest_quality": 1}


def test_a_clean_photo_needs_no_network(counted, otter, tmp_path):
    Image.fromarray(otter).save(tmp_path / "clean.png")
    assert magn("restore", tmp_path / "clean.png").exit_code == 0
    assert "__init__" not in counted and counted["of"] == 3


def test_auto_loads_each_network_once(counted, otter, otter_jpeg):
    restorer = magn_cli.load()
    noisy = (otter + np.random.default_rng(0).normal(0, 25, otter.shape)).clip(0, 255).astype(np.uint8)
    assert "__init__" not in counted
    tasks = [restorer.restore(picture).task for picture in (otter_jpeg, noisy, otter_jpeg, noisy)]
    assert tasks == ["jpeg", "denoise", "jpeg", "denoise"]
    # Of the two for denoise, only the one for white noise is loaded.
    assert counted["__init__"] == 2 and counted["of"] == 4
