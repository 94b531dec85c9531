"""Runs on a real S3 server on loopback, through the real client: whatever happens, results are whole and known."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from magn_cli import batch, images
from magn_cli.errors import UsageError
from magn_cli.files import named
from tests.support.folders import SETTINGS, Inverse, command, picture, restore
from tests.support.object_store import png

pytest.importorskip("s3fs")
from magn_cli.files.remote import drives, locking, retrying

OTHER = {**SETTINGS, "level": 40}


def kinds(events):
    return sorted(type(event).__name__ for event in events)


def run(bucket, source="in", out="out", **options):
    out = None if out is None else named(bucket.url(out)) if isinstance(out, str) else out
    return restore(bucket.url(source), out, recursive=True, **options)


@pytest.fixture
def photos(bucket):
    for name, shade in (("a.png", 40), ("b.png", 41), ("sub/c.png", 42), (".hidden.png", 1), ("@eaDir/a.png", 1)):
        bucket.put(f"in/{name}", png(shade))
    bucket.put("in/notes.txt", b"no picture")
    bucket.store.requests.clear()
    return bucket


def test_a_tree_is_restored_kept_and_refused(photos):
    assert kinds(run(photos)) == ["Done"] * 3
    assert photos.keys("out") == ["a.png", "b.png", "sub/c.png"]
    assert (images.decode(photos.get("out/sub/c.png")).pixels == 255 - 42).all()
    assert all(".lock" not in key for key in photos.journal())
    assert kinds(run(photos)) == ["Kept"] * 3
    with pytest.raises(UsageError, match=r"3 outputs exist.*level auto, not 40"):
        run(photos, settings=OTHER)
    photos.put("in/a.png", png(50))
    with pytest.raises(UsageError, match="another picture"):
        run(photos)
    assert kinds(run(photos, overwrite=True)) == ["Done"] * 3
    assert kinds(run(photos)) == ["Kept"] * 3


def test_each_store_is_listed_once_and_each_picture_read_once(photos, monkeypatch):
    monkeypatch.setattr(drives, "PAGE", 2)
    run(photos)
    pages = photos.lists()
    # 6 names in pages of 2; nothing is in the output folder yet, nor are parts of a journal.
    assert pages == {"in/": 3, "out/": 1, "out/.magn-journal.jsonl.parts/": 1}
    gets = [path for method, path, query in photos.store.requests if method == "GET" and "list-type" not in query]
    assert sorted(path.rpartition("/")[2] for path in gets if ".magn" not in path) == ["a.png", "b.png", "c.png"]
    photos.store.requests.clear()
    run(photos)
    assert photos.lists()["in/"] == 3 and photos.lists()["out/"] == 3
    assert not any("out/a.png" in path for _, path, _ in photos.store.requests), "a result was asked for again"


def test_results_below_the_pictures_and_beside_them(photos):
    assert kinds(run(photos, out="in/clean")) == ["Done"] * 3
    photos.store.requests.clear()
    assert kinds(run(photos, out="in/clean")) == ["Kept"] * 3
    # One listing has both.
    assert "in/clean/" not in photos.lists()
    assert kinds(run(photos, out="elsewhere")) == ["Done"] * 3, "results of another run are no inputs"
    assert kinds(run(photos, out=None)) == ["Done"] * 3
    assert kinds(run(photos, out=None)) == ["Kept"] * 3
    assert "in/a_restored.png" in photos.keys("")


def test_patterns_single_files_and_mixed_sources(photos, tmp_path):
    assert kinds(run(photos, "in/[ab].png")) == ["Done"] * 2
    assert kinds(run(photos, "in/**/*.png", out="deep")) == ["Done"] * 3
    assert photos.keys("deep") == ["a.png", "b.png", "sub/c.png"]
    assert kinds(restore(photos.url("in/a.png"), named(photos.url("one.png")))) == ["Done"]
    with pytest.raises(UsageError, match=r"one\.png exists"):
        restore(photos.url("in/a.png"), named(photos.url("one.png")))
    here = picture(tmp_path / "photos/d.png")
    both = [str(here), photos.url("in")]
    assert kinds(restore(both, named(photos.url("both")))) == ["Done"] * 3
    assert photos.keys("both") == ["a.png", "b.png", "d.png"]
    assert kinds(restore(both, tmp_path / "out")) == ["Done"] * 3
    assert kinds(restore(both, tmp_path / "out")) == ["Kept"] * 3
    with pytest.raises(UsageError, match="would both become"):
        restore([photos.url("in/a.png"), photos.url("in/sub"), str(picture(tmp_path / "a.png"))], tmp_path / "x")


def test_an_output_that_comes_into_being_meanwhile_stays(photos):
    events = run(photos, network=Inverse(lambda photo: photos.put("out/b.png", b"of somebody else")))
    assert kinds(events) == ["Done", "Done", "Failed"]
    assert photos.get("out/b.png") == b"of somebody else"


def test_hostile_names_and_folder_markers(bucket):
    for key in (
        "a.png",
        "x/../../etc/b.png",
        "x//c.png",
        "/d.png",
        "./e.png",
        "bell\a\u202e.png",
        "markers/",
        "empty/",
    ):
        bucket.put(f"in/{key}", b"" if key.endswith("/") else png(9))
    bucket.put("in/null.png/", png(9))
    events = run(bucket)
    failed = [str(event.error) for event in events if isinstance(event, batch.Failed)]
    assert len(failed) == 5 and all("cannot be used as a path" in text and text.endswith(".") for text in failed)
    assert bucket.keys("out") == ["a.png", "bell\a\u202e.png"]


def test_many_hostile_names_are_counted(bucket, monkeypatch):
    from magn_cli.batch import listed_planning

    monkeypatch.setattr(listed_planning, "MAX_PROBLEMS", 2)
    for number in range(5):
        bucket.put(f"in//{number}.png", png(9))
    bucket.put("in/a.png", png(9))
    failed = [str(event.error) for event in run(bucket) if isinstance(event, batch.Failed)]
    assert len(failed) == 3 and failed[-1].startswith("3 more names")


@pytest.mark.parametrize("seed", range(3))
def test_throttled_and_cut(photos, monkeypatch, seed):
    """Every third request fails in some way; a PUT whose answer is lost is none that was refused."""
    monkeypatch.setattr(retrying, "FIRST_DELAY", 0.01)
    dice = random.Random(seed)
    kinds_of_faults = ("slow-down", "internal", "cut", "cut-after", "cut-within")
    photos.store.fault = lambda method, path: dice.choice(kinds_of_faults) if dice.random() < 1 / 3 else None
    assert kinds(run(photos)) == ["Done"] * 3
    assert kinds(run(photos)) == ["Kept"] * 3
    photos.store.fault = lambda method, path: None
    assert (images.decode(photos.get("out/a.png")).pixels == 255 - 40).all()
    assert all(".lock" not in key for key in photos.journal())


@pytest.mark.parametrize(
    "fault, words",
    [
        ("slow-down", "keeps asking for fewer requests"),
        ("cut", "does not answer"),
        ("expired", "have expired, so renew them"),
    ],
)
def test_a_store_that_does_not_recover(photos, hurry, fault, words):
    """One sentence, no further pictures, and the same command goes on later."""
    for number in range(20):
        photos.put(f"in/more/{number}.png", png(number))

    def fail_after_first(photo):
        photos.store.fault = lambda method, path: fault if method == "PUT" and path.endswith("png") else None

    plan = batch.plan([photos.url("in")], named(photos.url("out")), settings=SETTINGS, recursive=True)
    events = []
    untried = batch.run(plan, Inverse(fail_after_first), report=events.append)
    failed = [str(event.error) for event in events if isinstance(event, batch.Failed)]
    assert failed and words in failed[0] and failed[0].endswith(".") and untried > 0
    assert not any("testing-" in text for text in failed)
    photos.store.fault = lambda method, path: None
    assert set(kinds(run(photos))) <= {"Done", "Kept"}


def test_the_journal_may_miss_what_a_killed_run_made(photos):
    """Its last lines are kept back; the notes on the results tell the same."""
    run(photos)
    *_, last = photos.journal()
    photos.fs.rm_file(f"{photos.name}/{last}")
    assert kinds(run(photos)) == ["Kept"] * 3
    with pytest.raises(UsageError, match="level auto, not 40"):
        run(photos, settings=OTHER)
    # A copy under another name is not what its note says.
    photos.fs.call_s3(
        "copy_object", Bucket=photos.name, Key="out/b.png", CopySource={"Bucket": photos.name, "Key": "out/a.png"}
    )
    with pytest.raises(UsageError, match="not made by a run that is known"):
        run(photos)


def test_a_run_that_replaced_and_was_killed(photos):
    """What its lost lines would have said counts, and not what the journal says of the results before."""
    run(photos)
    before = photos.journal()
    run(photos, settings=OTHER, overwrite=True)
    *_, last = sorted(set(photos.journal()) - set(before))
    photos.fs.rm_file(f"{photos.name}/{last}")
    with pytest.raises(UsageError, match="level 40, not auto"):
        run(photos)
    assert kinds(run(photos, settings=OTHER)) == ["Kept"] * 3


def test_results_of_strangers_are_refused(photos, tmp_path, monkeypatch):
    run(photos)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="not made by a run of yours"):
        run(photos)
    for key in photos.journal():
        photos.fs.rm_file(f"{photos.name}/{key}")
    with pytest.raises(UsageError, match="not made by a run"):
        run(photos)


def test_two_runs_at_once(photos):
    said = []

    def second(photo):
        if not said:
            with pytest.raises(UsageError, match="another magn is at work") as caught:
                run(photos, overwrite=True)
            said.append(str(caught.value))

    run(photos, network=Inverse(second))
    assert f"process {os.getpid()} on {socket.gethostname()}" in said[0]


@pytest.mark.parametrize("host", [socket.gethostname(), "another-host"])
def test_a_lock_that_was_left_behind(photos, monkeypatch, host):
    """At once where the process is known to be gone, else when it was not renewed for a while."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    photos.put("out/.magn-journal.lock", json.dumps({"id": "x", "host": host, "process": gone.pid}).encode())
    if host == "another-host":
        with pytest.raises(UsageError, match=f"process {gone.pid} on another-host"):
            run(photos)
        monkeypatch.setattr(locking, "EXPIRY", -5.0)
    assert kinds(run(photos)) == ["Done"] * 3


