"""``magn eval``: the paper's cells to the last digit, pairs of every kind, and one sentence for each mistake."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from magn_cli.evaluation.benchmarks import BENCHMARKS, benchmark
from tests.support.commands import magn, refused


def report(path):
    return json.loads(path.read_text())["results"]


def measured(result):
    """What a table would print."""
    return round(result["psnr"], 2), round(result["ssim"], 4)


def test_jpeg_cells_of_classic5(data, tmp_path):
    done = magn("eval", "--set", "Classic5", "--data", data, "--baselines-only", "--json", tmp_path / "a.json")
    assert done.exit_code == 0, done.output
    results = report(tmp_path / "a.json")
    assert [measured(r) for r in results] == [(27.82, 0.7800), (30.12, 0.8541), (31.48, 0.8844), (32.43, 0.9011)]
    for result in results:
        assert measured(result) == (result["paper"]["input"]["psnr"], result["paper"]["input"]["ssim"])
        assert result["protocol"] == "paper" and result["ssim_window"] == "uniform"
    assert done.stdout.count("+0.00") == 4 and "uniform 8x8" in done.stdout
    # Wider than 80 columns, and yet no figure is cut.
    assert "27.82" in done.stdout and "JPEG 27.82 / 0.7800" in done.stdout and "\u2026" not in done.stdout


@pytest.mark.parametrize(("name", "cell"), [("McMaster18", (9.17, 0.1674)), ("Kodak24", (8.56, 0.0682))])
def test_mosaic_cells(data, tmp_path, name, cell):
    words = ("eval", "--set", name, "--data", data, "--baselines-only", "--baseline", "bilinear")
    assert magn(*words, "--json", tmp_path / "a.json").exit_code == 0
    mosaic, bilinear = report(tmp_path / "a.json")
    assert measured(mosaic) == cell == (mosaic["paper"]["input"]["psnr"], mosaic["paper"]["input"]["ssim"])
    assert bilinear["psnr"] > 28 and bilinear["paper"]["best_other"]["method"] == "DAGL"


def test_a_table_says_which_sets_are_missing(data, tmp_path):
    (tmp_path / "Classic5").symlink_to(data / "Classic5")
    done = magn("eval", "--table", "III", "--data", tmp_path, "--level", "10", "--baselines-only")
    assert done.exit_code == 0 and "LIVE1 is not in" in done.stderr and "Classic5 (5)" in done.stdout


def test_every_cell_of_the_paper_is_known():
    for one in BENCHMARKS:
        for level in one.levels if one.table else ():
            assert one.cell("MAGN", level) is not None and one.best_other(level).method == "DAGL"
    assert benchmark("kodak24").cell("Mosaic", None).psnr == 8.56
    assert benchmark("BSD68").cell("MAGN", 25.0).ssim == 0.8409


@pytest.fixture
def clean(tmp_path, otter):
    folder = tmp_path / "clean"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(otter[:60, :80]).save(folder / "a.png")
    Image.fromarray(otter[60:120, :72]).save(folder / "sub" / "b.png")
    return folder


def test_a_folder_is_degraded_on_the_fly_and_restored(clean, tmp_path):
    words = ("eval", clean, "--task", "jpeg", "--level", "20,90")
    done = magn(
        *words, "--json", tmp_path / "a.json", "--csv", tmp_path / "a.csv", "--markdown", tmp_path / "a.md"
    )
    assert done.exit_code == 0, done.output
    results = report(tmp_path / "a.json")
    assert [(r["method"], r["level"]) for r in results] == [
        ("input", 20),
        ("magn-s", 20),
        ("input", 90),
        ("magn-s", 90),
    ]
    assert results[1]["psnr"] > results[0]["psnr"]
    for result in results:
        assert [p["name"] for p in result["pictures"]] == ["a.png", "sub/b.png"]
        assert result["psnr"] == pytest.approx(np.mean([p["psnr"] for p in result["pictures"]]))
        assert result["paper"] == {"input": None, "best_other": None, "magn": None}
    lines = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert len(lines) == 8 and float(lines[0]["psnr"]) == results[0]["pictures"][0]["psnr"]
    assert "protocol paper: jpeg" in (tmp_path / "a.md").read_text()


@pytest.mark.parametrize(
    ("task", "level", "more"),
    [("jpeg", "30", ["--gray", "luma"]), ("denoise", "25", []), ("demosaic", None, ["--pattern", "rggb"])],
)
def test_a_set_with_its_manifest_is_what_is_made_on_the_fly(clean, tmp_path, task, level, more):
    levels = [] if level is None else ["--level", level]
    assert magn("degrade", clean, "--task", task, "--out", tmp_path / "set", *levels, *more).exit_code == 0
    words = ("eval", clean, "--degraded", tmp_path / "set", "--baselines-only", "--json", tmp_path / "a.json")
    done = magn(*words)
    assert done.exit_code == 0, done.output
    (result,) = report(tmp_path / "a.json")
    assert result["task"] == task and len(result["pictures"]) == 2
    if task == "denoise":  # clipped by the protocol, so a little above the unclipped 20.17
        assert 20.1 < result["psnr"] < 20.6
        magn("eval", clean, "--task", task, *levels, "--baselines-only", "--json", tmp_path / "b.json")
        assert report(tmp_path / "b.json")[0]["psnr"] == result["psnr"]


def test_the_protocols_differ_where_they_say_so(clean, tmp_path):
    words = ("eval", clean, "--task", "jpeg", "--level", 20, "--baselines-only", "--json", "-")
    paper, modern = (json.loads(magn(*words, "--protocol", p).stdout)["results"][0] for p in ("paper", "modern"))
    assert paper["psnr"] == modern["psnr"]
    assert paper["ssim"] == paper["ssim_uniform"] != modern["ssim"] == modern["ssim_gaussian"]


class TestMistakes:
    def test_one_unreadable_picture_fails_and_the_rest_goes_on(self, clean):
        (clean / "c.png").write_text("no picture")
        done = magn("eval", clean, "--task", "jpeg", "--level", 20, "--baselines-only")
        assert done.exit_code == 1 and "c.png" in done.stderr and "clean (2)" in done.stdout

    def test_a_gray_picture_in_a_colour_set(self, clean, otter):
        Image.fromarray(otter[:40, :40, 0]).save(clean / "gray.png")
        done = magn("eval", clean, "--task", "demosaic", "--baselines-only")
        assert done.exit_code == 1 and "gray.png is gray" in done.stderr and "clean (2)" in done.stdout

    def test_a_missing_partner(self, clean, tmp_path, otter):
        (tmp_path / "bad").mkdir()
        Image.fromarray(otter[:60, :80]).save(tmp_path / "bad" / "a.jpg")
        words = ("eval", clean, "--degraded", tmp_path / "bad", "--task", "jpeg", "--baselines-only")
        done = magn(*words)
        assert done.exit_code == 1 and "b.png has no partner sub/b" in done.stderr and "clean (1)" in done.stdout
        # Once, however many methods there are.
        assert "1 of 2 pictures failed (sub/b)" in magn(*words[:-1]).stderr

    def test_two_sizes(self, clean, tmp_path, otter):
        (tmp_path / "bad" / "sub").mkdir(parents=True)
        Image.fromarray(otter[:60, :80]).save(tmp_path / "bad" / "a.jpg")
        Image.fromarray(otter[:60, :80]).save(tmp_path / "bad" / "sub" / "b.jpg")
        done = magn("eval", clean, "--degraded", tmp_path / "bad", "--task", "jpeg", "--baselines-only")
        assert done.exit_code == 1 and "differ in size (72x60 and 80x60)" in done.stderr
        assert "clean (1)" in done.stdout

    def test_a_method_that_fails_says_so_by_name(self, clean, tmp_path, otter):
        (tmp_path / "bad" / "sub").mkdir(parents=True)
        Image.fromarray(otter[:60, :80, 0]).save(tmp_path / "bad" / "a.jpg")
        Image.fromarray(otter[60:120, :72]).save(tmp_path / "bad" / "sub" / "b.jpg")
        done = magn("eval", clean, "--degraded", tmp_path / "bad", "--task", "jpeg", "--level", 20)
        assert done.exit_code == 1 and done.stdout.count("clean (1)") == 2
        for method in ("input", "magn-s"):
            assert f"magn: {method}: a cannot be compared" in done.stderr

    def test_a_network_that_cannot_take_a_picture_names_it(self, clean, tmp_path):
        done = magn("eval", clean, "--degraded", clean, "--task", "demosaic")
        assert done.exit_code == 1
        for name in ("a", "sub/b"):
            assert f"magn-s: {name}: the picture is not a GRBG mosaic" in done.stderr

    @pytest.mark.parametrize("name", ["empty", "text", "none"])
    def test_folders_without_pictures(self, tmp_path, name):
        if name != "none":
            (tmp_path / name).mkdir()
        if name == "text":
            (tmp_path / name / "a.txt").write_text("x")
        refused(magn("eval", tmp_path / name, "--task", "jpeg", "--level", 20), 1, name)

    @pytest.mark.parametrize(
        ("words", "part"),
        [
            (["--set", "Set14", "--data", "."], "Set14"),
            (["--table", "V", "--data", "."], "II, III or IV"),
            (["--set", "Urban100", "--data", "."], "--task"),
            ([".", "--set", "Set12"], "one of the three"),
            ([".", "--task", "jpeg"], "--level"),
            ([".", "--task", "jpeg", "--level", "20,x"], "x"),
            ([".", "--task", "jpeg", "--level", "20", "--protocol", "mine"], "mine"),
            ([".", "--task", "jpeg", "--level", "20", "--baseline", "nlm"], "'nlm' for jpeg: it has none"),
            ([".", "--task", "denoise", "--level", "20", "--baseline", "no"], "'no' for denoise: choose nlm."),
            ([".", "--level", "20"], "give --task denoise, jpeg or demosaic."),
        ],
    )
    def test_requests_that_make_no_sense(self, clean, monkeypatch, words, part):
        monkeypatch.chdir(clean)
        refused(magn("eval", *words), 2, part)

    def test_weights_that_do_not_exist_yet(self, clean):
        words = ("eval", clean, "--task", "denoise", "--level", 25, "--preset", "magn")
        done = magn(*words)
        refused(done, 3, "magn weights for denoise")
        assert "clean (2)" in done.stdout
        assert magn(*words, "--baseline", "nlm").exit_code == 0

    @pytest.mark.parametrize("option", ["--json", "--csv", "--markdown", "--html"])
    def test_a_report_does_not_take_the_place_of_a_picture(self, clean, tmp_path, option):
        words = ("eval", clean, "--task", "jpeg", "--level", 20, "--baselines-only", "--overwrite")
        path = clean / "sub" / "b.png"
        before = path.read_bytes()
        (tmp_path / "link").symlink_to(path)
        for report in (path, tmp_path / "link"):
            refused(magn(*words, option, report), 2, f"{option} {report} is one of the pictures")
        assert path.read_bytes() == before

    def test_a_report_takes_the_place_of_no_other_input(self, clean, tmp_path):
        degraded, own = tmp_path / "set", tmp_path / "own.safetensors"
        assert magn("degrade", clean, "--task", "jpeg", "--level", "20", "--out", degraded).exit_code == 0
        own.write_bytes(b"a network")
        words = ("eval", clean, "--degraded", degraded, "--weights", own, "--overwrite", "--json")
        for report in (degraded / "manifest.json", own):
            before = report.read_bytes()
            refused(magn(*words, report), 2, f"--json {report} is one of the inputs")
            assert report.read_bytes() == before
        picture = next(degraded.rglob("a.jpg"))
        refused(magn("eval", clean, "--degraded", degraded, "--overwrite", "--json", picture), 2, "pictures")

    def test_a_report_that_exists_is_not_replaced_unasked(self, clean, tmp_path):
        (tmp_path / "a.json").write_text("mine")
        words = ("eval", clean, "--task", "jpeg", "--level", 20, "--json", tmp_path / "a.json", "--baselines-only")
        refused(magn(*words), 2, "a.json")
        assert (tmp_path / "a.json").read_text() == "mine"
