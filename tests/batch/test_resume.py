"""What is there already: kept, refused or replaced, and never damaged."""

import os
import shutil
import threading

import pytest
from PIL import Image

from magn_cli import batch
from magn_cli.batch import files, journal, pipeline
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import atomic
from tests.support.folders import JOURNAL, LOCK, SETTINGS, Inverse, content, picture, restore, tree

OTHER = {**SETTINGS, "level": 40}


@pytest.fixture
def photos(tmp_path):
    for name in ("a", "b", "sub/c"):
        picture(tmp_path / f"photos/{name}.png", 40 + len(name))
    return tmp_path / "photos"


def kinds(events):
    return [type(event).__name__ for event in events]


def test_the_same_again_is_kept(photos, tmp_path):
    out = tmp_path / "out"
    assert kinds(restore(photos, out, recursive=True)) == ["Done"] * 3
    before = content(out)
    picture(photos / "d.png")
    assert sorted(kinds(restore(photos, out, recursive=True))) == ["Done", "Kept", "Kept", "Kept"]
    assert {name: content(out)[name] for name in before} == before


def test_other_settings_are_refused_as_a_whole(photos, tmp_path):
    out = tmp_path / "out"
    restore(photos, out)
    before = content(out)
    with pytest.raises(UsageError, match=r"2 outputs exist.*level auto, not 40") as caught:
        restore(photos, out, settings=OTHER, recursive=True)
    assert "--overwrite" in str(caught.value) and str(out / "a.png") in str(caught.value)
    assert content(out) == before  # not even sub/c.png


def test_overwrite_replaces_and_is_then_what_is_known(photos, tmp_path):
    out = tmp_path / "out"
    restore(photos, out)
    assert kinds(restore(photos, out, settings=OTHER, overwrite=True)) == ["Done", "Done"]
    assert kinds(restore(photos, out, settings=OTHER)) == ["Kept", "Kept"]
    with pytest.raises(UsageError):
        restore(photos, out)


def test_a_file_of_the_users_own_is_refused(photos, tmp_path):
    picture(tmp_path / "out/a.png")
    before = content(tmp_path)
    with pytest.raises(UsageError, match="not made by a run that is known"):
        restore(photos, tmp_path / "out")
    assert content(tmp_path) == before


def test_another_picture_under_the_same_name_is_refused(photos, tmp_path):
    restore(photos, tmp_path / "out")
    picture(photos / "b.png", 200)
    with pytest.raises(UsageError, match="another picture"):
        restore(photos, tmp_path / "out")


def test_a_copy_of_the_pictures_is_the_same(photos, tmp_path):
    """With other times of change: their content decides."""
    restore(photos, tmp_path / "out")
    shutil.copytree(photos, tmp_path / "copy")
    for path in (tmp_path / "copy").glob("*.png"):
        os.utime(path, (1, 1))
    assert kinds(restore(tmp_path / "copy", tmp_path / "out")) == ["Kept", "Kept"]


def test_a_result_that_was_edited_is_kept_with_a_word(photos, tmp_path, caplog):
    restore(photos, tmp_path / "out")
    with (tmp_path / "out/a.png").open("ab") as file:
        file.write(b"edited")
    before = content(tmp_path / "out")
    assert kinds(restore(photos, tmp_path / "out")) == ["Kept", "Kept"]
    assert "has been changed" in caplog.text and content(tmp_path / "out") == before


def test_a_result_that_was_removed_is_made_again(photos, tmp_path):
    restore(photos, tmp_path / "out")
    before = content(tmp_path / "out")
    (tmp_path / "out/a.png").unlink()
    assert sorted(kinds(restore(photos, tmp_path / "out"))) == ["Done", "Kept"]
    assert content(tmp_path / "out") == before


