"""Folders and files in the way that nobody expects there, at the command: links, devices, folders that move."""

import errno
import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from magn_cli import batch
from magn_cli.errors import ImageError
from tests.support.commands import magn, refused
from tests.support.folders import SETTINGS, Inverse, picture

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and devices as POSIX has them")

RESTORE = ["-t", "jpeg", "-l", 40, "--threads", 1]


def test_links_to_folders_in_the_output_are_told(tmp_path):
    picture(tmp_path / "photos/sub/a.png", size=(32, 32))
    picture(tmp_path / "photos/b.png", size=(32, 32))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
    words = ["restore", tmp_path / "photos", "-r", "-o", tmp_path / "out", *RESTORE]
    for more in (["--dry-run"], []):
        result = magn(*words, *more)
        told = [line for line in result.stderr.splitlines() if "is a link" in line]
        assert result.exit_code == 0 and len(told) == 1, result.stderr
        assert str(tmp_path / "out/sub") in told[0] and str(tmp_path / "elsewhere") in told[0]
    assert (tmp_path / "elsewhere/a.png").exists()


def test_links_to_folders_beside_the_pictures_are_told(tmp_path):
    picture(tmp_path / "elsewhere/a.png", size=(32, 32))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/sub").symlink_to(tmp_path / "elsewhere")
    result = magn("restore", tmp_path / "photos", "-r", *RESTORE)
    assert result.exit_code == 0 and f"are written to {tmp_path / 'elsewhere'}." in result.stderr


def test_links_to_folders_of_a_degraded_set_are_told(tmp_path):
    picture(tmp_path / "elsewhere/a.png", size=(32, 32))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/sub").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "set/jpeg-10").symlink_to(tmp_path / "target")
    result = magn("degrade", tmp_path / "photos", "-t", "jpeg", "-l", "10", "-o", tmp_path / "set")
    assert result.exit_code == 0
    assert f"{tmp_path / 'photos/sub'} is a link" in result.stderr
    assert f"are written to {tmp_path / 'target'}." in result.stderr


def test_a_journal_that_is_a_pipe_is_told_in_one_sentence(tmp_path):
    picture(tmp_path / "photos/a.png", size=(32, 32))
    os.mkfifo(tmp_path / "photos/.magn-journal.jsonl")
    result = magn("restore", tmp_path / "photos", *RESTORE)
    (told,) = [line for line in result.stderr.splitlines() if "no file of magn's" in line]
    assert result.exit_code == 0 and told.endswith("cannot be resumed: remove it.") and told.count("remove") == 1


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_nothing_replaces_a_device_or_a_pipe(tmp_path, kind):
    """An administrator who writes a report to /dev/null would take it away from everybody."""
    picture(tmp_path / "photos/a.png", size=(32, 32))
    for name in ("a.json", "a.png", "a.html"):
        if kind == "pipe":
            os.mkfifo(tmp_path / name)
        else:
            (tmp_path / name).symlink_to(os.devnull)
    measure = ["eval", tmp_path / "photos", "-t", "jpeg", "-l", "10", "--baselines-only", "--overwrite"]
    refused(magn(*measure, "--json", tmp_path / "a.json"), 1, "a.json", "not an ordinary file")
    refused(magn(*measure, "--html", tmp_path / "a.html"), 1, "a.html", "not an ordinary file")
    words = ["restore", tmp_path / "photos/a.png", "--overwrite", *RESTORE]
    refused(magn(*words, "-o", tmp_path / "a.png"), 1, "a.png", "not an ordinary file")
    words += ["-o", tmp_path / "b.png", "--compare", tmp_path / "a.html"]
    refused(magn(*words), 1, "a.html", "not an ordinary file")
    for name in ("a.json", "a.png", "a.html"):
        assert kind == "device" or stat.S_ISFIFO((tmp_path / name).lstat().st_mode)
        assert kind == "pipe" or (tmp_path / name).is_symlink()


def wait_for(result):
    """Results are written by other threads, at the end under their names."""
    while not result.exists():
        time.sleep(0.01)
    time.sleep(0.1)


def run_while(photos, out, moved):
    """Restore three photographs; ``moved`` is called before the last."""
    seen = []

    def before(photo):
        seen.append(photo)
        if len(seen) == 3:
            moved()

    plan = batch.plan([photos], out, settings=SETTINGS, recursive=True)
    batch.run(plan, Inverse(before))


