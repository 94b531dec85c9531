"""Whatever is wrong with files and disks: one sentence, exit code 1, the rest goes on, nothing is harmed."""

import errno
import os
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from magn_cli import batch, images
from magn_cli.errors import ImageError
from magn_cli.files import atomic
from tests.support.commands import magn, refused
from tests.support.folders import Inverse, content, picture, restore, tree
from tests.support.pictures import tiff


def bomb(path: Path) -> None:
    """A PNG file of 100 bytes that says it has 100,000 x 100,000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(100)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b""))


def cut(path: Path) -> None:
    picture(path, size=(64, 64))
    path.write_bytes(path.read_bytes()[:-40])


def flipped(path: Path) -> None:
    picture(path, size=(64, 64))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(bytes(data))


def not_finite(path: Path) -> None:
    path.write_bytes(tiff(np.full((4, 4), np.nan, ">f4"), t258=32, t339=3))


def pipe(path: Path) -> None:
    """Opening one blocks for ever; only a file system's own knowledge tells."""
    os.mkfifo(path)


FAULTS = {
    "corrupt.png": (flipped, "damaged"),
    "truncated.png": (cut, "damaged"),
    "cut.jpg": (cut, "damaged"),
    "empty.jpg": (lambda path: path.touch(), "empty"),
    "bomb.png": (bomb, "100000 x 100000"),
    "nan.tif": (not_finite, "NaN"),
    "text.jpg": (lambda path: path.write_text("no picture"), "contains no JPEG"),
}