def test_killed_between_name_and_journal(photos, tmp_path):
    """The second line of a result is missing: its content tells what it is."""
    out = tmp_path / "out"
    restore(photos, out)
    lines = (out / JOURNAL).read_text().splitlines(keepends=True)
    (out / JOURNAL).write_text("".join(line for line in lines if "written" not in line))
    assert kinds(restore(photos, out)) == ["Kept", "Kept"]
    picture(out / "a.png", 1)
    with pytest.raises(UsageError, match="not made by a run"):
        restore(photos, out)


@pytest.mark.parametrize("cut", range(0, 400, 37))
def test_a_torn_journal(photos, tmp_path, cut):
    """Cut anywhere: what is known is kept, the rest is refused, and new lines are whole."""
    out = tmp_path / "out"
    restore(photos, out)
    data = (out / JOURNAL).read_bytes()
    (out / JOURNAL).write_bytes(data[: len(data) - cut])
    (out / "b.png").unlink()
    if batch.plan([photos], out, settings=SETTINGS).refusals:
        pytest.fail("a.png was made before the cut")
    restore(photos, out)
    assert kinds(restore(photos, out)) == ["Kept", "Kept"]


def test_lines_of_strangers_are_passed_over(photos, tmp_path):
    out = tmp_path / "out"
    restore(photos, out)
    junk = b'\xff\xfe\n[]\nnull\n{"schema": 99, "begun": 1}\n{"schema": 1, "written": "x"}\n{"schema": 1, "begun": 3}\n'  # noqa: E501
    (out / JOURNAL).write_bytes(junk + (out / JOURNAL).read_bytes())
    assert kinds(restore(photos, out)) == ["Kept", "Kept"]


def test_a_journal_that_cannot_be_read(photos, tmp_path):
    picture(tmp_path / "out/a.png")
    (tmp_path / "out" / JOURNAL).mkdir()
    with pytest.raises(ImageError, match="journal"):
        restore(photos, tmp_path / "out")


def test_two_runs_at_once(photos, tmp_path):
    """The second is refused while the first is at work; both folders stay in order."""
    out, inside, go_on = tmp_path / "out", threading.Event(), threading.Event()
    refused = []

    def block(photo):
        inside.set()
        assert go_on.wait(60)

    first = threading.Thread(target=lambda: restore(photos, out, Inverse(block)))
    first.start()
    try:
        assert inside.wait(60)
        with pytest.raises(UsageError, match="another magn is at work") as caught:
            restore(photos, out)
        refused.append(str(caught.value))
    finally:
        go_on.set()
        first.join()
    assert refused and tree(out) == ["a.png", "b.png"]
    assert kinds(restore(photos, out)) == ["Kept", "Kept"]


