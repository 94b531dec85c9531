"""A journal that came with somebody's pictures: it leads nowhere, holds nothing up and forges nothing."""

import errno
import json
import os
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from magn_cli import batch, images
from magn_cli.batch import files, journal
from magn_cli.batch.journal import Journal, JournalEntry, Origin
from magn_cli.errors import ImageError, UsageError
from magn_cli.inference.restored_photo import RestoredPhoto
from magn_cli.tasks import FoundLevel
from tests.support.folders import JOURNAL, LOCK, Inverse, content, picture, restore, tree

posix = pytest.mark.skipif(os.name == "nt", reason="links and named pipes as POSIX has them")


@pytest.fixture
def photos(tmp_path):
    picture(tmp_path / "photos/a.png", 40)
    return tmp_path / "photos"


def names(events):
    return [type(event).__name__ for event in events]


def link(path):
    path.symlink_to(path.parents[1] / "profile")


def second_name(path):
    path.hardlink_to(path.parents[1] / "profile")


def endless(path):
    path.symlink_to("/dev/zero")


def device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except OSError:
        pytest.skip("only root may make devices")


def bound(path):
    where = Path.cwd()
    os.chdir(path.parent)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(where)


@posix
@pytest.mark.parametrize("name", [JOURNAL, LOCK])
@pytest.mark.parametrize("make", [link, second_name, endless, os.mkfifo, device, bound, os.mkdir])
def test_what_is_no_file_of_ours_is_left_alone_and_told(photos, tmp_path, caplog, make, name):
    """Beside the pictures, where an archive may have put it: the run goes on without it."""
    (tmp_path / "profile").write_text("export A=1\n")
    make(photos / name)
    before = (photos / name).lstat()
    events = restore([photos, photos / "a.png"])
    assert names(events) == ["Done"] and tree(photos)[-1] == "a_restored.png"
    assert (tmp_path / "profile").read_text() == "export A=1\n"
    after = (photos / name).lstat()
    assert (after.st_mode, after.st_ino) == (before.st_mode, before.st_ino)
    assert name in caplog.text and "keeps no journal" in caplog.text


@posix
@pytest.mark.parametrize("make", [link, second_name, endless, os.mkfifo, device, bound, os.mkdir])
def test_where_it_is_needed_it_is_refused(photos, tmp_path, make):
    """Nothing tells how the output that exists was made."""
    (tmp_path / "profile").write_text('{"schema": 1}\n')
    picture(tmp_path / "out/a.png")
    make(tmp_path / "out" / JOURNAL)
    with pytest.raises(ImageError, match=r"is no journal of magn .*remove it"):
        restore(photos, tmp_path / "out")


@posix
def test_journals_of_sub_folders_are_opened_as_carefully(photos):
    for number, make in enumerate((link, endless, os.mkfifo, os.mkdir)):
        picture(photos / f"{number}/b.png", number)
        make(photos / f"{number}" / JOURNAL)
    assert names(restore(photos, photos.parent / "out", recursive=True)) == ["Done"] * 5


ENTRY = {
    "result": "a.png",
    "bytes": 1,
    "sha256": "0" * 64,
    "origin": {"bytes": 1, "changed_ns": 1, "sha256": "0" * 64},
    "settings": {},
}


def line(**changes):
    return json.dumps({"schema": 1, "begun": {**ENTRY, **changes}}).encode()


