"""Pages and pictures of before and after: what is in them, how large they are, and where they go."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from magn_cli import images
from magn_cli.errors import UsageError
from magn_cli.images import Metadata, Photo, preview
from magn_cli.report import plots, plotting
from magn_cli.report.compare import ComparePage, ComparePictures, comparison
from magn_cli.report.embedding import embedded
from magn_cli.report.gallery import Gallery, State
from magn_cli.report.regions import Region, most_different
from magn_cli.report.side_by_side import side_by_side
from tests.support.commands import magn, refused
from tests.support.dng import Sensor, write_dng

NASTY = "<script>alert(1)</script>.png"


class Reader(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def clean(tmp_path, otter):
    folder = tmp_path / "clean"
    folder.mkdir()
    Image.fromarray(otter).save(folder / "a.png")
    Image.fromarray(otter[:100, :90]).save(folder / "b.png")
    return folder


def opened(source):
    """The picture in a data address."""
    import base64

    return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))


class TestRegions:
    @given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(0, 2**32 - 1))
    def test_the_first_is_the_window_with_the_largest_error(self, height, width, side, seed):
        rng = np.random.default_rng(seed)
        a, b = rng.random((2, height, width), np.float32)
        (found,) = most_different(a, b, side)
        error = np.square(a - b, dtype=np.float64)
        high, wide = min(side, height), min(side, width)
        every = np.lib.stride_tricks.sliding_window_view(error, (high, wide)).mean((2, 3))
        assert (found.width, found.height) == (wide, high)
        assert found.of(error).mean() == pytest.approx(every.max(), rel=1e-5)

    def test_several_do_not_overlap_and_equal_pictures_have_none(self, otter):
        other = np.asarray(Image.fromarray(otter).resize((50, 36)).resize((200, 144)))
        found = most_different(otter, other, 48, 9)
        covered = np.zeros(otter.shape[:2], int)
        for region in found:
            region.of(covered)[...] += 1
        assert len(found) > 3 and covered.max() == 1
        errors = [np.square(r.of(otter).astype(float) - r.of(other)).mean() for r in found]
        assert errors == sorted(errors, reverse=True)
        assert most_different(otter, otter, 48) == []

    def test_a_gray_picture_can_be_compared_with_a_coloured_one(self, otter):
        other = np.dstack([otter[..., 0]] * 3).copy()
        other[60:90, 100:130, 2] ^= 128
        (found,) = most_different(otter[..., 0], other, 30)
        assert found == Region(100, 60, 30, 30)

    @given(st.integers(0, 90), st.integers(0, 70), st.integers(1, 200))
    def test_what_surrounds_a_region_lies_in_the_picture(self, x, y, side):
        around = Region(x, y, 10, 10).around(side, 100, 80)
        assert 0 <= around.x <= 100 - around.width and 0 <= around.y <= 80 - around.height
        assert (around.width, around.height) == (min(side, 100), min(side, 80))


class TestPreview:
    def test_a_small_profile_is_kept_and_another_becomes_srgb(self, otter):
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        kept = Image.open(io.BytesIO(preview.lossless(otter, icc=srgb)))
        assert kept.info["icc_profile"] == srgb
        np.testing.assert_array_equal(np.asarray(kept), otter)
        smaller = Image.open(io.BytesIO(preview.smaller(preview.lossless(otter, icc=srgb), 80)))
        assert smaller.info["icc_profile"] == srgb
        padded = srgb + bytes(100_000)
        converted = Image.open(io.BytesIO(preview.lossless(otter, icc=padded)))
        assert "icc_profile" not in converted.info
        assert np.abs(np.asarray(converted).astype(int) - otter).max() <= 2
        for wrong in (b"no profile", srgb[:200]):
            assert "icc_profile" not in Image.open(io.BytesIO(preview.lossless(otter, icc=wrong))).info

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    @pytest.mark.parametrize("gray", [False, True])
    def test_every_depth_with_alpha(self, otter, dtype, gray):
        pixels = images.change_depth(otter[..., 0] if gray else otter, dtype)
        alpha = images.change_depth(otter[..., 1], dtype)
        shown = Image.open(io.BytesIO(preview.lossless(pixels, alpha)))
        np.testing.assert_array_equal(np.asarray(shown.convert("RGBA"))[..., :3].squeeze()[..., 0], otter[..., 0])
        np.testing.assert_array_equal(np.asarray(shown)[..., -1], otter[..., 1])
        cut = Image.open(io.BytesIO(preview.smaller(preview.lossless(pixels, alpha), 60, (10, 20, 30, 40))))
        assert cut.size == (30, 40) and cut.format == "WEBP" and cut.mode == "RGBA"


class TestFitting:
    @pytest.fixture
    def gallery(self, otter):
        with Gallery() as kept:
            for i in range(4):
                other = otter.copy()
                other[100:130, 20 + 30 * i : 60 + 30 * i] //= 2
                regions = most_different(otter, other, 128)
                kept.add(f"{i}", "", [State("a", otter), State("b", other)], regions, rank=-i)
            yield kept

    def test_what_fits_is_lossless(self, gallery, otter):
        shown, sentence = embedded(gallery.pictures, 10**7)
        np.testing.assert_array_equal(np.asarray(opened(shown[0].sources[0])), otter)
        assert "without loss" in sentence

    @pytest.mark.parametrize("room", [0, 5_000, 20_000, 40_000, 80_000, 150_000, 300_000])
    def test_no_more_than_the_room_and_said_so(self, gallery, room):
        shown, sentence = embedded(gallery.pictures, room)
        assert sum(len(source) for one in shown for source in one.sources) <= room
        assert "quality" in sentence
        if len(shown) < 4:
            assert f"{4 - len(shown)} of 4 pictures did not fit" in sentence
            assert [s.picture.number for s in shown] == list(range(5 - len(shown), 5))  # the lowest ranks
        for one in shown:
            assert {opened(s).size for s in one.sources} == {(one.view.width, one.view.height)}
            if one.is_cut:
                assert "cropped to" in sentence

    def test_a_cut_picture_still_has_its_region_in_it(self, gallery):
        shown, _ = embedded(gallery.pictures, 50_000)
        assert shown and all(one.is_cut for one in shown)
        for one in shown:
            ((number, region),) = one.regions
            there = one.picture.regions[number]
            assert (region.x + one.view.x, region.y + one.view.y) == (there.x, there.y)


class TestEvaluation:
    @pytest.fixture
    def words(self, clean, tmp_path):
        return ("eval", clean, "--task", "jpeg", "--level", "10,40", "--html", tmp_path / "r.html")

    def test_figures_and_pictures(self, words, clean, tmp_path):
        Image.open(clean / "b.png").save(clean / NASTY.replace("/", "\u2215"))
        done = magn(*words, "--json", tmp_path / "a.json")
        assert done.exit_code == 0, done.output
        text = (tmp_path / "r.html").read_text()
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text
        for result in json.loads((tmp_path / "a.json").read_text())["results"]:
            assert f">{result['psnr']:.2f}<" in text and f">{result['ssim']:.4f}<" in text
            for picture in result["pictures"]:
                assert f"{picture['psnr']:.2f}" in text
        page = Reader(text)
        assert len(page.of("img")) == 6 * 3 and len(page.of("article")) == 6
        assert all(image["src"].startswith("data:image/") and image["alt"] for image in page.of("img"))
        assert not [a for _, a in page.elements if re.match("(https?:)?//", a.get("src", "") or a.get("href", ""))]
        assert len(page.of("svg")) == 1 and "PSNR against quality" in text
        sha256 = re.search(r"sha256</dt><dd[^>]*>([0-9a-f]{64})<", text)[1]
        assert sha256 in Path("weights.toml").read_text() if Path("weights.toml").is_file() else True
        assert "protocol paper" in text.lower() and "uniform 8x8" in text

    def test_one_level_needs_no_plot_and_several_need_matplotlib(self, words, clean, tmp_path, monkeypatch):
        monkeypatch.setattr(plotting, "is_available", lambda: False)
        refused(magn(*words, "--baselines-only"), 2, "matplotlib", "magn-cli[report]")
        assert not (tmp_path / "r.html").exists()
        one = ("eval", clean, "--task", "jpeg", "--level", 10, "--html", tmp_path / "r.html", "--baselines-only")
        assert magn(*one).exit_code == 0
        assert "<svg" not in (tmp_path / "r.html").read_text()

    def test_the_cells_of_the_paper_stand_beside_the_figures(self, data, tmp_path):
        words = ("eval", "--set", "Classic5", "--data", data, "--level", "10", "--baselines-only")
        assert magn(*words, "--html", tmp_path / "r.html").exit_code == 0
        text = (tmp_path / "r.html").read_text()
        assert "JPEG 27.82 / 0.7800" in text and ">+0.00<" in text and ">27.82<" in text
        assert "MAGN 30.10" not in text  # the cell of a network that was not run
        assert magn(*words, "--html", tmp_path / "m.html", "--protocol", "modern").exit_code == 0
        assert "printed in the paper" not in (tmp_path / "m.html").read_text()

    def test_the_bound_on_the_size_holds(self, words, tmp_path):
        sizes = []
        for limit in (0.1, 0.2, 25):
            done = magn(*words, "--baselines-only", "--html-limit", limit, "--overwrite")
            assert done.exit_code == 0, done.output
            sizes.append((tmp_path / "r.html").stat().st_size)
            assert sizes[-1] <= limit * 1e6
        assert sizes[0] < sizes[1] < sizes[2]

    def test_linked_pictures_are_what_was_measured(self, words, tmp_path, otter):
        done = magn(*words, "--baselines-only", "--link-images")
        assert done.exit_code == 0, done.output
        sources = [image["src"] for image in Reader((tmp_path / "r.html").read_text()).of("img")]
        assert len(sources) == 8 and all((tmp_path / source).is_file() for source in sources)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / sources[1])), otter)
        refused(magn(*words, "--link-images"), 2, "r.html")
        (tmp_path / "r.html").unlink()
        refused(magn(*words, "--link-images"), 2, "r_files")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["clean", "r_files"]

    def test_a_picture_that_cannot_be_measured_is_told(self, words, clean, tmp_path):
        (clean / "c.png").write_text("no picture")
        assert magn(*words, "--baselines-only").exit_code == 1
        text = (tmp_path / "r.html").read_text()
        assert "Not measured" in text and "c.png contains no" in text and len(Reader(text).of("article")) == 4

    def test_equal_pictures(self, clean, tmp_path):
        words = ("eval", clean, "--degraded", clean, "--task", "jpeg", "--baselines-only")
        assert magn(*words, "--html", tmp_path / "r.html").exit_code == 0
        text = (tmp_path / "r.html").read_text()
        assert ">\u221e<" in text and ">nan" not in text and "nan dB" not in text
        assert not Reader(text).of("h4")

    def test_to_standard_output(self, words):
        done = magn(
            *(w if not isinstance(w, Path) or w.suffix != ".html" else "-" for w in words), "--baselines-only"
        )
        assert done.exit_code == 0 and done.stdout.startswith("<!doctype html>")

    def test_requests_that_make_no_sense(self, words, tmp_path):
        refused(magn(*words[:-2], "--link-images"), 2, "--html")
        refused(magn(*words, "--json", words[-1]), 2, "one file")
        refused(magn(*words[:-1], "-", "--link-images"), 2, "--link-images")
        (tmp_path / "r.html").write_text("mine")
        refused(magn(*words), 2, "r.html")
        assert (tmp_path / "r.html").read_text() == "mine"


def test_a_plot_tells_its_figures_in_words():
    lines = [
        plots.Line("a < b", "ours", [(10, 28.123), (20, 30.0)]),
        plots.Line("x", "input", [(10, 27), (20, 28)]),
    ]
    text = plots.svg(plots.Plot("Set & more", "quality", lines), 1)
    assert "a &lt; b: 28.12 dB at quality 10, 30.00 dB at quality 20." in text and "Set &amp; more" in text
    assert text == plots.svg(plots.Plot("Set & more", "quality", lines), 1)
    assert "var(--ours)" in text and plotting.OURS not in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids)) and all(name.startswith("plot1-") for name in ids)


def a_photo(pixels, **more):
    return Photo(pixels, more.get("alpha"), Metadata(icc=more.get("icc")), None, "PNG")


class TestSideBySide:
    @pytest.mark.parametrize("size", [(1, 1), (40, 30), (144, 200), (900, 700), (30, 3000), (3000, 30)])
    def test_any_size(self, size):
        before = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
        sheet = side_by_side(before, 255 - before)
        assert sheet.dtype == np.uint8 and sheet.shape[2] == 3 and max(sheet.shape) < 1700

    def test_the_pictures_are_in_it_pixel_by_pixel(self, otter):
        after = otter.copy()
        after[10:40, 50:90] = 0
        sheet = side_by_side(otter, after)
        rows = np.s_[52 + 60 : 52 + 144 * 2]  # enlarged by two, below the frame around what changed
        np.testing.assert_array_equal(sheet[rows, 24 : 24 + 48], otter.repeat(2, 0).repeat(2, 1)[60:, :48])
        (region,) = most_different(otter, after, 64)
        part = region.of(after).repeat(2, 0).repeat(2, 1)
        left, top = 24 + 400 + 8, 52 + 288 + 8
        np.testing.assert_array_equal(sheet[top + 20 : top + 128, left : left + 128], part[20:])

    def test_gray_16_bits_and_alpha(self, otter):
        deep = otter[..., 0].astype(np.uint16) * 257
        clear = side_by_side(deep, deep, np.zeros_like(deep))
        assert set(np.unique(clear[60:300, 30:400])) == {228, 255}  # the board alone


class TestCompare:
    def test_a_page_for_a_folder(self, tmp_path, otter):
        photos = tmp_path / "photos"
        photos.mkdir()
        for name in ("a.jpg", "b.jpg"):
            Image.fromarray(otter).save(photos / name, quality=20)
        page = tmp_path / "c.html"
        words = ("restore", photos, "--task", "jpeg", "--out", tmp_path / "out", "--compare", page)
        done = magn(*words)
        assert done.exit_code == 0, done.output
        text = page.read_text()
        seen = Reader(text).of("img")
        assert [image["data-state"] for image in seen] == ["before", "after"] * 2
        for image, file in zip(seen, ("photos/a.jpg", "out/a.png", "photos/b.jpg", "out/b.png"), strict=True):
            np.testing.assert_array_equal(
                np.asarray(opened(image["src"])), np.asarray(Image.open(tmp_path / file).convert("RGB"))
            )
        assert "quality 20 (from the file&#39;s quantization tables)" in text and "2 photos" in text
        refused(magn(*words, "--out", tmp_path / "out2"), 2, "c.html")
        assert not (tmp_path / "out2").exists()

    def test_a_picture(self, otter_jpeg, tmp_path):
        done = magn("restore", otter_jpeg, "--task", "jpeg", "--compare", tmp_path / "c.png", "--quiet")
        assert done.exit_code == 0, done.output
        with Image.open(tmp_path / "c.png") as sheet, Image.open(otter_jpeg) as before:
            assert sheet.size[0] > 2 * before.size[0]
            assert sheet.info["icc_profile"] == before.info["icc_profile"]
            assert not sheet.getexif()

    def test_what_was_restored_earlier_is_counted(self, otter, tmp_path):
        (tmp_path / "photos").mkdir()
        words = ["restore", tmp_path / "photos", "-t", "jpeg", "-o", tmp_path / "out"]
        for name, told in (("a", "1 picture restored earlier is"), ("b", "2 pictures restored earlier are")):
            Image.fromarray(otter[:40, :48]).save(tmp_path / "photos" / f"{name}.jpg", quality=20)
            assert magn(*words).exit_code == 0
            assert told in magn(*words, "--compare", tmp_path / f"{name}.html").stderr

    def test_a_turned_photo_is_shown_upright(self, otter, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(otter).save(tmp_path / "a.jpg", quality=20, exif=exif)
        magn("restore", tmp_path / "a.jpg", "--task", "jpeg", "--compare", tmp_path / "c.html")
        for image in Reader((tmp_path / "c.html").read_text()).of("img"):
            assert opened(image["src"]).size == (144, 200)

    def test_pictures_in_a_folder(self, tmp_path, otter):
        with comparison(tmp_path / "seen", ["a.jpg", "sub/b.jpg"]) as compared:
            for name in ("a.jpg", "sub/b.jpg"):
                compared.add(name, a_photo(otter), 255 - otter, "")
            compared.write()
        assert (tmp_path / "seen" / "a_compare.png").is_file() and (tmp_path / "seen/sub/b_compare.png").is_file()
        with pytest.raises(UsageError, match=r"b_compare\.png exists"):
            comparison(tmp_path / "seen", ["sub/b.jpg"])

    @pytest.mark.parametrize("name", ["otter.jpg", "otter_restored.png"])
    def test_neither_the_photo_nor_its_result_is_replaced(self, otter_jpeg, name):
        words = ("restore", otter_jpeg, "--task", "jpeg", "--overwrite", "--compare", otter_jpeg.with_name(name))
        before = otter_jpeg.read_bytes()
        refused(magn(*words), 2, name, "another name")
        assert [p.name for p in otter_jpeg.parent.iterdir()] == ["otter.jpg"] and otter_jpeg.read_bytes() == before

    def test_a_photo_that_fails_leaves_the_page_of_the_others(self, tmp_path, otter):
        photos = tmp_path / "photos"
        photos.mkdir()
        Image.fromarray(otter[:40, :48]).save(photos / "a.jpg")
        (photos / "b.jpg").write_text("not a picture")
        done = magn(
            "restore", photos, "--task", "jpeg", "--out", tmp_path / "out", "--compare", tmp_path / "c.html"
        )
        assert done.exit_code == 1 and "b.jpg" in done.stderr
        assert len(Reader((tmp_path / "c.html").read_text()).of("article")) == 1

    def test_what_a_path_asks_for(self, tmp_path):
        with comparison(tmp_path / "a.HTML", ["a", "b"]) as page:
            assert isinstance(page, ComparePage)
        assert isinstance(comparison(tmp_path / "a.webp", ["a"]), ComparePictures)
        with pytest.raises(UsageError, match=r"a\.html, or a folder"):
            comparison(tmp_path / "a.png", ["a", "b"])
        with pytest.raises(UsageError, match=r"compare\.html or compare\.png"):
            comparison(tmp_path / "a.gif", ["a"])

    @pytest.mark.parametrize("kind", ["html", "png"])
    def test_a_turned_raw_file(self, tmp_path, otter, kind):
        sensor = Sensor()
        path = write_dng(tmp_path / "shot.dng", sensor.mosaic(otter / 255), sensor, orientation=6)
        target = tmp_path / f"c.{kind}"
        done = magn("restore", path, "--task", "demosaic", "--compare", target)
        assert done.exit_code == 0, done.output
        if kind == "html":
            before, after = (opened(i["src"]) for i in Reader(target.read_text()).of("img"))
            assert before.size == after.size and before.width < before.height and after.mode == "RGB"

    def test_names_are_data(self, tmp_path, otter):
        with comparison(tmp_path / "c.html", [NASTY]) as compared:
            compared.add(NASTY, a_photo(otter, alpha=otter[..., 0]), otter, "<b>done</b>")
            compared.write()
        text = (tmp_path / "c.html").read_text()
        assert "<script>alert" not in text and "<b>done" not in text and "Nothing changed" in text
        assert opened(Reader(text).of("img")[0]["src"]).mode == "RGBA"

    def test_a_mosaic_is_compared_with_its_colours(self, tmp_path, otter):
        with comparison(tmp_path / "c.html", ["a.png"]) as compared:
            compared.add("a.png", a_photo(otter[..., 1]), otter, "")
            compared.write()
        before, after = (opened(i["src"]) for i in Reader((tmp_path / "c.html").read_text()).of("img"))
        assert before.mode == "L" and after.mode == "RGB"


def test_curves_of_a_training(tmp_path):
    from magn_cli.training.curves import draw

    lines = ["step,loss,psnr,ssim", "1,0.5,,", "2,0.4,30.1,0.9", "3,0.3,,", "4,0.2,31.2,0.91"]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    assert draw(tmp_path / "log.csv", tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").size == (1440, 432)


def test_photos_of_one_name_do_not_share_a_comparison(tmp_path, otter):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.fromarray(otter[:48, :64]).save(tmp_path / folder / "x.jpg", quality=30)
    both = [tmp_path / folder / "x.jpg" for folder in ("a", "b")]
    refused(magn("restore", *both, "--compare", tmp_path / "seen"), 2, "the same name", ".html")
    assert not (tmp_path / "a" / "x_restored.png").exists()
    assert magn("restore", *both, "--compare", tmp_path / "page.html").exit_code == 0
    refused(magn("restore", both[0], "--compare", "-"), 2, "--compare")


def test_a_comparison_of_photos_made_before_says_so(tmp_path, otter):
    (tmp_path / "in").mkdir()
    Image.fromarray(otter[:48, :64]).save(tmp_path / "in" / "x.jpg", quality=30)
    words = ("restore", tmp_path / "in", "--out", tmp_path / "out")
    assert magn(*words).exit_code == 0
    again = magn(*words, "--compare", tmp_path / "page.html")
    assert again.exit_code == 0 and "not in the comparison" in again.stderr
