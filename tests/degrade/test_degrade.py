"""``magn degrade``: what a set looks like, that its bytes never change, and one sentence for each mistake."""

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from magn_cli import degrade, images
from magn_cli.degrade import DegradeRecipe, files, running
from magn_cli.degrade.recipe import generator
from magn_cli.images import gray
from tests.support import commands
from tests.support.commands import refused
from tests.support.folders import Content

GOLDEN_NOISE = [0.500825, -0.853665, 0.71488684, 1.3404185]
GOLDEN_PSNR = {"denoise": 20.157, "jpeg": 30.837, "demosaic": 6.534}


def magn(clean, task, out, *words):
    return commands.magn("degrade", clean, "--task", task, "--out", out, *words)


def done(clean, task, out, *words):
    result = magn(clean, task, out, *words)
    assert result.exit_code == 0, result.output
    return result


def contents(folder: Path) -> dict[str, Content]:
    return {p.relative_to(folder).as_posix(): Content(p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def manifest(folder: Path):
    return json.loads((folder / "manifest.json").read_text())


def test_a_clean_picture_is_not_replaced_through_a_link(clean, tmp_path):
    picture = clean / "sub" / "other.jpg"
    Image.fromarray(scene()).save(picture, quality=95)
    before, out = picture.read_bytes(), tmp_path / "set"
    (out / "jpeg-10").mkdir(parents=True)
    (out / "jpeg-10" / "sub").symlink_to(clean / "sub")
    result = magn(clean, "jpeg", out, "--level", 10, "--overwrite")
    assert result.exit_code == 2 and "would take the place of the picture" in result.stderr
    assert picture.read_bytes() == before


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def scene() -> np.ndarray:
    """A picture made by arithmetic: ``(48, 64, 3)``, uint8, smooth with edges."""
    y, x = np.mgrid[:48, :64]
    waves = [127 + 100 * np.sin(x / (5 + c)) * np.cos(y / (7 - c)) + 20 * (x > 30) for c in range(3)]
    return np.clip(np.rint(np.stack(waves, -1)), 0, 255).astype(np.uint8)


@pytest.fixture
def clean(tmp_path) -> Path:
    """Two colour pictures, one of them in a sub-folder, a gray one, and files that are no pictures."""
    folder = tmp_path / "clean"
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    Image.fromarray(scene()).save(folder / "a.png")
    Image.fromarray(scene()[:, ::-1]).save(folder / "sub" / "a.tif")
    Image.fromarray(scene()[..., 1]).save(folder / "b.c.bmp")
    Image.fromarray(scene()).save(folder / ".d.png")
    Image.fromarray(scene()).save(folder / ".hidden" / "e.png")
    (folder / "notes.txt").write_text("left alone")
    return folder


class TestSets:
    def test_layout_and_manifest(self, clean, tmp_path):
        out = tmp_path / "out"
        done(clean, "jpeg", out, "--level", "40,10,40")
        names = ["jpeg-10/a.jpg", "jpeg-10/b.c.jpg", "jpeg-10/sub/a.jpg"]
        names += [name.replace("10", "40", 1) for name in names]
        assert sorted(contents(out)) == [*sorted(names), "manifest.json"]
        told = manifest(out)
        assert list(told) == ["schema", "versions", "task", "levels", "seed", "options", "pictures"]
        assert (told["schema"], told["task"], told["levels"], told["seed"]) == (1, "jpeg", [10, 40], 0)
        assert told["options"] == {"gray": None, "subsampling": "4:2:0"}
        assert list(told["versions"]) == ["magn", "numpy", "opencv", "pillow"]
        assert [(p["source"], p["level"]) for p in told["pictures"]] == [
            (source, level) for source in ("a.png", "b.c.bmp", "sub/a.tif") for level in (10, 40)
        ]
        for picture in told["pictures"]:
            assert picture["source_sha256"] == sha256(clean / picture["source"])
            assert picture["result_sha256"] == sha256(out / picture["result"])
        assert str(tmp_path) not in (out / "manifest.json").read_text()

    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
    def test_jpeg_files_are_pillows(self, clean, tmp_path, subsampling):
        done(clean, "jpeg", tmp_path / "out", "--level", 30, "--subsampling", subsampling)
        for name, pixels, kind in (("a", scene(), {"subsampling": subsampling}), ("b.c", scene()[..., 1], {})):
            expected = io.BytesIO()
            Image.fromarray(pixels).save(expected, "JPEG", quality=30, **kind)
            assert (tmp_path / "out" / "jpeg-30" / f"{name}.jpg").read_bytes() == expected.getvalue()
        photo = images.read(tmp_path / "out" / "jpeg-30" / "a.jpg")
        assert photo.quantization.subsampling == subsampling

    @pytest.mark.parametrize("kind", ["white", "camera", "grain"])
    def test_kinds_of_noise(self, clean, tmp_path, kind):
        done(clean, "denoise", tmp_path / "out", "--level", 10, "--noise", kind)
        assert manifest(tmp_path / "out")["options"]["noise"] == kind
        noisy = images.read(tmp_path / "out" / "denoise-10" / "a.tif").pixels
        noise = 255 * (noisy - images.to_float(scene()))
        assert abs(np.sqrt(np.square(noise).mean()) - 10) < 1.5
        before = contents(tmp_path / "out")
        done(clean, "denoise", tmp_path / "again", "--level", 10, "--noise", kind)
        assert contents(tmp_path / "again") == before
        refused(magn(clean, "denoise", tmp_path / "out", "--level", 10, "--noise", "pink"), 2, "pink", "camera")

    def test_noise_is_float_and_not_clipped(self, clean, tmp_path):
        done(clean, "denoise", tmp_path / "out", "--level", "50,12.5")
        assert {p.name for p in (tmp_path / "out").iterdir()} == {"denoise-50", "denoise-12.5", "manifest.json"}
        assert manifest(tmp_path / "out")["levels"] == [12.5, 50]
        noises = []
        for level in (50, 12.5):
            noisy = images.read(tmp_path / "out" / f"denoise-{level}" / "a.tif").pixels
            assert noisy.dtype == np.float32 and noisy.shape == (48, 64, 3)
            noises.append((noisy - images.to_float(scene())) * 255)
            assert abs(noises[-1].std() / level - 1) < 0.03
        assert noises[0].min() + scene().min() < 0
        assert abs(np.corrcoef(noises[0].ravel(), noises[1].ravel())[0, 1]) < 0.05
        assert images.read(tmp_path / "out" / "denoise-50" / "b.c.tif").pixels.shape == (48, 64)

    @pytest.mark.parametrize(("pattern", "first"), [("grbg", 1), ("rggb", 0), ("gbrg", 1), ("bggr", 2)])
    def test_mosaics(self, clean, tmp_path, pattern, first):
        done(clean, "demosaic", tmp_path / "three", "--pattern", pattern)
        done(clean, "demosaic", tmp_path / "one", "--pattern", pattern, "--channels", 1)
        three, one = (images.read(tmp_path / n / "demosaic" / "a.png").pixels for n in ("three", "one"))
        assert three.dtype == np.uint8 and one.shape == (48, 64)
        np.testing.assert_array_equal(three.sum(-1), one)
        np.testing.assert_array_equal(three[0, 0], scene()[0, 0] * (np.arange(3) == first))
        told = manifest(tmp_path / "one")
        assert told["levels"] == [] and told["pictures"][0]["level"] is None
        assert told["options"] == {"channels": 1, "gray": None, "pattern": pattern}

    def test_a_mosaic_keeps_16_bits(self, tmp_path):
        deep = scene()[..., 0].astype(np.uint16) * 257 + np.arange(64, dtype=np.uint16)
        images.write(tmp_path / "a.png", np.dstack([deep] * 3))
        done(tmp_path / "a.png", "demosaic", tmp_path / "out", "--channels", 1)
        np.testing.assert_array_equal(images.read(tmp_path / "out" / "demosaic" / "a.png").pixels, deep)

    @pytest.mark.parametrize("kind", ["luma", "gray"])
    def test_gray_as_in_the_paper(self, clean, tmp_path, kind):
        done(clean, "jpeg", tmp_path / "out", "--level", 20, "--gray", kind)
        expected = images.from_float(getattr(gray, kind)(images.to_float(scene())), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(expected).save(buffer, "JPEG", quality=20)
        assert (tmp_path / "out" / "jpeg-20" / "a.jpg").read_bytes() == buffer.getvalue()

    def test_alpha_and_metadata_stay_behind(self, tmp_path):
        (tmp_path / "in").mkdir()
        for name in ("a", "b"):
            rgba = np.dstack([scene(), np.full((48, 64), 9, np.uint8)])
            Image.fromarray(rgba).save(tmp_path / "in" / f"{name}.png", dpi=(300, 300))
        result = done(tmp_path / "in", "demosaic", tmp_path / "out")
        assert result.stderr.count("alpha channel") == 1
        photo = images.read(tmp_path / "out" / "demosaic" / "a.png")
        assert photo.alpha is None and photo.metadata == images.Metadata()

    def test_the_library_gives_the_pixels_of_the_set(self, clean, tmp_path):
        for task, level in (("denoise", 25), ("jpeg", 25), ("demosaic", None)):
            recipe = DegradeRecipe(task, seed=3)
            degrade.run(degrade.plan(clean, tmp_path / task, recipe, (level,)))
            written = images.read(tmp_path / task / recipe.result_name("sub/a.tif", level)).pixels
            photo = images.read(clean / "sub" / "a.tif")
            again = recipe.degrade(recipe.clean(photo.pixels), "sub/a.tif", level)
            np.testing.assert_array_equal(images.to_float(written), again)


class TestSameBytes:
    WORDS = ("--level", "15,25", "--seed", 7)

    def test_whatever_the_order_and_the_workers(self, clean, tmp_path):
        other = tmp_path / "other"
        for name in ("sub/a.tif", "b.c.bmp", "a.png"):
            (other / name).parent.mkdir(parents=True, exist_ok=True)
            (other / name).write_bytes((clean / name).read_bytes())
        done(clean, "denoise", tmp_path / "one", *self.WORDS)
        done(other, "denoise", tmp_path / "three", *self.WORDS, "--workers", 3)
        assert contents(tmp_path / "one") == contents(tmp_path / "three")

    def test_one_picture_has_the_noise_it_has_in_its_folder(self, clean, tmp_path):
        done(clean, "denoise", tmp_path / "all", *self.WORDS)
        done(clean / "a.png", "denoise", tmp_path / "one", *self.WORDS)
        assert contents(tmp_path / "one")["denoise-15/a.tif"] == contents(tmp_path / "all")["denoise-15/a.tif"]

    def test_another_seed_is_other_noise(self, clean, tmp_path):
        noises = []
        for seed in (0, 1):
            done(clean / "a.png", "denoise", tmp_path / str(seed), "--level", 25, "--seed", seed)
            noises.append(contents(tmp_path / str(seed))["denoise-25/a.tif"])
        assert noises[0] != noises[1]

    def test_golden_noise(self):
        noise = generator(0, "sub/a.png", 25).standard_normal(4, np.float32)
        np.testing.assert_allclose(noise, GOLDEN_NOISE, rtol=1e-5)
        composed, decomposed = (generator(0, name, 12.5).random() for name in ("\u00e4.png", "a\u0308.png"))
        assert composed == decomposed

    @pytest.mark.parametrize("task", ["denoise", "jpeg", "demosaic"])
    def test_golden_psnr(self, task):
        level = None if task == "demosaic" else 25
        clean = images.to_float(scene())
        error = DegradeRecipe(task).degrade(clean, "a.png", level).astype(float) - clean
        assert -10 * np.log10(np.square(error).mean()) == pytest.approx(GOLDEN_PSNR[task], abs=0.005)


class TestRunAgain:
    def test_what_is_done_is_skipped(self, clean, tmp_path):
        out = tmp_path / "out"
        done(clean, "jpeg", out, "--level", "10,20")
        before, times = contents(out), {p: p.stat().st_mtime_ns for p in out.rglob("*.jpg")}
        result = done(clean, "jpeg", out, "--level", "20,10")
        assert "6 already there" in result.stderr
        assert contents(out) == before
        assert {p: p.stat().st_mtime_ns for p in out.rglob("*.jpg")} == times

    def test_levels_and_pictures_are_added(self, clean, tmp_path):
        done(clean, "denoise", tmp_path / "at-once", "--level", "5,15")
        done(clean / "a.png", "denoise", tmp_path / "out", "--level", 15)
        done(clean, "denoise", tmp_path / "out", "--level", 5)
        done(clean, "denoise", tmp_path / "out", "--level", 15)
        assert contents(tmp_path / "out") == contents(tmp_path / "at-once")

    def test_what_is_missing_or_has_another_source_is_made(self, clean, tmp_path):
        out = tmp_path / "out"
        done(clean, "jpeg", out, "--level", 10)
        (out / "jpeg-10" / "sub" / "a.jpg").unlink()
        Image.fromarray(scene()[::-1]).save(clean / "a.png")
        assert "2 made, 1 already there" in done(clean, "jpeg", out, "--level", 10).stderr
        done(clean, "jpeg", tmp_path / "fresh", "--level", 10)
        assert contents(out) == contents(tmp_path / "fresh")

    def test_a_run_that_was_killed_is_taken_up_again(self, clean, tmp_path):
        """The results exist, but no manifest lists them."""
        out = tmp_path / "out"
        done(clean, "denoise", out, "--level", 10)
        before = contents(out)
        (out / "manifest.json").unlink()
        (out / "denoise-10" / "a.tif").unlink()
        assert "1 made, 2 already there" in done(clean, "denoise", out, "--level", 10).stderr
        assert contents(out) == before

    def test_what_a_killed_run_has_left_is_removed(self, clean, tmp_path):
        out = tmp_path / "out"
        done(clean, "jpeg", out, "--level", 10)
        before = contents(out)
        for folder, name in ((out, "manifest.json"), (out / "jpeg-10", "a.jpg"), (out / "jpeg-10/sub", "a.jpg")):
            (folder / f".{name}.0123456789ab.tmp").write_bytes(b"half")
        assert "3 already there" in done(clean, "jpeg", out, "--level", 10).stderr
        assert contents(out) == before

    def test_an_interrupted_run_lists_what_it_made(self, clean, tmp_path, monkeypatch):
        def read(path, store):
            if path.name == "b.c.bmp":
                raise KeyboardInterrupt
            return files.read(path, store)

        with monkeypatch.context() as patch:
            patch.setattr(running, "read", read)
            result = magn(clean, "jpeg", tmp_path / "out", "--level", 10)
        refused(result, 130, "interrupted; run the same command again to resume.")
        assert [p["source"] for p in manifest(tmp_path / "out")["pictures"]] == ["a.png"]
        done(clean, "jpeg", tmp_path / "out", "--level", 10)
        done(clean, "jpeg", tmp_path / "fresh", "--level", 10)
        assert contents(tmp_path / "out") == contents(tmp_path / "fresh")

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("jpeg", "--seed", 1), "seed 0, not 1"),
            (("jpeg", "--subsampling", "4:4:4"), "subsampling 4:2:0, not 4:4:4"),
            (("jpeg", "--gray", "luma"), "gray none, not luma"),
            (("denoise",), "task jpeg, not denoise"),
        ],
    )
    def test_other_settings_need_overwrite(self, clean, tmp_path, words, told):
        out, (task, *more) = tmp_path / "out", words
        done(clean, "jpeg", out, "--level", 10)
        before = contents(out)
        refused(magn(clean, task, out, "--level", 10, *more), 2, told, "--overwrite")
        assert contents(out) == before
        done(clean, task, out, "--level", 10, *more, "--overwrite")
        done(clean, task, tmp_path / "fresh", "--level", 10, *more)
        assert contents(tmp_path / "fresh").items() <= contents(out).items()

    def test_other_versions_need_overwrite(self, clean, tmp_path):
        out = tmp_path / "out"
        done(clean, "jpeg", out, "--level", 10)
        told = manifest(out)
        told["versions"]["pillow"] = "1.1.7"
        (out / "manifest.json").write_text(json.dumps(told))
        refused(magn(clean, "jpeg", out, "--level", 10), 2, "pillow version 1.1.7, not")

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 2}', "nonsense"])
    def test_a_manifest_that_is_none(self, clean, tmp_path, content):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "manifest.json").write_text(content)
        refused(magn(clean, "jpeg", tmp_path / "out", "--level", 10), 2, "manifest.json")
        done(clean, "jpeg", tmp_path / "out", "--level", 10, "--overwrite")
        assert manifest(tmp_path / "out")["levels"] == [10]

    @pytest.mark.parametrize("listed", [True, False])
    def test_a_file_that_is_not_ours_is_not_replaced_unasked(self, clean, tmp_path, listed):
        out, mine = tmp_path / "out", tmp_path / "out" / "jpeg-10" / "a.jpg"
        if listed:
            done(clean, "jpeg", out, "--level", 10)
        mine.parent.mkdir(parents=True, exist_ok=True)
        mine.write_bytes(b"mine")
        before = contents(out)
        refused(magn(clean, "jpeg", out, "--level", 10), 2, mine, "--overwrite")
        assert contents(out) == before
        done(clean, "jpeg", out, "--level", 10, "--overwrite")
        assert images.read(mine).format == "JPEG"