HOSTILE = {
    "brackets": b"[" * 100_000,
    "brackets that fit": b"[" * (journal.MAX_LINE - 1),
    "deep in an entry": line().replace(b'"settings": {}', b'"settings": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "huge": b"x" * 50_000_000,
    "zeros": bytes(1_000_000),
    "no text": line(result=7),
    "a list": line(result=["a.png"]),
    "a truth": line(bytes=True),
    "text for a number": line(bytes="1"),
    "infinity": line().replace(b'"bytes": 1', b'"bytes": Infinity', 1),
    "a large number": line().replace(b'"bytes": 1', b'"bytes": 1' + b"0" * 400, 1),
    "digits without end": line().replace(b'"bytes": 1', b'"bytes": 1' + b"0" * 6000, 1),
    "no origin": line(origin=None),
    "another origin": line(origin={"bytes": 1}),
    "settings of another kind": line(settings=[1]),
    "a field more": line(more=1),
    "outside": line(result="../../a.png"),
    "from the root": line(result="/a.png"),
    "a zero": line(result="a\0.png"),
    "finished, never begun": b'{"schema": 1, "written": "a.png"}',
    "finished, no name": b'{"schema": 1, "written": {"a": 1}}',
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_lines_that_magn_has_not_written(photos, tmp_path, hostile):
    out = tmp_path / "out"
    out.mkdir()
    (out / JOURNAL).write_bytes(hostile + b"\n" + hostile)
    began = time.monotonic()
    assert set(Journal(out).results()) == set()
    assert names(restore(photos, out)) == ["Done"]
    assert time.monotonic() - began < 10
    # What went before is still known.
    (tmp_path / "again").mkdir()
    restore(photos, tmp_path / "again")
    with (tmp_path / "again" / JOURNAL).open("ab") as file:
        file.write(hostile)
    assert names(restore(photos, tmp_path / "again")) == ["Kept"]


def test_a_file_that_never_ends(tmp_path):
    """20 GB of nothing: only its start is read."""
    with (tmp_path / JOURNAL).open("wb") as file:
        file.truncate(20 << 30)
    began = time.monotonic()
    assert set(Journal(tmp_path).results()) == frozenset()
    assert time.monotonic() - began < 5


NAMES = [
    'a\n{"schema": 1, "written": "b.png"}\n.png',
    '"}}\n.png',
    "$(touch pwned).png",
    "`touch pwned`.png",
    "a;touch pwned;.png",
    "a'|touch pwned|'.png",
    "\u2028\u0085.png",
    "\x1b[31m.png",
]


@posix
def test_no_name_forges_a_line_or_means_anything_to_a_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        picture(tmp_path / "photos/x.png").rename(tmp_path / "photos" / name)
    assert names(restore(tmp_path / "photos", tmp_path / "out")) == ["Done"] * len(NAMES)
    written = (tmp_path / "out" / JOURNAL).read_bytes()
    assert written.count(b"\n") == 2 * len(NAMES) and written.isascii()
    assert set(Journal(tmp_path / "out").results()) == frozenset(NAMES)
    assert not set(b"$`;|&<>()!'") & set(written)
    for shell in ("sh", "bash"):
        subprocess.run([shell, str(tmp_path / "out" / JOURNAL)], capture_output=True, check=False)
    assert not list(tmp_path.rglob("pwned"))
    assert names(restore(tmp_path / "photos", tmp_path / "out")) == ["Kept"] * len(NAMES)


def test_a_long_name_fits_into_a_line(tmp_path):
    """The longest path that Linux knows, of characters that take the most room."""
    entry = JournalEntry("\udce9/" * 2048, 1, "0" * 64, Origin(1, 1, "0" * 64), {"level": "auto"})
    kept = Journal(tmp_path)
    kept.open()
    kept.begin(entry)
    kept.close()
    assert set(Journal(tmp_path).results()) == {entry.result}


class Nothing:
    """Finds nothing to restore, and does something while it looks."""

    mosaics = False

    def __init__(self, meanwhile):
        self.meanwhile = meanwhile

    def restore(self, photo, level="auto", progress=lambda done: None):
        self.meanwhile()
        return RestoredPhoto(None, photo.pixels, None, FoundLevel(None, "nothing to restore"))


@posix
@pytest.mark.parametrize("form", ["png", "jpg"])
def test_a_copy_is_of_the_bytes_that_were_read(tmp_path, form):
    """The file becomes a link to another one while the network looks at it."""
    source, secret = picture(tmp_path / f"photos/a.{form}", 40), picture(tmp_path / f"secret.{form}", 9)
    data = source.read_bytes()

    def swap():
        source.unlink()
        source.symlink_to(secret)

    events = restore(tmp_path / "photos", tmp_path / "out", Nothing(swap), suffix=form)
    assert names(events) == ["Done"] and (tmp_path / f"out/a.{form}").read_bytes() == data
    (known,) = (json.loads(text) for text in (tmp_path / "out" / JOURNAL).read_text().splitlines()[:1])
    assert known["begun"]["bytes"] == known["begun"]["origin"]["bytes"] == len(data)


@posix
@pytest.mark.parametrize("swapped", [True, False])
def test_a_large_file_is_read_again_only_if_it_is_the_same(tmp_path, monkeypatch, swapped):
    monkeypatch.setattr(files, "MAX_HELD", 10)
    source, secret = picture(tmp_path / "photos/a.png", 40), picture(tmp_path / "secret.png", 9)
    with source.open("ab") as file:
        file.write(b"behind the picture")
    data = source.read_bytes()

    def swap():
        if swapped:
            source.unlink()
            source.symlink_to(secret)

    assert names(restore(tmp_path / "photos", tmp_path / "out", Nothing(swap))) == ["Done"]
    written = (tmp_path / "out/a.png").read_bytes()
    assert (written == data) is not swapped and (images.decode(written).pixels == 40).all()


def test_an_output_that_appears_at_the_last_moment(photos, tmp_path, monkeypatch):
    """After the last look, before the name is given: it stays, and the picture fails."""
    out, sync = tmp_path / "out", os.fsync

    def appearing(descriptor):
        (out / "a.png").write_bytes(b"mine")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", appearing)
    (event,) = restore(photos, out)
    assert isinstance(event, batch.Failed) and "exists already" in str(event.error)
    assert content(out) == {"a.png": b"mine"}
    (event,) = restore(photos, out, overwrite=True)
    assert isinstance(event, batch.Done) and content(out)["a.png"] != b"mine"


def test_a_run_without_a_journal_refuses_what_it_made(photos, tmp_path, caplog):
    """It cannot be resumed, as the warning said."""
    (tmp_path / "out").mkdir()
    Path(tmp_path / "out" / JOURNAL).symlink_to(tmp_path / "nowhere")
    assert names(restore(photos, tmp_path / "out", Inverse())) == ["Done"]
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(ImageError, match="no journal of magn"):
        restore(photos, tmp_path / "out")


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """Runs something as another user would: with a key of that user's own."""

    def run(work):
        with monkeypatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(tmp_path / "stranger"))
            return work()

    return run


@posix
class TestAJournalOfSomebodyElse:
    """Well formed, written by magn itself, and sent with the pictures: it decides nothing."""

    def test_keeps_no_picture_from_being_restored(self, photos, stranger):
        stranger(lambda: restore(photos))
        (photos / "a_restored.png").rename(photos / "b_restored.png")
        # Without an original it is a picture like others.
        assert names(restore(photos, recursive=True)) == ["Done", "Done"]

    def test_does_not_pass_a_planted_result_off_as_ours(self, photos, tmp_path, stranger):
        stranger(lambda: restore(photos, tmp_path / "out"))
        with pytest.raises(UsageError, match="not made by a run of yours that is known"):
            restore(photos, tmp_path / "out")
        assert names(restore(photos, tmp_path / "out", overwrite=True)) == ["Done"]
        assert names(restore(photos, tmp_path / "out")) == ["Kept"]

    def test_hides_no_picture_in_a_sub_folder(self, photos, tmp_path, stranger):
        picture(photos / "sub/b.png")
        stranger(lambda: restore(photos / "sub", photos / "other"))
        assert names(restore(photos, tmp_path / "out", recursive=True)) == ["Done"] * 3

    def test_a_line_that_was_changed_is_not_ours_any_more(self, photos, tmp_path):
        out = tmp_path / "out"
        restore(photos, out)
        lines = (out / JOURNAL).read_bytes()
        (out / JOURNAL).write_bytes(lines.replace(b"a.png", b"b.png"))
        assert set(Journal(out).results()) == set() and Journal(out).has_foreign_lines

    def test_results_stay_known_where_their_folder_is_moved_to(self, photos, tmp_path):
        restore(photos, tmp_path / "out")
        (tmp_path / "out").rename(tmp_path / "elsewhere")
        assert names(restore(photos, tmp_path / "elsewhere")) == ["Kept"]

    def test_without_a_key_there_is_no_journal(self, photos, tmp_path, monkeypatch, caplog):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        assert names(restore(photos, tmp_path / "out")) == ["Done"]
        assert "keeps no journal" in caplog.text and not (tmp_path / "out" / JOURNAL).exists()

    def test_the_key_is_for_its_user_alone(self, photos, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        restore(photos, tmp_path / "out")
        (key,) = (path for path in (tmp_path / "state").rglob("*") if path.is_file())
        assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_bytes()) == 32
        assert key.read_bytes() not in (tmp_path / "out" / JOURNAL).read_bytes()


@posix
def test_a_lock_that_becomes_a_link_after_the_look(photos, tmp_path, monkeypatch):
    """Neither is it followed, nor is the file that it leads to emptied."""
    (tmp_path / "profile").write_text("export A=1\n")
    opened, out = os.open, tmp_path / "out"
    out.mkdir()

    def swap(name, *args, **kwargs):
        if str(name).endswith(LOCK) and not os.path.lexists(name):
            Path(name).symlink_to(tmp_path / "profile")
        return opened(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", swap)
    assert names(restore(photos, out)) == ["Done"]
    assert (tmp_path / "profile").read_text() == "export A=1\n"


@posix
@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOLCK])
class TestAShareWithoutLocks:
    @pytest.fixture(autouse=True)
    def share(self, monkeypatch, number):
        import fcntl

        def refuse(file, operation):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", refuse)

    def test_a_folder_is_restored_and_resumed(self, photos, tmp_path, recwarn, caplog):
        assert names(restore(photos, tmp_path / "out")) == ["Done"]
        assert names(restore(photos, tmp_path / "out")) == ["Kept"]
        # Other tests may have left files open.
        assert [w.message for w in recwarn.list if not issubclass(w.category, ResourceWarning)] == []
        assert not caplog.records
        assert not list((tmp_path / "out").glob("*.held*"))

    def test_two_runs_at_once(self, photos, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        held = journal.locked(out)
        with pytest.raises(UsageError, match="another magn is at work"):
            restore(photos, out)
        held.release()
        assert names(restore(photos, out)) == ["Done"]

    def test_a_killed_run_holds_nobody_up(self, photos, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        child = subprocess.Popen(["true"])
        child.wait()
        (out / f"{LOCK}.held").write_text(f"{socket.gethostname()}\n{child.pid}\n")
        assert names(restore(photos, out)) == ["Done"]


@posix
@pytest.mark.parametrize(("mode", "expected"), [(0o600, 0o600), (0o640, 0o640), (0o444, 0o644), (0o755, 0o644)])
def test_a_result_is_for_those_who_may_read_the_picture(photos, tmp_path, mode, expected):
    (photos / "a.png").chmod(mode)
    restore(photos, tmp_path / "out")
    restore(photos / "a.png", tmp_path / "b.png")
    for path in (tmp_path / "out/a.png", tmp_path / "b.png"):
        assert stat.S_IMODE(path.stat().st_mode) == expected


class Vanishing(Inverse):
    """Takes the output folder away while a picture is worked on."""

    def __init__(self, work, nth):
        super().__init__(self.count)
        self.work, self.left = work, nth

    def count(self, photo):
        self.left -= 1
        if self.left == 0:
            self.work()


@posix
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_folder_of_results_that_vanishes(photos, tmp_path, nth):
    out = tmp_path / "out"
    picture(photos / "b.png")
    picture(photos / "c.png")
    with pytest.raises(ImageError, match="was moved or removed during the run"):
        restore(photos, out, Vanishing(lambda: out.rename(tmp_path / "gone"), nth))
    assert not out.exists()


@posix
@pytest.mark.parametrize("source", ["a.png", "sub/c.png"])
def test_a_folder_of_results_that_vanishes_just_before_a_write(photos, tmp_path, monkeypatch, source):
    """Not even the folders of a result are made again."""
    out = tmp_path / "out"
    picture(photos / "sub/c.png")
    check = files.Folders.check

    def and_gone(folders, job):
        check(folders, job)
        if job.source == photos / source:
            out.rename(tmp_path / "gone")

    monkeypatch.setattr(files.Folders, "check", and_gone)
    with pytest.raises(ImageError, match="was moved or removed during the run"):
        restore(photos, out, recursive=True)
    assert not out.exists()


def test_a_folder_that_is_made_anew_meanwhile(photos, tmp_path):
    out = tmp_path / "out"

    def anew():
        shutil.rmtree(out)
        out.mkdir()

    (event,) = restore(photos, out, Vanishing(anew, 1))
    assert isinstance(event, batch.Failed) and "moved or removed during" in str(event.error)


@posix
def test_a_folder_that_becomes_a_link_meanwhile(photos, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()

    def swap():
        out.rename(tmp_path / "gone")
        out.symlink_to(elsewhere)

    (event,) = restore(photos, out, Vanishing(swap, 1))
    assert isinstance(event, batch.Failed) and "moved or removed during" in str(event.error)
    assert not list(elsewhere.iterdir())