def test_one_bad_file_never_stops_the_rest(tmp_path):
    """All at once, through the real network: the good ones are there, the others are named, the exit code is 1."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    for name in ("0.png", "m.png", "z.png"):
        picture(photos / name)
    for name, (make, _) in FAULTS.items():
        make(photos / name)
    before = content(photos)
    result = magn("restore", photos, "--task", "jpeg", "--level", 40, "--threads", 1, "--out", out)
    assert result.exit_code == 1
    assert tree(out) == ["0.png", "m.png", "z.png"]
    assert content(photos) == before
    for name, (_, words) in FAULTS.items():
        (line,) = [line for line in result.stderr.splitlines() if name in line and line.startswith("magn:")]
        assert words in line
    assert f"{len(FAULTS)} of {len(FAULTS) + 3} pictures could not be restored" in result.stderr


def test_failures_that_have_scrolled_by_are_told_again(tmp_path):
    for number in range(12):
        picture(tmp_path / f"photos/{number:02}.png")
    (tmp_path / "photos/03.png").write_bytes(b"")
    (tmp_path / "photos/07.png").write_bytes(b"x")
    result = magn("restore", tmp_path / "photos", "--task", "jpeg", "--level", 40, "--out", tmp_path / "out")
    assert result.exit_code == 1
    last = result.stderr[result.stderr.index("2 of 12 pictures could not be restored:") :]
    assert "03.png is empty" in last and "07.png contains no" in last


def test_a_picture_under_a_wrong_name_is_read_by_its_content(tmp_path):
    """And what it is put down as has the right name."""
    picture(tmp_path / "a.png", 7)
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    restore(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a_restored.png") as out:
        assert out.format == "PNG" and out.getpixel((0, 0)) == (248, 248, 248)


def test_30_000_pixels_wide(tmp_path):
    wide = np.arange(2 * 30_000 * 3, dtype=np.uint32).reshape(2, 30_000, 3).astype(np.uint8)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    for suffix in ("png", "tif", "jpg"):
        (event,) = restore(tmp_path / "wide.png", tmp_path / f"out.{suffix}")
        assert isinstance(event, batch.Done)
        with Image.open(tmp_path / f"out.{suffix}") as out:
            assert out.size == (30_000, 2)
    (event,) = restore(tmp_path / "wide.png", tmp_path / "out.webp")
    assert "16,383" in str(event.error) and not (tmp_path / "out.webp").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind")
def test_an_unreadable_file(tmp_path):
    picture(tmp_path / "photos/a.png")
    picture(tmp_path / "photos/b.png").chmod(0)
    good, bad = restore(tmp_path / "photos", tmp_path / "out")
    assert isinstance(good, batch.Done) and "you have no permission to read" in str(bad.error)


def test_a_file_that_the_disk_does_not_give(tmp_path, monkeypatch):
    """The same for root: every open of one file fails, as with wrong permissions or a bad sector."""
    picture(tmp_path / "photos/a.png")
    picture(tmp_path / "photos/b.png")
    opened = os.open

    def broken(path, *args, **kwargs):
        if Path(path).name == "b.png" and Path(path).parent.name == "photos":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", broken)
    events = restore(tmp_path / "photos", tmp_path / "out")
    assert sorted(type(event).__name__ for event in events) == ["Done", "Failed"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_in_a_folder_blocks_nothing(tmp_path):
    picture(tmp_path / "photos/a.png")
    pipe(tmp_path / "photos/b.png")
    events = restore(tmp_path / "photos", tmp_path / "out")
    assert [type(event).__name__ for event in events] == ["Failed", "Done"]
    (event,) = restore(tmp_path / "photos/b.png", tmp_path / "b.png")
    assert "not an ordinary file" in str(event.error)
    events = restore([tmp_path / "photos/a.png", tmp_path / "photos/b.png"], tmp_path / "several")
    assert [type(event).__name__ for event in events] == ["Failed", "Done"]


@pytest.mark.parametrize(
    "name", ["Zoë 写真 📷.png", "with space.png", "-a.png", "a'b\"c.png", "[x]*.png", "new\nline.png"]
)
def test_names_of_all_kinds(tmp_path, name):
    picture(tmp_path / "photos/a.png").rename(tmp_path / "photos" / name)
    for expected in ("Done", "Kept"):
        (event,) = restore(tmp_path / "photos", tmp_path / "out")
        assert type(event).__name__ == expected
    assert tree(tmp_path / "out") == [name]
    result = magn(
        "restore", tmp_path / "photos", "--task", "jpeg", "--level", 40, "--out", tmp_path / "2", "--log-json"
    )
    assert result.exit_code == 0, result.output


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")
def test_a_name_that_is_no_text(tmp_path):
    photos = tmp_path / "photos"
    picture(photos / "a.png")
    try:
        (photos / "a.png").rename(photos / os.fsdecode(b"caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    result = magn("restore", photos, "--task", "jpeg", "--level", 40, "--out", tmp_path / "out", "--log-json")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / os.fsdecode(b"caf\xe9.png")).exists()
    result = magn("restore", photos, "--task", "jpeg", "--level", 40, "--out", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0 and "already done" in result.output


def test_the_longest_names(tmp_path):
    """255 bytes for the name of a result work; one more is told, and the rest goes on."""
    longest = "ä" * 120 + "x" * 11
    for name in (f"{longest}.png", "b.png"):
        picture(tmp_path / "photos/a.png").rename(tmp_path / "photos" / name)
    restore(tmp_path / "photos", tmp_path / "out")
    assert tree(tmp_path / "out") == ["b.png", f"{longest}.png"]
    events = restore(tmp_path / "photos", tmp_path / "webp", suffix="webp")
    (failed,) = [event for event in events if isinstance(event, batch.Failed)]
    assert "too long" in str(failed.error) and tree(tmp_path / "webp") == ["b.webp"]


class TestDisks:
    @pytest.fixture
    def photos(self, tmp_path):
        for name in "abcdef":
            path = tmp_path / f"photos/{name}.png"
            path.parent.mkdir(exist_ok=True)
            noise = np.random.default_rng(ord(name)).integers(0, 256, (60, 60, 3), np.uint8)
            Image.fromarray(noise).save(path)
        return tmp_path / "photos"

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
    def test_a_full_disk_ends_the_run(self, photos, tmp_path, monkeypatch, number):
        """Each later picture would fail, too; resumed when there is room, the rest follows."""
        out, sync = tmp_path / "out", os.fsync

        def full(descriptor):
            if len(list(out.glob("*.png"))) >= 2:
                raise OSError(number, os.strerror(number))
            sync(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(atomic.os, "fsync", full)
            plan = batch.plan([photos], out, settings={})
            events = []
            untried = batch.run(plan, Inverse(), report=events.append)
        done = [event for event in events if isinstance(event, batch.Done)]
        failed = [event for event in events if isinstance(event, batch.Failed)]
        assert len(done) == 2 and failed and len(done) + len(failed) + untried == 6
        assert len(tree(out)) == 2  # nothing half done under any name
        again = restore(photos, out, settings={})
        assert sorted(type(event).__name__ for event in again) == ["Done"] * 4 + ["Kept"] * 2

    def test_a_disk_that_is_really_full(self, photos, tmp_path):
        disk = tmp_path / "disk"
        with mounted(disk, "size=48k"):
            result = magn("restore", photos, "--task", "jpeg", "--level", 40, "--out", disk / "out")
            assert result.exit_code == 1
            assert "the disk is full" in result.stderr and "not tried" in result.stderr
            made = tree(disk / "out")
            assert 1 <= len(made) < 6 and all(name.endswith(".png") for name in made)
            for name in made:
                images.read(disk / "out" / name)
            subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
            result = magn("restore", photos, "--task", "jpeg", "--level", 40, "--out", disk / "out")
            assert result.exit_code == 0, result.output
            assert f"{len(made)} already done" in result.stderr

    def test_a_disk_that_is_read_only(self, photos, tmp_path):
        disk = tmp_path / "disk"
        with mounted(disk, "ro"):
            result = magn("restore", photos, "--task", "jpeg", "--out", disk / "out")
            refused(result, 1, "out", "Read-only")
            result = magn("restore", photos, "--task", "jpeg", "--out", disk)
            refused(result, 1, str(disk), "may not be written to")

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind")
    def test_a_folder_that_may_not_be_written_to(self, photos, tmp_path):
        (tmp_path / "out").mkdir(mode=0o555)
        refused(magn("restore", photos, "--task", "jpeg", "--out", tmp_path / "out"), 1, "may not be written to")

    def test_a_sub_folder_that_cannot_be_made(self, photos, tmp_path):
        """A file lies in its place: the pictures for it fail, the others do not."""
        picture(photos / "sub/x.png")
        (tmp_path / "out").mkdir()
        (tmp_path / "out/sub").write_text("mine")
        events = restore(photos, tmp_path / "out", recursive=True)
        assert [type(event).__name__ for event in events].count("Done") == 6
        (failed,) = [event for event in events if isinstance(event, batch.Failed)]
        assert "cannot be made" in str(failed.error) and (tmp_path / "out/sub").read_text() == "mine"


class TestNetwork:
    """What may go wrong in between."""

    @pytest.fixture
    def photos(self, tmp_path):
        for shade in (10, 20, 30):
            picture(tmp_path / f"photos/{shade}.png", shade)
        return tmp_path / "photos"

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (MemoryError(), "needs more memory"),
            (
                ZeroDivisionError("odd"),
                "unexpected error (ZeroDivisionError: odd); please report it with the traceback that MAGN_DEBUG=1",
            ),
            (ImageError("the restored picture is not finite."), "20.png: the restored picture is not finite."),
        ],
    )
    def test_a_picture_that_it_cannot_do(self, photos, tmp_path, error, words):
        def fail(photo):
            if photo.pixels[0, 0, 0] == 20:
                raise error

        events = restore(photos, tmp_path / "out", Inverse(fail))
        assert sorted(type(event).__name__ for event in events) == ["Done", "Done", "Failed"]
        (failed,) = [event for event in events if isinstance(event, batch.Failed)]
        assert words in str(failed.error) and "20.png" in str(failed.error)
        assert tree(tmp_path / "out") == ["10.png", "30.png"]

    def test_stop_at_the_first_failure(self, photos, tmp_path):
        def fail(photo):
            if photo.pixels[0, 0, 0] == 20:
                raise MemoryError

        events = restore(photos, tmp_path / "out", Inverse(fail), stop_on_error=True)
        assert sorted(type(event).__name__ for event in events) == ["Done", "Failed"]
        assert tree(tmp_path / "out") == ["10.png"]


def mounted(folder: Path, options: str):
    """A small file system of its own; the test is skipped where that is not allowed."""
    from contextlib import contextmanager

    @contextmanager
    def mounting():
        folder.mkdir()
        try:
            words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
            done = subprocess.run(words, capture_output=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount")
        if done.returncode:
            pytest.skip("only root may mount")
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)

    return mounting()