class TestMistakes:
    def test_broken_pictures_and_the_rest(self, clean, tmp_path):
        (clean / "broken.png").write_text("not a picture")
        result = magn(clean, "jpeg", tmp_path / "out", "--level", 10)
        assert result.exit_code == 1
        complaints = [line for line in result.stderr.splitlines() if line.startswith("magn: ")]
        assert len(complaints) == 2
        assert "broken.png" in complaints[0] and "1 of 4 pictures" in complaints[1]
        assert len(manifest(tmp_path / "out")["pictures"]) == 3

    def test_one_broken_picture(self, tmp_path):
        (tmp_path / "a.png").write_text("not a picture")
        refused(magn(tmp_path / "a.png", "jpeg", tmp_path / "out", "--level", 10), 1, "a.png")
        assert contents(tmp_path / "out") == {}

    def test_a_picture_too_large_for_jpeg(self, tmp_path):
        Image.fromarray(np.zeros((1, 65_501), np.uint8)).save(tmp_path / "a.png")
        refused(magn(tmp_path / "a.png", "jpeg", tmp_path / "out", "--level", 10), 1, "a.png", "65,500")

    def test_nothing_there(self, tmp_path):
        refused(magn(tmp_path / "none", "jpeg", tmp_path / "out", "--level", 10), 1, "none")

    def test_a_folder_of_text_files(self, tmp_path):
        (tmp_path / "clean").mkdir()
        (tmp_path / "clean" / "notes.txt").write_text("x")
        refused(magn(tmp_path / "clean", "jpeg", tmp_path / "out", "--level", 10), 1, "no picture")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("task", "level"),
        [
            ("jpeg", "10,abc"),
            ("jpeg", "10,,20"),
            ("jpeg", "12.5"),
            ("jpeg", "4"),
            ("jpeg", "10,96"),
            ("jpeg", "nan"),
            ("denoise", "-1"),
            ("denoise", "75.5"),
            ("denoise", "inf"),
            ("demosaic", "10"),
        ],
    )
    def test_levels_that_make_no_sense(self, clean, tmp_path, task, level):
        refused(magn(clean, task, tmp_path / "out", f"--level={level}"), 2)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("task", ["jpeg", "denoise"])
    def test_no_level(self, clean, tmp_path, task):
        refused(magn(clean, task, tmp_path / "out"), 2, "--level")

    @pytest.mark.parametrize(
        "option",
        [
            ("--subsampling", "4:1:1"),
            ("--gray", "mean"),
            ("--pattern", "rgbg"),
            ("--channels", 2),
            ("--workers", 0),
        ],
    )
    def test_options_that_make_no_sense(self, clean, tmp_path, option):
        refused(magn(clean, "jpeg", tmp_path / "out", "--level", 10, *option), 2, option[1])

    def test_unknown_task(self, clean, tmp_path):
        refused(magn(clean, "dehaze", tmp_path / "out", "--level", 10), 2, "dehaze")

    def test_two_sources_of_one_result(self, clean, tmp_path):
        Image.fromarray(scene()).save(clean / "a.tif")
        refused(magn(clean, "jpeg", tmp_path / "out", "--level", 10), 2, clean / "a.png", clean / "a.tif")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("below", ["", "sub", "new/set"])
    def test_a_set_within_the_clean_pictures(self, clean, below):
        before = contents(clean)
        refused(magn(clean, "jpeg", clean / below, "--level", 10), 2, "is inside")
        assert contents(clean) == before

    @pytest.mark.parametrize("name", ["jpeg-10", "jpeg-10/a.jpg"])
    def test_a_set_is_not_degraded_onto_itself(self, clean, tmp_path, name):
        done(clean, "jpeg", tmp_path / "out", "--level", 10)
        before = contents(tmp_path / "out")
        result = magn(tmp_path / "out" / name, "jpeg", tmp_path / "out", "--level", 10, "--overwrite")
        refused(result, 2, "is inside")
        assert contents(tmp_path / "out") == before

    def test_out_is_a_file(self, clean, tmp_path):
        (tmp_path / "out").write_text("x")
        refused(magn(clean, "jpeg", tmp_path / "out", "--level", 10), 2, "is a file")
        refused(magn(clean, "jpeg", tmp_path / "out" / "set", "--level", 10), 1, "out")

    def test_quiet(self, clean, tmp_path):
        assert done(clean, "jpeg", tmp_path / "out", "--level", 10, "--quiet").output == ""


def test_no_torch_is_needed(clean, tmp_path):
    code = (
        "import sys\nsys.argv = ['magn', *sys.argv[1:]]\n"
        "from magn_cli.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    heavy = {'torch', 'cv2', 'numpy'} if sys.argv[-1] == '--help' else {'torch'}\n"
        "    assert not heavy & set(sys.modules), 'heavy import'\n"
    )
    words = ["degrade", str(clean), "--task", "jpeg", "--level", "10", "--out", str(tmp_path / "out")]
    for more in ([], ["--help"]):
        run = subprocess.run([sys.executable, "-c", code, *words, *more], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
