"""A run that is stopped or killed: what is there is whole, the journal is right, and the same command goes on."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.folders import command, content, small_photos, tree

PICTURES = int(os.environ.get("MAGN_TEST_PICTURES", 40))
"""Of the run that is killed and of the one whose memory is watched; ``.ci/run`` asks for all that is promised."""

SAME_BYTES = ("--tile", 64, "--threads", 1, "--precision", "fp32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return small_photos(tmp_path_factory.mktemp("photos"), PICTURES)


def start(photos, out, *words):
    line = ("restore", photos, "--recursive", "--task", "jpeg", "--out", out, "--log-json", *SAME_BYTES, *words)
    return command(*line)


def wait_for(process, count):
    """Read events until so many results are there; returns the events."""
    events = []
    while sum(event["event"] == "done" for event in events) < count:
        line = process.stdout.readline()
        assert line, process.stderr.read().decode()
        events.append(json.loads(line))
    return events


def finish(process):
    out, err = process.communicate(timeout=300)
    return [json.loads(line) for line in out.splitlines()], err.decode()


@pytest.fixture(scope="module")
def undisturbed(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    events, err = finish(start(photos, out))
    assert events[-1]["event"] == "summary" and events[-1]["done"] == PICTURES, err
    return content(out)


def test_killed_five_times_and_resumed(photos, undisturbed, tmp_path):
    out, chance = tmp_path / "out", random.Random(0)
    for _ in range(5):
        process = start(photos, out)
        wait_for(process, chance.randrange(1, PICTURES // 6))
        time.sleep(chance.random() * 0.05)
        process.kill()
        process.communicate()
        # Nothing half done under a final name.
        for name, data in content(out).items():
            assert name.endswith(".tmp") or data == undisturbed[name]
    events, err = finish(start(photos, out))
    assert events[-1]["done"] + events[-1]["kept"] == PICTURES, err
    assert events[-1]["kept"] >= 5
    assert content(out) == undisturbed  # and no .tmp file is left


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_stop(photos, undisturbed, tmp_path, number):
    out = tmp_path / "out"
    process = start(photos, out)
    wait_for(process, 2)
    process.send_signal(number)
    events, err = finish(process)
    assert process.returncode == 130, err
    assert "interrupted after" in err and "run the same command again to resume" in err and "Traceback" not in err
    made = content(out)
    assert all(data == undisturbed[name] for name, data in made.items())
    summary = events[-1]
    assert summary["event"] == "summary" and summary["exit_code"] == 130
    assert summary["done"] == len(made) and summary["done"] + summary["untried"] == PICTURES
    again, err = finish(start(photos, out, "--dry-run"))
    assert sum(event["event"] == "kept" for event in again) == len(made), err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_stops_within_a_picture(tmp_path, otter):
    """A picture that takes long does not have to be finished."""
    Image.fromarray(np.tile(otter, (10, 8, 1))).save(tmp_path / "a.jpg", quality=30)
    process = command("restore", tmp_path / "a.jpg", "--task", "jpeg", "--tile", 64, "--threads", 1, "--log-json")
    assert b"start" in process.stdout.readline()
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = finish(process)
    assert process.returncode == 130 and "interrupted; no partial output was kept" in err
    assert tree(tmp_path) == ["a.jpg"]
    # 2.3 megapixels take longer than this on any processor with one thread.
    assert time.monotonic() - began < 60


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.skipif(PICTURES < 200, reason="MAGN_TEST_PICTURES is below 200")
def test_memory_is_flat(tmp_path, otter):
    """From the 50th to the 300th small picture it grows by less than 50 MB."""
    (tmp_path / "photos").mkdir()
    for number in range(300):
        Image.fromarray(np.roll(otter, number, 0)[:96, :128]).save(
            tmp_path / f"photos/{number:03}.jpg", quality=40
        )
    process = start(tmp_path / "photos", tmp_path / "out")
    wait_for(process, 50)
    first = resident(process.pid)
    most = first
    for _ in range(249):
        wait_for(process, 1)
        most = max(most, resident(process.pid))
    finish(process)
    assert most - first < 50e6, f"{(most - first) / 1e6:.1f} MB"


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no nohup")
def test_who_ignores_a_hangup_means_it(photos, tmp_path):
    process = command(
        *("restore", photos, "--task", "jpeg", "--out", tmp_path / "out", "--log-json", *SAME_BYTES),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    wait_for(process, 1)
    process.send_signal(signal.SIGHUP)
    _, err = finish(process)
    assert process.returncode == 0, err