def test_what_a_killed_run_has_left_is_removed(photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    ours = out / ".a.png.0123456789ab.tmp"
    others = [
        out / name for name in ("notes.tmp", ".x.png.0123456789ab.tmp", ".a.png.0123456789AB.tmp", ".a.png.tmp")
    ]
    for path in [ours, *others]:
        path.write_bytes(b"half")
    restore(photos, out)
    assert not ours.exists() and all(path.exists() for path in others)


def test_what_is_left_of_a_finished_result_is_removed(photos, tmp_path):
    """A run that is killed before its new file has lost the temporary name has written it."""
    out = tmp_path / "out"
    restore(photos, out)
    before = content(out)
    left = [out / f".{name}.0123456789ab.tmp" for name in ("a.png", "b.png")]
    for path in left:
        path.hardlink_to(out / path.name[1:6])
    (out / "b.png").unlink()
    assert kinds(restore(photos, out)) == ["Kept", "Done"]
    assert content(out) == before
    left[0].hardlink_to(out / "a.png")
    assert kinds(restore(photos, out)) == ["Kept", "Kept"]
    assert content(out) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no open file")
def test_what_another_process_is_writing_is_left_alone(photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with atomic.writing(out / "a.png") as file:
        file.write(b"of another process")
        assert atomic.remove_leftovers(out, {"a.png"}) == []
    assert atomic.remove_leftovers(out, {"a.png"}) == []
    assert (out / "a.png").read_bytes() == b"of another process"


def test_an_output_that_comes_into_being_meanwhile(photos, tmp_path):
    out = tmp_path / "out"
    network = Inverse(lambda photo: picture(out / "b.png", 3))
    events = restore(photos, out, network)
    assert sorted(kinds(events)) == ["Done", "Failed"]
    assert Image.open(out / "b.png").getpixel((0, 0)) == (3, 3, 3)


def test_an_input_that_vanishes_meanwhile(photos, tmp_path):
    for name in "defgh":
        picture(photos / f"{name}.png")
    network = Inverse(lambda photo: (photos / "h.png").unlink(missing_ok=True))
    events = restore(photos, tmp_path / "out", network)
    (failed,) = [event for event in events if isinstance(event, batch.Failed)]
    assert failed.source.name == "h.png" and "does not exist" in str(failed.error)


def test_many_large_pictures_do_not_pile_up(tmp_path, monkeypatch):
    """However slow the writing is, what is held at once stays below the limit, or is one picture."""
    size = (100, 100)
    for number in range(12):
        picture(tmp_path / f"photos/{number:02}.png", number, size)
    monkeypatch.setattr(pipeline, "IN_FLIGHT", 4 * 2 * 3 * 100 * 100)
    held, most, lock = set(), [0], threading.Lock()
    load, save = files.load, files.save

    def loading(job, max_pixels, mosaics):
        with lock:
            held.add(job)
            most[0] = max(most[0], len(held))
        return load(job, max_pixels, mosaics)

    def saving(loaded, restored, folders):
        threading.Event().wait(0.03)
        seconds = save(loaded, restored, folders)
        with lock:
            held.discard(loaded.job)
        return seconds

    monkeypatch.setattr(files, "load", loading)
    monkeypatch.setattr(files, "save", saving)
    assert kinds(restore(tmp_path / "photos", tmp_path / "out")) == ["Done"] * 12
    assert 2 <= most[0] <= 4
    monkeypatch.setattr(pipeline, "IN_FLIGHT", 1)
    most[0] = 0
    assert kinds(restore(tmp_path / "photos", tmp_path / "alone")) == ["Done"] * 12
    assert most[0] == 1


def test_reading_and_writing_overlap_with_the_network(tmp_path):
    """While the network works on a picture, the next one is read and the one before is written."""
    for number in range(6):
        picture(tmp_path / f"photos/{number}.png", number)
    reads, out = [], tmp_path / "out"
    load = files.load

    def loading(job, max_pixels, mosaics):
        loaded = load(job, max_pixels, mosaics)
        reads.append(job.source.name)
        return loaded

    def wait_for_neighbours(photo):
        number = int(photo.pixels[0, 0, 0])
        for _ in range(2000):
            before = number == 0 or (out / f"{number - 1}.png").exists()
            after = number == 5 or f"{number + 1}.png" in reads
            if before and after:
                return
            threading.Event().wait(0.005)
        pytest.fail(f"picture {number} waited in vain: {reads}, {tree(out)}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "load", loading)
        assert kinds(restore(tmp_path / "photos", out, Inverse(wait_for_neighbours))) == ["Done"] * 6


def test_entries_are_found_by_content_or_by_name(tmp_path):
    origin = journal.Origin(1, 2, "00")
    entry = journal.JournalEntry("a.png", 4, "not the sum", origin, {"level": 1})
    kept = journal.Journal(tmp_path)
    kept.open()
    kept.begin(entry)
    (tmp_path / "a.png").write_bytes(b"mine")
    assert journal.Journal(tmp_path).entry("a.png") is None
    kept.finish(entry)
    kept.close()
    assert journal.Journal(tmp_path).entry("a.png") == entry
    assert not (tmp_path / LOCK).exists()