def test_a_lock_is_renewed_and_may_be_lost(photos, monkeypatch):
    monkeypatch.setattr(locking, "BEAT", 0.05)
    key, seen = "out/.magn-journal.lock", []

    def wait(photo):
        tags = set()
        for _ in range(200):
            tags.add(photos.fs.call_s3("head_object", Bucket=photos.name, Key=key)["LastModified"])
            if len(tags) > 1:
                break
            time.sleep(0.05)
        seen.append(tags)
        photos.put(key, json.dumps({"id": "of another run"}).encode())
        for thread in threading.enumerate():
            if thread.name == "magn-lock":
                thread.join(20)

    events = run(photos, network=Inverse(wait))
    (failed,) = (str(event.error) for event in events if isinstance(event, batch.Failed))
    assert "has taken" in failed and len(seen[0]) > 1
    assert json.loads(photos.get(key))["id"] == "of another run"


def test_a_store_without_conditions_is_told(photos, monkeypatch, caplog):
    """Some that speak the protocol ignore If-None-Match: what exists is looked for first."""
    put = drives.S3._put

    def ignoring(self, fs, path, data, how, note, only):
        put(self, fs, path, data, {}, note, None)

    monkeypatch.setattr(drives.S3, "_put", ignoring)
    events = run(photos, network=Inverse(lambda photo: photos.put("out/b.png", b"of somebody else")))
    assert "cannot refuse to replace" in caplog.text
    assert photos.get("out/b.png") == b"of somebody else" and kinds(events).count("Failed") == 1


