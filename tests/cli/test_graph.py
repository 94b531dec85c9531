"""``magn graph``: pages and pictures of files as people have them, and what is refused."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from tests.support.commands import magn, refused
from tests.support.paths import ROOT

DENOISER = ROOT / "magn_cli" / "weights" / "bundled" / "magn-s-denoise.safetensors"
DATA = re.compile(r'<script type="application/json" id="graph-data">(.*?)</script>', re.S)


@pytest.fixture
def photo(tmp_path, otter):
    path = tmp_path / "photo.png"
    Image.fromarray(otter).save(path)
    return path


def data_of(page):
    [found] = DATA.findall(page.read_text(encoding="utf-8"))
    return json.loads(found)


# Networks of two structures.
@pytest.mark.parametrize(("task", "level"), [("denoise", "sigma 25"), ("jpeg", "quality 25")])
def test_a_page(task, level, photo, tmp_path):
    page = tmp_path / "graph.html"
    done = magn("graph", photo, "--task", task, "--level", 25, "--at", "120,70", "--out", page)
    assert done.exit_code == 0 and done.stdout == "", done.output
    assert re.search(level + r" \(as given\); pixel graph at 120,70: \d+ of \d+ nodes kept", done.stderr)
    data = data_of(page)
    assert [g["level"] for g in data["graphs"]] == ["pixel", "patch"] * 2
    assert data["first"] == {"graph": 0, "head": 0, "node": data["first"]["node"]}
    assert page.stat().st_size < 2e6


def test_the_chosen_graph_is_shown_first(photo, tmp_path):
    words = ("graph", photo, "-t", "denoise", "-l", 25, "--graph", "patch", "--convolution", 2, "--head", 3)
    assert magn(*words, "-o", tmp_path / "g.html").exit_code == 0
    first = data_of(tmp_path / "g.html")["first"]
    assert (first["graph"], first["head"]) == (3, 3)


def test_level_takes_the_graph_too(otter_jpeg, tmp_path):
    done = magn("graph", otter_jpeg, "--level", "patch", "-o", tmp_path / "g.html")
    assert done.exit_code == 0, done.output
    assert "jpeg, quality 20 (from the file's quantization tables); patch graph at 100,72" in done.stderr
    assert data_of(tmp_path / "g.html")["first"]["graph"] == 1
    assert magn("graph", otter_jpeg, "-l", "pixel", "--graph", "pixel", "-o", tmp_path / "h.html").exit_code == 0


def test_a_picture(photo, tmp_path):
    sheets = []
    for head in (1, 4):
        path = tmp_path / f"{head}.png"
        words = ("graph", photo, "-t", "denoise", "-l", 25, "--at", "60,60", "--head", head, "-o", path, "-q")
        done = magn(*words)
        assert (done.exit_code, done.output) == (0, "")
        sheets.append(np.asarray(Image.open(path)))
    assert sheets[0].shape == sheets[1].shape and sheets[0].shape[1] == 1312
    assert (sheets[0] != sheets[1]).any()


@pytest.mark.parametrize("suffix", ["jpg", "webp", "tif"])
def test_other_formats(suffix, photo, tmp_path):
    path = tmp_path / f"g.{suffix}"
    assert magn("graph", photo, "-t", "denoise", "-l", 25, "-o", path).exit_code == 0
    assert Image.open(path).width == 1312


def test_a_turned_photo_is_shown_the_right_way_up(otter, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(otter)).save(tmp_path / "t.jpg", quality=20, exif=exif)
    size = images.read(tmp_path / "t.jpg").pixels.shape[:2]
    assert size == otter.shape[:2]
    done = magn("graph", tmp_path / "t.jpg", "--at", "199,143", "-o", tmp_path / "t.html")
    assert done.exit_code == 0, done.output
    data = data_of(tmp_path / "t.html")
    assert data["photo"] == {"width": 200, "height": 144}
    window = data["window"]
    assert window["left"] <= 199 < window["left"] + window["width"]
    assert window["top"] <= 143 < window["top"] + window["height"]
    refused(magn("graph", tmp_path / "t.jpg", "--at", "143,199", "-o", tmp_path / "u.html"), 2, "200 x 144 pixels")


@pytest.mark.parametrize("size", [(1, 1), (5, 300)])
def test_a_photo_smaller_than_a_window(size, tmp_path):
    picture = tmp_path / "small.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)).save(picture)
    for name in ("g.html", "g.png"):
        done = magn("graph", picture, "-t", "denoise", "-l", 25, "-o", tmp_path / name)
        assert done.exit_code == 0, done.output
    assert "Beyond the dashed line" in (tmp_path / "g.html").read_text(encoding="utf-8")


def test_gray_transparent_and_deep_photos(otter, tmp_path):
    alpha = np.zeros(otter.shape[:2], np.uint8)
    alpha[:, 20:] = 255
    Image.fromarray(np.dstack([otter, alpha])).save(tmp_path / "alpha.png")
    Image.fromarray(otter[..., 0]).save(tmp_path / "gray.png")
    Image.fromarray(otter[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("alpha", "gray", "deep"):
        for suffix in ("html", "png"):
            words = ("graph", tmp_path / f"{name}.png", "-t", "denoise", "-l", 25)
            done = magn(*words, "-o", tmp_path / f"{name}-graph.{suffix}")
            assert done.exit_code == 0, done.output


def test_a_mosaic(otter, tmp_path):
    Image.fromarray(otter[..., 1]).save(tmp_path / "mosaic.tif")
    words = ("graph", tmp_path / "mosaic.tif", "-t", "demosaic", "--pattern", "rggb", "-o", tmp_path / "g.html")
    assert magn(*words).exit_code == 0


def test_a_name_cannot_end_the_page(otter, tmp_path):
    picture = tmp_path / "<img src=x onerror=alert(1)>.png"
    Image.fromarray(otter).save(picture)
    assert magn("graph", picture, "-t", "denoise", "-l", 25, "-o", tmp_path / "g.html").exit_code == 0
    text = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert "<img src=x" not in text and "&lt;img src=x" in text


def test_graphs_that_do_not_fit_are_left_out(photo, tmp_path):
    words = ("graph", photo, "-t", "denoise", "-l", 25, "--overwrite", "-o", tmp_path / "g.html", "--html-limit")
    assert magn(*words, 25, "--convolution", 2).exit_code == 0
    whole = (tmp_path / "g.html").stat().st_size
    limit = whole - 1000
    assert magn(*words, limit / 1e6, "--convolution", 2).exit_code == 0
    assert (tmp_path / "g.html").stat().st_size <= limit
    data = data_of(tmp_path / "g.html")
    assert data["graphs"][data["first"]["graph"]]["step"] == "block 1, second convolution"
    assert len(data["graphs"]) == 3
    assert "1 of 4 graphs did not fit" in (tmp_path / "g.html").read_text(encoding="utf-8")
    refused(magn(*words, 0.1), 2, "--html-limit 0.1", "graph.png")
    assert (tmp_path / "g.html").stat().st_size <= limit


REFUSED = [
    (2, ["--at", "200,10"], ["--at 200,10", "photo.png", "200 x 144", "199,143"]),
    (2, ["--at", "10"], ["--at '10'", "640,360"]),
    (2, ["--at", "-1,5"], ["--at '-1,5'"]),
    (2, ["--at", "1.5,5"], ["--at '1.5,5'"]),
    (2, ["--at", "9" * 30 + ",5"], ["--at"]),
    (2, ["--graph", "edge"], ["--graph 'edge'", "pixel or patch"]),
    (2, ["--graph", "pixel", "--level", "patch"], ["--graph pixel", "--level patch"]),
    (2, ["--level", "76"], ["sigma", "76"]),
    (2, ["--level", "some"], ["'some'"]),
    (2, ["--block", "2"], ["--block 2", "1 graph block"]),
    (2, ["--convolution", "0"], ["--convolution 0"]),
    (2, ["--head", "5"], ["--head 5", "4 heads"]),
    (2, ["--html-limit", "0"], ["--html-limit"]),
    (2, ["--device", "tpu"], ["tpu"]),
    (2, ["--threads", "0"], ["0"]),
    (3, ["--weights", "missing.safetensors"], ["missing.safetensors"]),
    (3, ["--task", "jpeg", "--weights", DENOISER], ["denoise", "jpeg"]),
]


@pytest.mark.parametrize(
    ("code", "words", "parts"), REFUSED, ids=lambda v: " ".join(map(str, v)) if isinstance(v, list) else ""
)
def test_refused(code, words, parts, photo, tmp_path):
    task = [] if "--task" in words else ["--task", "denoise"]
    refused(magn("graph", photo, *task, *words, "--out", tmp_path / "g.html"), code, *parts)
    assert not (tmp_path / "g.html").exists()


def test_outputs_that_are_refused(photo, tmp_path):
    def run(out, *more):
        return magn("graph", photo, "-t", "denoise", "-l", 25, "-o", out, *more)

    before = photo.read_bytes()
    refused(run(tmp_path / "g.gif"), 2, "g.gif", "graph.html or graph.png")
    refused(run("-"), 2, "graph.html or graph.png")
    refused(run(photo), 2, "the photo itself")
    refused(run(photo, "--overwrite"), 2, "the photo itself")
    refused(run(tmp_path / "none" / "g.html"), 1, "none")
    (tmp_path / "there.html").write_text("mine")
    refused(run(tmp_path / "there.html"), 2, "there.html", "--overwrite")
    assert (tmp_path / "there.html").read_text() == "mine"
    assert run(tmp_path / "there.html", "--overwrite").exit_code == 0
    assert photo.read_bytes() == before


def test_photos_that_are_refused(photo, tmp_path):
    words = ("graph", photo, "-t", "demosaic", "-o", tmp_path / "g.html")
    refused(magn(*words), 1, f"{photo}: the picture is not a GRBG mosaic")
    refused(magn("graph", tmp_path / "missing.png", "-t", "denoise", "-o", tmp_path / "g.html"), 1, "missing.png")
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:500])
    refused(magn("graph", tmp_path / "broken.png", "-t", "denoise", "-o", tmp_path / "g.html"), 1, "broken.png")
    refused(magn("graph", photo, "-o", tmp_path / "g.html"), 2, "photo.png: nothing to restore", "--task")
