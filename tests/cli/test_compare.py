"""``magn compare``: two pictures or folders on a page, with figures where there is a reference."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from magn_cli.evaluation import metrics
from magn_cli.report.two import TwoPage
from tests.support.commands import magn, refused


@pytest.fixture
def folders(tmp_path, otter):
    """Clean pictures, a copy as JPEG of quality 20, and one of quality 80."""
    for name, suffix, quality in (("clean", "png", None), ("bad", "jpg", 20), ("good", "jpg", 80)):
        (tmp_path / name / "sub").mkdir(parents=True)
        for picture, pixels in (("one", otter), ("two", otter[::-1]), ("sub/three", otter[:, ::-1])):
            options = {} if quality is None else {"quality": quality}
            Image.fromarray(pixels).save(tmp_path / name / f"{picture}.{suffix}", **options)
    return tmp_path


def compared(folder, *words):
    result = magn("compare", *words, "-o", folder / "page.html", "--json", folder / "page.json")
    return result, json.loads((folder / "page.json").read_text()), (folder / "page.html").read_text()


def test_two_pictures_on_a_page(folders):
    result, document, page = compared(folders, folders / "clean/one.png", folders / "bad/one.jpg")
    assert result.exit_code == 0 and not result.stdout
    assert document["reference"] is None and document["pictures"] == [
        {"name": "one.png and one.jpg", "a": None, "b": None}
    ]
    assert page.count("data:image/png;base64,") == 2 and "A: one.png" in page and "B: one.jpg" in page
    assert "Most different" in page and not re.search(r'src="(?!data:)', page)
    # B is on the right.
    assert re.search(r'<select id="right">.*<option selected>B: one.jpg</option>', page)


def test_figures_against_a_reference(folders, otter):
    result, document, page = compared(folders, folders / "bad", folders / "good", "--reference", folders / "clean")
    assert result.exit_code == 0
    first = document["pictures"][0]
    with Image.open(folders / "bad/one.jpg") as bad:
        pixels = np.asarray(bad) / 255
    assert first["a"]["psnr"] == pytest.approx(metrics.psnr(pixels, otter / 255), abs=1e-4)
    assert first["a"]["ssim"] == pytest.approx(metrics.ssim_gaussian(pixels, otter / 255), abs=1e-4)
    assert first["b"]["psnr"] > first["a"]["psnr"] + 2
    assert [one["name"] for one in document["pictures"]] == ["one", "two"]
    assert "A: bad, PSNR" in result.stdout and "mean" in result.stdout
    assert f"{first['a']['psnr']:.2f}" in result.stdout and f"{first['a']['psnr']:.2f} dB" in page
    assert "reference: clean" in page


@pytest.mark.parametrize("letter", ["A", "a", "B"])
def test_one_of_the_two_is_the_reference(folders, letter):
    _, document, _ = compared(folders, folders / "clean", folders / "bad", "--reference", letter)
    for one in document["pictures"]:
        assert (one["a"] is None) == (letter.upper() == "A") != (one["b"] is None)


def test_sub_folders(folders):
    _, document, _ = compared(folders, folders / "clean", folders / "bad", "-r")
    assert [one["name"] for one in document["pictures"]] == ["one", "sub/three", "two"]


def test_gray_beside_colour_and_16_bits(tmp_path, otter):
    Image.fromarray(otter).convert("L").save(tmp_path / "a.png")
    Image.fromarray(otter[..., 0].astype(np.uint16) * 257).save(tmp_path / "b.png")
    Image.fromarray(otter).save(tmp_path / "c.png")
    _, document, _ = compared(tmp_path, tmp_path / "a.png", tmp_path / "b.png", "--reference", tmp_path / "c.png")
    assert 15 < document["pictures"][0]["a"]["psnr"] < 60


def test_verbose_tells_the_files(folders):
    result, _, _ = compared(folders, folders / "clean", folders / "bad", "-v")
    assert f"two: {folders / 'clean/two.png'} and {folders / 'bad/two.jpg'}" in result.stderr


def test_equal_pictures(folders):
    path = folders / "clean/one.png"
    result, document, page = compared(folders, path, path, "--reference", "B")
    assert document["pictures"][0]["a"] == {"psnr": None, "ssim": 1.0}
    assert "∞" in result.stdout and "A and B are equal." in page


def test_different_profiles_are_told(tmp_path, otter):
    from magn_cli.images.metadata.icc import adobe_rgb_profile

    Image.fromarray(otter).save(tmp_path / "a.png")
    Image.fromarray(otter).save(tmp_path / "b.png", icc_profile=adobe_rgb_profile())
    result, _, _ = compared(tmp_path, tmp_path / "a.png", tmp_path / "b.png", "--reference", "A")
    assert result.exit_code == 0 and "colour profiles differ" in result.stderr


class TestFailures:
    def test_a_missing_partner_and_another_size(self, folders, otter):
        (folders / "bad/one.jpg").unlink()
        Image.fromarray(otter[1:]).save(folders / "clean/three.png")
        Image.fromarray(otter).save(folders / "bad/three.png")
        result, document, _ = compared(folders, folders / "clean", folders / "bad")
        assert result.exit_code == 1 and [one["name"] for one in document["pictures"]] == ["two"]
        assert (
            len(document["failures"]) == 2
            and "has no partner" in result.stderr
            and "differ in size" in result.stderr
        )

    def test_a_link_that_leads_nowhere_is_one_failure(self, folders):
        (folders / "good/one.jpg").unlink()
        (folders / "good/one.jpg").symlink_to("nowhere.jpg")
        (folders / "bad/four.jpg").symlink_to("nowhere.jpg")
        result, document, _ = compared(folders, folders / "bad", folders / "good")
        assert result.exit_code == 1 and [one["name"] for one in document["pictures"]] == ["two"]
        first, second = document["failures"]
        assert "four.jpg has no partner" in first and "one.jpg is a link that leads nowhere" in second

    def test_a_sub_folder_that_is_closed(self, folders, monkeypatch):
        """The tests may run as root, whom nothing is closed to."""

        def children(_, folder):
            if folder == folders / "bad/sub":
                raise PermissionError(13, "Permission denied", str(folder))
            return folder.iterdir()

        monkeypatch.setattr("magn_cli.files.local.LocalDisk.children", children)
        result, document, _ = compared(folders, folders / "bad", folders / "good", "-r")
        assert result.exit_code == 1 and [one["name"] for one in document["pictures"]] == ["one", "two"]
        assert f"{folders / 'bad/sub'} cannot be used (Permission denied)" in document["failures"][0]

    def test_a_broken_picture(self, folders):
        (folders / "bad/one.jpg").write_bytes(b"no picture")
        words = [folders / "clean/one.png", folders / "bad/one.jpg", "-o", folders / "page.html"]
        refused(magn("compare", *words), 1, "one.jpg")
        assert not (folders / "page.html").exists()

    def test_a_file_and_a_folder(self, folders):
        refused(
            magn("compare", folders / "clean", folders / "bad/one.jpg", "-o", folders / "a.html"), 2, "folders"
        )

    def test_what_does_not_exist(self, folders):
        words = ["compare", folders / "clean", folders / "bad", "-o", folders / "a.html", "--reference"]
        refused(magn(*words, folders / "C"), 1, "C")
        refused(magn("compare", folders / "clean", folders / "no", "-o", folders / "a.html"), 1, "no")

    @pytest.mark.parametrize("out", ["a.png", "page", "clean"])
    def test_no_page(self, folders, out):
        refused(magn("compare", folders / "clean", folders / "bad", "-o", folders / out), 2, out)

    def test_no_report_takes_the_place_of_a_picture(self, folders):
        one, other, page = folders / "clean/one.png", folders / "bad/one.jpg", folders / "page.html"
        before = other.read_bytes()
        (folders / "link.json").symlink_to(other)
        for path in (other, folders / "link.json"):
            words = ("compare", one, other, "-o", page, "--json", path, "--overwrite")
            refused(magn(*words), 2, f"--json {path} is one of the pictures")
        words = ("compare", folders / "clean", folders / "bad", "-o", page, "--json", other, "--overwrite")
        refused(magn(*words), 2, f"--json {other} is one of the pictures")
        assert other.read_bytes() == before and not page.exists()
        page.symlink_to(one)
        refused(magn("compare", one, other, "-o", page, "--overwrite"), 2, f"--out {page} is one of the pictures")

    @pytest.mark.parametrize("other", ["page.html", "./page.html"])
    def test_two_reports_in_one_file(self, folders, monkeypatch, other):
        monkeypatch.chdir(folders)
        words = ("compare", "clean", "bad", "-o", folders / "page.html", "--json", other)
        refused(magn(*words), 2, "two reports cannot go to one file")
        assert not (folders / "page.html").exists()

    @pytest.mark.parametrize("name", ["page.html", "page.json"])
    def test_a_file_that_appears_meanwhile(self, folders, monkeypatch, name):
        def appear(*_):
            (folders / name).write_text("mine")
            return drawn(*_)

        drawn = TwoPage.draw
        monkeypatch.setattr(TwoPage, "draw", appear)
        words = ("compare", folders / "clean", folders / "bad")
        words = (*words, "-o", folders / "page.html", "--json", folders / "page.json")
        refused(magn(*words), 2, name, "appeared", "--overwrite")
        assert (folders / name).read_text() == "mine"
        assert magn(*words, "--overwrite").exit_code == 0 and (folders / name).read_text() != "mine"

    def test_an_existing_page(self, folders):
        (folders / "a.html").write_text("mine")
        words = ["compare", folders / "clean", folders / "bad", "-o", folders / "a.html"]
        refused(magn(*words), 2, "a.html", "--overwrite")
        assert magn(*words, "--overwrite").exit_code == 0 and "mine" not in (folders / "a.html").read_text()[:100]
