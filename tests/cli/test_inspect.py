"""``magn inspect`` as a user meets it: what it says of photos, of folders, and of what is no photo."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from magn_cli.cli.views.inspect import SORTS
from magn_cli.files.local import LocalDisk
from magn_cli.tasks import TASKS, get_task
from tests.support.commands import magn, refused
from tests.support.dng import Sensor, write_dng
from tests.support.paths import EXAMPLES, ROOT

NOISY = 15


@pytest.fixture
def photos(tmp_path, otter):
    """A folder of photos that need different tasks, and one that needs none."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    larger = np.tile(otter, (2, 2, 1))
    noise = np.random.default_rng(0).normal(0, NOISY, larger.shape)
    Image.fromarray((larger + noise).clip(0, 255).astype(np.uint8)).save(folder / "noisy.png")
    Image.fromarray(otter).save(folder / "old.jpg", quality=20)
    Image.fromarray(otter).save(folder / "fine.jpg", quality=90)
    shutil.copy(EXAMPLES / "otter.png", folder / "clean.png")
    Image.fromarray(otter).save(folder / "sub" / "deep.png")
    return folder


def inspected(*words):
    result = magn("inspect", *words, "--json", "-")
    document = json.loads(result.stdout)
    assert document["schema"] == 1
    return result, document["photos"]


def words_of(panel):
    """The text of a panel without its frame and line breaks."""
    return " ".join(panel.replace("│", " ").split())