class TestOutputFoldersThatVanish:
    @pytest.fixture
    def photos(self, tmp_path):
        for name in ("sub/a.png", "sub/b.png", "z.png"):
            picture(tmp_path / "photos" / name)
        return tmp_path / "photos"

    def test_moved_and_made_anew(self, tmp_path, photos):
        out = tmp_path / "out"

        def moved():
            wait_for(out / "sub/b.png")
            out.rename(tmp_path / "other")
            out.mkdir()

        with pytest.raises(ImageError, match="moved or removed during the run"):
            run_while(photos, out, moved)

    def test_a_folder_below_it(self, tmp_path, photos):
        def moved():
            wait_for(tmp_path / "out/sub/b.png")
            shutil.rmtree(tmp_path / "out/sub")

        with pytest.raises(ImageError, match=r"out/sub was moved or removed during the run"):
            run_while(photos, tmp_path / "out", moved)


def test_pictures_of_a_folder_that_are_none_are_told(tmp_path):
    """A link that leads nowhere is a photo that is not there, and no reason to say that all went well."""
    photos = tmp_path / "photos"
    picture(photos / "a.png", size=(32, 32))
    os.mkfifo(photos / "pipe.png")
    (photos / "device.jpg").symlink_to(os.devnull)
    (photos / "gone.jpg").symlink_to(tmp_path / "unmounted/gone.jpg")
    (photos / "circle.tif").symlink_to(photos / "circle.tif")
    (photos / "gone.txt").symlink_to(tmp_path / "gone.txt")
    result = magn("restore", photos, "-o", tmp_path / "out", *RESTORE)
    assert result.exit_code == 1 and (tmp_path / "out/a.png").exists()
    for name in ("gone.jpg", "circle.tif"):
        assert f"{photos / name} cannot be used (it is a link that leads nowhere)" in result.stderr
    for name in ("pipe.png", "device.jpg"):
        assert f"{photos / name} cannot be used (it is not an ordinary file)" in result.stderr
    assert "gone.txt" not in result.stderr
    (photos / "pipe.png").unlink()
    (photos / "device.jpg").unlink()
    (photos / "circle.tif").unlink()
    refused(magn("eval", photos, "-t", "jpeg", "-l", 10, "--baselines-only"), 1, "gone.jpg", "leads nowhere")
    refused(
        magn("degrade", photos, "-t", "jpeg", "-l", 10, "-o", tmp_path / "set"), 1, "gone.jpg", "leads nowhere"
    )


LONG = "x" * 300
"""A name that no system takes. Python's exists() does not answer that, as it does not behind a closed folder."""


@pytest.mark.parametrize(
    "words",
    [
        ["restore", LONG],
        ["restore", "a.png", "-o", f"{LONG}.png", *RESTORE],
        ["restore", "a.png", "-o", LONG, "--compare", f"{LONG}.html", *RESTORE],
        ["restore", "a.png", "-t", "jpeg", "--weights", LONG],
        ["degrade", LONG, "-t", "jpeg", "-l", 10, "-o", "set"],
        ["degrade", "a.png", "-t", "jpeg", "-l", 10, "-o", LONG],
        ["eval", LONG, "-t", "jpeg", "-l", 10],
        ["eval", "a.png", "-t", "jpeg", "-l", 10, "--baselines-only", "--html", f"{LONG}.html"],
        ["inspect", LONG],
        ["compare", LONG, "a.png"],
        ["compare", "a.png", LONG],
        ["graph", "a.png", "-o", f"{LONG}.html"],
        ["export", "-t", "jpeg", "--weights", LONG, "-o", "a.onnx"],
        ["train", "-t", "jpeg", "--data", LONG, "-o", "run"],
        ["train", "-t", "jpeg", "--data", ".", "-o", LONG],
        ["train", "--config", LONG, "--data", ".", "-o", "run"],
        ["train", "-t", "jpeg", "--data", ".", "-o", "run", "--init", LONG, "-q"],
        ["weights", "verify", LONG],
    ],
)
def test_paths_that_the_system_refuses(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "a.png", size=(160, 160))
    result = magn(*words)
    assert result.exit_code in (1, 2, 3) and "unexpected" not in result.stderr
    refused(result, result.exit_code, LONG)


def test_a_folder_that_is_closed_to_the_user(tmp_path, monkeypatch):
    """The tests may run as root, whom nothing is closed to."""
    picture(tmp_path / "photos/sub/a.png", size=(32, 32))

    def closed(path):
        if path.name == "sub":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return os.scandir(path)

    monkeypatch.setattr("magn_cli.files.local.LocalDisk.children", lambda _, folder: map(Path, closed(folder)))
    result = magn("eval", tmp_path / "photos", "-t", "jpeg", "-l", 10, "--baselines-only")
    refused(result, 1, tmp_path / "photos/sub", "Permission denied")
