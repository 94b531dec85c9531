"""The examples in the docstrings run as they are printed, and every public name has one."""

import doctest

import numpy as np
import pytest
from PIL import Image

import magn_cli

WITH_EXAMPLE = ("Restored", "Restorer", "load", "read", "restore", "write")


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_examples_run(name, tmp_path, monkeypatch, otter):
    monkeypatch.chdir(tmp_path)
    piece = otter[20:68, 40:104]
    Image.fromarray(piece).save("photo.jpg", quality=20)
    noise = np.random.default_rng(0).normal(0, 25, piece.shape)
    Image.fromarray((piece + noise).clip(0, 255).astype(np.uint8)).save("noisy.png")
    found = doctest.DocTestFinder(recurse=False).find(getattr(magn_cli, name), name, globs={})
    assert len(found) == 1 and found[0].examples
    said: list[str] = []
    results = doctest.DocTestRunner().run(found[0], out=said.append)
    assert results.failed == 0, "".join(said)


def test_everything_public_is_there():
    assert set(magn_cli.__all__) == {*WITH_EXAMPLE, "TASKS", "MagnError", "__version__"}
    for name in magn_cli.__all__:
        assert getattr(magn_cli, name) is not None and name in dir(magn_cli)
    assert list(magn_cli.TASKS) == ["denoise", "jpeg", "demosaic"]
    with pytest.raises(AttributeError, match="restor"):
        magn_cli.restor  # noqa: B018