class TestOnePhoto:
    def test_a_jpeg(self, otter_jpeg):
        result = magn("inspect", otter_jpeg)
        assert result.exit_code == 0 and not result.stderr
        text = words_of(result.stdout)
        for part in (
            "200 x 144",
            "8-bit RGB",
            "sRGB",
            "EXIF (Camera maker)",
            "quality 20, 4:2:0",
            "8x8 blocks show",
            "magn restore jpeg, quality 20 (from the file's quantization tables)",
            "as PNG, JPEG, TIFF: all",
            "as WebP: all but resolution",
        ):
            assert part in text, part
        assert "about" in text and "of memory" in text

    def test_what_restore_does_is_what_was_said(self, photos):
        for path in photos.glob("*.*"):
            _, (found,) = inspected(path)
            done = magn("restore", path, "--log-json", "--out", path.with_suffix(".out.png"))
            event = next(e for e in map(json.loads, done.stdout.splitlines()) if e["event"] == "done")
            assert (event["task"], event["level"]) == (found["plan"]["task"], found["plan"]["level"])
            assert event["how"] in found["plan"]["how"]

    def test_white_noise_by_brightness(self, photos):
        _, (found,) = inspected(photos / "noisy.png")
        noise = found["noise"]
        assert noise["kind"] == "white" and noise["sigma"] == pytest.approx(NOISY, rel=0.1)
        sigmas = [one["sigma"] for one in noise["by_brightness"] if one["sigma"] is not None]
        assert sigmas and all(sigma == pytest.approx(NOISY, rel=0.35) for sigma in sigmas)
        assert "white: fine" in words_of(magn("inspect", photos / "noisy.png").stdout)

    def test_coarse_noise(self, tmp_path):
        from magn_cli.camera import processing
        from magn_cli.images import from_float, to_float

        clean = to_float(np.asarray(Image.open(EXAMPLES / "otter.png").convert("RGB")))
        noise = processing.blurred(np.random.default_rng(0).standard_normal(clean.shape, np.float32), 0.6)
        Image.fromarray(from_float(clean + noise * 0.15, np.uint8)).save(tmp_path / "a.png")
        _, (found,) = inspected(tmp_path / "a.png")
        assert found["noise"]["kind"] == "coarse"

    def test_a_clean_photo(self, photos):
        _, (found,) = inspected(photos / "clean.png")
        plan = found["plan"]
        assert plan["task"] is None and plan["seconds"] is None and "left as it is" in plan["how"]
        assert found["noise"]["kind"] is None

    def test_a_raw_file(self, tmp_path, otter):
        pytest.importorskip("rawpy")
        sensor = Sensor(black=(500, 510, 520, 530))
        write_dng(tmp_path / "a.dng", sensor.mosaic(otter / 255), sensor, orientation=6)
        _, (found,) = inspected(tmp_path / "a.dng")
        assert found["format"] == "RAW" and found["colours"] == "Bayer mosaic" and found["orientation"] == 6
        assert (found["width"], found["height"]) == (144, 200)
        assert found["raw"]["pattern"] == "rggb" and found["raw"]["blacks"] == [500, 510, 520, 530]
        assert 0.75 * sensor.white < found["raw"]["white"] <= sensor.white
        assert get_task(found["plan"]["task"]).mosaics and found["noise"] is None and found["blocks"] is None
        text = words_of(magn("inspect", tmp_path / "a.dng").stdout)
        assert "pattern rggb, black 500 510 520 530" in text and "rotated by 90 degrees clockwise" in text

    def test_depth_alpha_and_orientation(self, tmp_path, otter):
        exif = Image.Exif()
        exif[274] = 6
        rgba = np.dstack([otter, np.full(otter.shape[:2], 128, np.uint8)])
        Image.fromarray(rgba).save(tmp_path / "a.png", exif=exif)
        _, (found,) = inspected(tmp_path / "a.png")
        assert (found["width"], found["height"], found["bits"], found["orientation"]) == (144, 200, 8, 6)
        assert "alpha" in found["metadata"] and found["kept"]["JPEG"]["lost"] == ["alpha"]
        assert "all but alpha" in words_of(magn("inspect", tmp_path / "a.png").stdout)

    def test_what_reading_warns_of_is_a_note(self, tmp_path, otter):
        frames = [Image.fromarray(otter), Image.fromarray(otter[::-1])]
        frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
        result = magn("inspect", tmp_path / "a.tif")
        assert "several pages" in words_of(result.stdout) and not result.stderr

    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (63, 64)])
    def test_the_smallest_pictures(self, tmp_path, size):
        Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(tmp_path / "a.png")
        assert magn("inspect", tmp_path / "a.png").exit_code == 0

    def test_a_pipe(self, otter_jpeg):
        command = [sys.executable, "-m", "magn_cli", "inspect", "-", "--json", "-"]
        done = subprocess.run(
            command,
            input=otter_jpeg.read_bytes(),
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        (found,) = json.loads(done.stdout)["photos"]
        assert done.returncode == 0 and found["path"] == "standard input" and found["format"] == "JPEG"

    def test_nothing_is_written(self, photos):
        before = sorted(photos.rglob("*"))
        magn("inspect", photos, "-r")
        assert sorted(photos.rglob("*")) == before


class TestFolders:
    def test_a_table(self, photos):
        result = magn("inspect", photos)
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert [Path(line.split()[0]).name for line in lines[1:]] == [
            "clean.png",
            "fine.jpg",
            "noisy.png",
            "old.jpg",
        ]
        assert "4 files: 1 denoise, 2 jpeg, 1 nothing to restore; about" in result.stderr

    def test_sub_folders(self, photos):
        _, found = inspected(photos, "-r")
        assert [Path(one["path"]).name for one in found][-1] == "deep.png" and len(found) == 5

    @pytest.mark.parametrize(
        ("sort", "first", "last"),
        [
            ("noise", "noisy.png", None),
            ("quality", "fine.jpg", None),
            ("size", "clean.png", None),
            ("blocks", "old.jpg", None),
            ("task", "noisy.png", "clean.png"),
            ("time", "noisy.png", "clean.png"),
        ],
    )
    def test_sorting(self, photos, sort, first, last):
        _, found = inspected(photos, "--sort", sort)
        names = [Path(one["path"]).name for one in found]
        assert names[0] == first and last in (None, names[-1])

    def test_the_other_way_round(self, photos):
        (_, forwards), (_, backwards) = inspected(photos), inspected(photos, "--reverse")
        assert [one["path"] for one in forwards] == [one["path"] for one in backwards][::-1]

    def test_every_way_to_sort_stands_in_the_help(self):
        text = " ".join(magn("inspect", "--help").stdout.split())
        assert all(name in text for name in SORTS)


class TestBrokenFiles:
    def test_a_truncated_file(self, otter_jpeg):
        otter_jpeg.write_bytes(otter_jpeg.read_bytes()[:3000])
        result = magn("inspect", otter_jpeg)
        refused(result, 1, "otter.jpg", "truncated")
        text = words_of(result.stdout)
        assert "JPEG, 3.0 KB" in text and "200 x 144, as its header says" in text and "Broken" in text

    @pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut", b"II*\0"])
    def test_what_is_no_picture(self, tmp_path, content):
        (tmp_path / "a.jpg").write_bytes(content)
        refused(magn("inspect", tmp_path / "a.jpg"), 1, "a.jpg")

    def test_missing(self, tmp_path):
        refused(magn("inspect", tmp_path / "a.jpg"), 1, "a.jpg")

    def test_one_among_others(self, photos):
        (photos / "broken.jpg").write_bytes(b"no picture")
        result, found = inspected(photos, photos / "missing.jpg")
        assert result.exit_code == 1 and "broken.jpg" in result.stderr and "missing.jpg" in result.stderr
        assert [one["error"] is None for one in found] == [True] * 4 + [False] * 2
        table = magn("inspect", photos)
        assert table.exit_code == 1 and "broken" in table.stdout.splitlines()[-1]

    def test_the_table_tells_missing_from_broken(self, photos, tmp_path):
        (photos / "broken.jpg").write_bytes(b"no picture")
        (tmp_path / "empty").mkdir()
        table = magn("inspect", photos, tmp_path / "nope.jpg", tmp_path / "empty")
        assert table.exit_code == 1 and "; 1 broken; 1 missing; 1 unusable." in table.stderr
        kinds = {Path(line.split()[0]).name: line.split()[-1] for line in table.stdout.splitlines()[-3:]}
        assert kinds == {"nope.jpg": "missing", "empty": "unusable", "broken.jpg": "broken"}

    def test_a_file_that_is_closed_is_not_said_to_be_broken(self, otter_jpeg, monkeypatch):
        def closed(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(LocalDisk, "load", closed)
        result = magn("inspect", otter_jpeg)
        refused(result, 1, f"you have no permission to read {otter_jpeg}: ")
        assert "Unusable" in words_of(result.stdout) and "Broken" not in result.stdout

    def test_a_folder_that_is_closed_to_the_user(self, photos, tmp_path, monkeypatch):
        """The tests may run as root, whom nothing is closed to."""
        closed, (access, children) = tmp_path / "closed", (os.access, LocalDisk.children)
        closed.mkdir()

        def opened(disk, folder):
            if folder == closed:
                raise PermissionError(13, "Permission denied", str(folder))
            return children(disk, folder)

        monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(closed) and access(path, mode))
        monkeypatch.setattr(LocalDisk, "children", opened)
        result, found = inspected(closed, photos)
        assert result.exit_code == 1 and f"{closed} cannot be used (Permission denied)" in result.stderr
        assert [one["error"] is None for one in found] == [True] * 4 + [False]

    def test_too_many_pixels(self, otter_jpeg):
        refused(magn("inspect", otter_jpeg, "--max-pixels", "100"), 1, "--max-pixels")

    def test_a_failure_of_ours(self, otter_jpeg, monkeypatch):
        from magn_cli.inspection import photo

        def fail(*_):
            raise ZeroDivisionError

        monkeypatch.setattr(photo, "measure_grain", fail)
        monkeypatch.setattr(photo, "NOISY", -1)
        refused(magn("inspect", otter_jpeg), 1, "otter.jpg", "ZeroDivisionError", "report")

    def test_a_folder_without_pictures(self, tmp_path):
        refused(magn("inspect", tmp_path), 1, "no picture")


class TestOptions:
    def test_json_in_a_file(self, photos, tmp_path):
        path = tmp_path / "a.json"
        assert magn("inspect", photos, "--json", path, "--quiet").exit_code == 0
        assert len(json.loads(path.read_text())["photos"]) == 4
        refused(magn("inspect", photos, "--json", path), 2, "a.json", "--overwrite")

    def test_a_report_does_not_take_the_place_of_a_photo(self, photos, tmp_path):
        path = photos / "old.jpg"
        before = path.read_bytes()
        (tmp_path / "link").symlink_to(path)
        (tmp_path / "second.json").hardlink_to(path)
        for source in (path, photos, tmp_path / "link"):
            for report in (path, tmp_path / "link", tmp_path / "second.json"):
                result = magn("inspect", source, "--json", report, "--overwrite")
                refused(result, 2, f"--json {report} is one of the pictures")
        # Not inspected, but a picture of that folder.
        refused(magn("inspect", photos, "--json", photos / "sub/deep.png", "--overwrite"), 2, "deep.png")
        assert path.read_bytes() == before
        (photos / "a.json").write_text("old")
        assert magn("inspect", photos, "--json", photos / "a.json", "--overwrite").exit_code == 0

    def test_every_field_is_documented(self, photos):
        text = (ROOT / "docs" / "inspect.md").read_text()
        (photos / "broken.jpg").write_bytes(b"no picture")

        def names(value):
            for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
                yield from names(one)
            yield from value if isinstance(value, dict) else ()

        _, found = inspected(photos, "-r")
        assert {name for name in names(found) if f"`{name}`" not in text} <= set(TASKS)

    def test_quiet(self, photos):
        result = magn("inspect", photos, "--quiet")
        assert result.exit_code == 0 and not result.output

    @pytest.mark.parametrize("words", [("--sort", "colour"), ("--max-pixels", "0")])
    def test_mistakes(self, photos, words):
        refused(magn("inspect", photos, *words), 2, words[1])

    def test_weights_that_are_missing(self, otter_jpeg, monkeypatch):
        from magn_cli.errors import WeightsError
        from magn_cli.inspection import plan

        def none(*_):
            raise WeightsError("no weights; train some.")

        monkeypatch.setattr(plan, "find", none)
        plan._checkpoint.cache_clear()
        try:
            assert "no weights; train some." in words_of(magn("inspect", otter_jpeg).stdout)
        finally:
            plan._checkpoint.cache_clear()