def test_memory_as_a_store(tmp_path):
    picture(tmp_path / "photos/a.png")
    out = named(f"memory://{tmp_path.name}/out")
    assert kinds(restore(tmp_path / "photos", out)) == ["Done"]
    assert kinds(restore(tmp_path / "photos", out)) == ["Kept"]
    assert kinds(restore(out, named(f"memory://{tmp_path.name}/again"))) == ["Done"]


@pytest.mark.slow
def test_a_thousand_pictures_with_faults(bucket, monkeypatch):
    """Interrupted in the middle, and gone on with; the bytes are those of a run on the disk."""
    for number in range(1000):
        bucket.put(f"in/{number % 10}/{number:04}.png", png(number % 250))
    monkeypatch.setattr(drives, "PAGE", 100)
    monkeypatch.setattr(retrying, "FIRST_DELAY", 0.01)
    dice, count = random.Random(1), [0]
    faults = ("slow-down", "internal", "cut", "cut-after", "cut-within")
    bucket.store.fault = lambda method, path: dice.choice(faults) if dice.random() < 0.05 else None

    def interrupt(photo):
        count[0] += 1
        if count[0] == 400:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(bucket, network=Inverse(interrupt))
    bucket.store.fault = lambda method, path: None
    there = len(bucket.keys("out"))
    assert 300 < there < 1000
    bucket.store.fault = lambda method, path: dice.choice(faults) if dice.random() < 0.05 else None
    events = kinds(run(bucket))
    bucket.store.fault = lambda method, path: None
    assert events == ["Done"] * (1000 - there) + ["Kept"] * there
    assert len(bucket.keys("out")) == 1000
    assert (images.decode(bucket.get("out/7/0997.png")).pixels == 255 - 997 % 250).all()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_and_started_again(bucket, tmp_path):
    """The command itself, killed twice: each result is there once, as a plain run on the disk makes it."""
    noise = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / f"photos/{number:02}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (96, 96, 3), np.uint8)).save(path, quality=30)
        bucket.put(f"in/{path.name}", path.read_bytes())
    words = ["--task", "jpeg", "--threads", "1", "--tile", "128", "--device", "cpu", "--precision", "fp32"]
    for enough in (2, 5):
        process = command("restore", bucket.url("in"), "--out", bucket.url("out"), *words)
        while len(bucket.keys("out")) < enough and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    process = command("restore", bucket.url("in"), "--out", bucket.url("out"), "--log-json", *words)
    told, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    events = [json.loads(line) for line in told.splitlines()]
    assert events[-1]["kept"] >= 5 and events[-1]["done"] + events[-1]["kept"] == 12
    assert command("restore", tmp_path / "photos", "--out", tmp_path / "out", *words).wait(300) == 0
    for path in (tmp_path / "out").glob("*.png"):
        assert bucket.get(f"out/{path.name}") == path.read_bytes()
    assert len(bucket.keys("out")) == 12
