"""Finding files in folders, in the same way for all commands."""

import os
from pathlib import Path

import pytest

from magn_cli import degrade, files, images
from magn_cli.batch import inputs
from magn_cli.errors import UsageError
from magn_cli.evaluation import pairs
from magn_cli.tasks import get_task
from magn_cli.training import photos
from tests.support.folders import picture

THEIRS = (".hidden.png", "._a.png", ".thumbnails/a.png", "sub/@eaDir/a.png/thumb.png", "@Recycle/a.png")
THEIRS += ("__MACOSX/._a.png", "$RECYCLE.BIN/a.png", "#recycle/a.png", ".git/a.png", "Thumbs.db", "sub/THUMBS.DB")
OURS = ("Z.png", "a-b.png", "a/b.png", "a/deep/é 写真.PNG", "b.jpg", "sub/c.tif")


@pytest.fixture
def folder(tmp_path):
    for name in (*THEIRS, *OURS):
        path = tmp_path / "photos" / name
        picture(path.with_name(path.name + ".png")).rename(path)
    (tmp_path / "photos/notes.txt").write_text("left alone")
    return tmp_path / "photos"


def test_every_command_takes_the_same_files(folder):
    expected = sorted(folder / name for name in OURS)
    assert files.find(folder, images.INPUT_SUFFIXES) == expected
    assert [found.path for found in inputs.find([folder], None, recursive=True).pictures] == expected
    assert sorted(source.path for source in degrade.planning.find(folder)) == expected
    assert photos._pictures(folder) == expected
    paired = pairs.of_folders(folder, folder, get_task("jpeg"), 10)
    assert sorted(pair.name for pair in paired) == sorted(str(Path(name).with_suffix("")) for name in OURS)


def test_a_pattern_takes_no_others(folder):
    found = inputs.find([folder / "**" / "*"], None, recursive=True).pictures
    assert sorted({picture.path for picture in found}) == sorted(folder / name for name in OURS)


def test_the_folder_itself_may_have_any_name(tmp_path):
    for name in (".hidden", "@eaDir"):
        picture(tmp_path / name / "a.png")
        assert files.find(tmp_path / name, {".png"}) == [tmp_path / name / "a.png"]


def test_not_recursive_and_a_folder_left_out(folder):
    assert [path.name for path in files.find(folder, {".png"}, recursive=False)] == ["Z.png", "a-b.png"]
    found = files.find(folder, images.INPUT_SUFFIXES, leave_out=folder / "sub/../a")
    assert found == sorted(folder / name for name in OURS if not name.startswith("a/"))
    assert files.find(folder, {".jpg"}, leave_out=folder) == [folder / "b.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_in_circles_and_to_nowhere(folder, tmp_path):
    (folder / "a/up").symlink_to(folder)
    (folder / "a/self").symlink_to("self")
    (folder / "gone.png").symlink_to("nowhere.png")
    picture(tmp_path / "elsewhere/x.png")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    expected = sorted([*(folder / name for name in OURS), folder / "linked/x.png"])
    failed = []
    found = files.find(folder, images.INPUT_SUFFIXES, failed=lambda path, error: failed.append(path))
    assert found == expected and failed == [folder / "gone.png"]
    with pytest.raises(OSError, match="leads nowhere"):
        files.find(folder, images.INPUT_SUFFIXES)


def test_folders_that_cannot_be_listed_are_told_or_raise(folder, monkeypatch):
    listed = Path.iterdir

    def iterdir(path):
        if path.name == "sub":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    failed = []
    found = files.find(folder, images.INPUT_SUFFIXES, failed=lambda path, error: failed.append(path))
    assert failed == [folder / "sub"] and len(found) == len(OURS) - 1
    with pytest.raises(PermissionError):
        files.find(folder, images.INPUT_SUFFIXES)


class TestEval:
    def test_names_are_paired_however_their_accents_are_stored(self, tmp_path):
        picture(tmp_path / "clean/caf\u00e9.png")
        picture(tmp_path / "degraded/cafe\u0301.jpg")
        (pair,) = pairs.of_folders(tmp_path / "clean", tmp_path / "degraded", get_task("jpeg"), 10)
        assert pair.load().level == 10

    def test_two_of_one_name_in_a_folder_are_told(self, tmp_path):
        for name in ("clean/a.png", "clean/a.jpg", "degraded/a.jpg"):
            picture(tmp_path / name)
        with pytest.raises(UsageError, match=r"a\.jpg and .*a\.png would be paired"):
            pairs.of_folders(tmp_path / "clean", tmp_path / "degraded", get_task("jpeg"), 10)


def test_degrade_tells_of_names_that_are_one_on_some_disks(tmp_path):
    for name in ("caf\u00e9.png", "cafe\u0301.jpg"):
        picture(tmp_path / "clean" / name)
    if len(list((tmp_path / "clean").iterdir())) < 2:
        pytest.skip("this file system takes the two for one")
    with pytest.raises(UsageError, match="one name on some disks"):
        degrade.plan(tmp_path / "clean", tmp_path / "out", degrade.DegradeRecipe("jpeg"), (10,))
