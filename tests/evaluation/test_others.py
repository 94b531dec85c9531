"""``magn eval --against``: networks of others go through the same protocol, tables and pages."""

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx", reason="ONNX files need onnx: pip install '.[export]'")
pytest.importorskip("onnxruntime", reason="ONNX files need onnxruntime: pip install '.[export]'")

from tests.support import onnx_files as made
from tests.support.commands import magn, refused


@pytest.fixture
def clean(tmp_path, otter):
    folder = tmp_path / "clean"
    folder.mkdir()
    Image.fromarray(otter[:60, :80]).save(folder / "a.png")
    Image.fromarray(otter[60:120, :72]).convert("L").save(folder / "b.png")
    return folder


def results(path):
    return {(r["method"], r["level"]): r for r in json.loads(path.read_text())["results"]}


def test_they_stand_beside_ours(clean, tmp_path):
    same, brighter = made.plus(tmp_path / "same.onnx", 0.0), made.plus(tmp_path / "brighter.onnx", 0.1)
    words = ("eval", clean, "-t", "jpeg", "-l", "20", "--against", same, "--against", brighter)
    done = magn(*words, "--json", tmp_path / "a.json", "--html", tmp_path / "a.html", "--threads", "1")
    assert done.exit_code == 0, done.output
    found = results(tmp_path / "a.json")
    assert list(found) == [(name, 20.0) for name in ("input", "same.onnx", "brighter.onnx", "magn-s")]
    # The protocol is the same: the input itself comes out with its own figures.
    unchanged, degraded = found["same.onnx", 20.0], found["input", 20.0]
    for figure in ("psnr", "ssim", "psnr_b"):
        assert unchanged[figure] == degraded[figure]
    assert found["brighter.onnx", 20.0]["psnr"] < 21 and unchanged["told"] == "-"
    assert "same.onnx" in done.stdout and "brighter.onnx" in done.stdout
    page = (tmp_path / "a.html").read_text()
    assert "brighter.onnx" in page and "tiles of 512 x 512 pixels that overlap by 64" in page
    assert "ONNX Runtime" in page


def test_a_level_is_fed_as_told(clean, tmp_path):
    path = made.with_level(tmp_path / "a.onnx", [1, 1, "h", "w"])
    words = ("eval", clean, "-t", "denoise", "-l", "0,51", "--baselines-only", "--against", path)
    done = magn(*words, "--against-level", "level/255", "--json", tmp_path / "a.json", "--overwrite")
    assert done.exit_code == 0, done.output
    found = results(tmp_path / "a.json")
    assert found["a.onnx", 0.0]["told"] == "given" and found["a.onnx", 0.0]["psnr"] is None
    assert found["a.onnx", 51.0]["psnr"] < found["input", 51.0]["psnr"]
    refused(magn(*words, "--against-level", "level/255", "--blind"), 2, "needs to know the level: omit --blind")
    refused(magn(*words), 3, "second input, 'noise'", "--against-level")
    words = ("eval", clean, "-t", "demosaic", "--baselines-only", "--against", path)
    refused(magn(*words, "--against-level", "level"), 2, "takes a level, but demosaic has none")


@pytest.mark.parametrize(
    ("task", "preset", "blind", "told", "allowed"),
    # Ours keeps to the coefficients of a JPEG file, too.
    [("denoise", "magn-s-white", [], "given", 1e-3), ("jpeg", "magn-s", ["--blind"], "unknown", 0.2)],
)
def test_our_own_network_as_one_of_others(clean, tmp_path, task, preset, blind, told, allowed):
    own, network = tmp_path / "own.onnx", ("-t", task, "--preset", preset)
    assert magn("export", *network, "--out", own, "--no-check").exit_code == 0
    words = ("eval", clean, *network, "-l", "25", *blind, "--against", own, "--precision", "fp32")
    done = magn(*words, "--json", tmp_path / "a.json")
    assert done.exit_code == 0, done.output
    ours, theirs = (results(tmp_path / "a.json")[name, 25.0] for name in (preset, "own.onnx"))
    assert ours["psnr"] == pytest.approx(theirs["psnr"], abs=allowed)
    assert ours["told"] == theirs["told"] == told


def test_a_mosaic_is_fed_as_the_task_feeds_it(clean, tmp_path):
    (clean / "b.png").unlink()
    path = made.plus(tmp_path / "a.onnx", 0.0)
    done = magn(
        "eval", clean, "-t", "demosaic", "--baselines-only", "--against", path, "--json", tmp_path / "a.json"
    )
    assert done.exit_code == 0, done.output
    found = results(tmp_path / "a.json")
    assert found["a.onnx", None]["psnr"] == found["input", None]["psnr"]


def test_one_that_fails_leaves_the_others_alone(clean, tmp_path):
    path = made.plus(tmp_path / "a.onnx", np.inf)
    words = ("eval", clean, "-t", "jpeg", "-l", "20", "--baselines-only", "--against", path)
    done = magn(*words, "--json", tmp_path / "a.json")
    assert done.exit_code == 1 and "not finite" in done.stderr
    assert list(results(tmp_path / "a.json")) == [("input", 20.0)]


def test_what_a_command_line_can_get_wrong(clean, tmp_path, monkeypatch):
    words = ("eval", clean, "-t", "jpeg", "-l", "20", "--baselines-only")
    path = made.plus(tmp_path / "a.onnx", 0.0)
    (tmp_path / "more").mkdir()
    twin = made.plus(tmp_path / "more/a.onnx", 0.0)
    refused(magn(*words, "--against-range", 255), 2, "give one with --against")
    refused(magn(*words, "--against", path, "--against", twin), 2, "two networks are named a.onnx")
    refused(magn(*words, "--against", tmp_path / "none.onnx"), 3, "none.onnx does not exist")
    refused(magn(*words, "--against", clean / "a.png"), 3, "is no ONNX file")
    for option, value in [
        ("range", 0), ("range", "nan"), ("layout", "chw"), ("level", "sigma"), ("multiple", 0), ("tile", 8),
        ("overlap", -1), ("overlap", 300),
    ]:  # fmt: skip
        refused(magn(*words, "--against", path, f"--against-{option}", value), 2, f"--against-{option}")
    monkeypatch.setattr("magn_cli.runtime.extras.find_spec", lambda name: None)
    refused(magn(*words, "--against", path), 2, "needs onnx and onnxruntime: run pip install 'magn-cli[export]'")
