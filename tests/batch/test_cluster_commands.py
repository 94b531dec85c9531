"""Commands with ``--cluster`` as a user runs them: bytes and figures of a plain run, also when killed."""

import csv
import json
import os
import random
import signal
import time

import psutil
import pytest

from tests.support.cluster import two_nodes
from tests.support.folders import command, content, small_photos

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Ray calls its clusters on Windows a beta"),
]

PICTURES = 60
SAME_BYTES = ("--tile", 64, "--threads", 1, "--precision", "fp32", "--device", "cpu")


@pytest.fixture(scope="module")
def address():
    with two_nodes() as address:
        yield address


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return small_photos(tmp_path_factory.mktemp("photos"), PICTURES)


@pytest.fixture(scope="module")
def plain(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("plain")
    events, err = finish(start(photos, out))
    assert events[-1]["done"] == PICTURES, err
    return content(out)


def start(photos, out, *words, **options):
    """Relative paths, which mean the same on the workers."""
    line = ("restore", photos.name, "-r", "-t", "jpeg", "--out", out, "--log-json", *SAME_BYTES, *words)
    return command(*line, cwd=photos.parent, **options)


def finish(process):
    out, err = process.communicate(timeout=500)
    return [json.loads(line) for line in out.splitlines()], err.decode()


def wait_for(process, count):
    """Read events until so many results are there; returns those of results."""
    done = []
    while len(done) < count:
        line = process.stdout.readline()
        assert line, process.stderr.read().decode()
        event = json.loads(line)
        done += [event] if event["event"] == "done" else []
    return done


def pid(event):
    return int(event["worker"].partition("/")[2])


def ends(number):
    """Wait until a process is gone."""
    until = time.monotonic() + 60
    while psutil.pid_exists(number) and time.monotonic() < until:
        time.sleep(0.1)
    return not psutil.pid_exists(number)


def test_the_bytes_of_a_plain_run(address, photos, plain, tmp_path):
    events, err = finish(start(photos, tmp_path / "out", "--cluster", address))
    done = [event for event in events if event["event"] == "done"]
    assert events[-1]["done"] == PICTURES and events[-1]["exit_code"] == 0, err
    assert content(tmp_path / "out") == plain
    assert len({event["worker"] for event in done}) == 2
    assert len({event["source"] for event in done}) == PICTURES
    # A run without a cluster knows all of it, and one with a cluster that is not there needs none.
    for words in (("--dry-run",), ("--cluster", "127.0.0.1:1")):
        events, err = finish(start(photos, tmp_path / "out", *words))
        assert sum(event["event"] == "kept" for event in events) == PICTURES, err


def test_driver_and_workers_killed_and_resumed(address, photos, plain, tmp_path):
    """Workers end with their driver; the same command goes on."""
    out, chance = tmp_path / "out", random.Random(0)
    for _ in range(2):
        process = start(photos, out, "--cluster", address)
        done = wait_for(process, chance.randrange(5, 15))
        process.kill()
        process.communicate()
        assert all(ends(number) for number in {pid(event) for event in done})
        for name, data in content(out).items():
            assert name.endswith(".tmp") or data == plain[name]
    process = start(photos, out, "--cluster", address)
    (event,) = wait_for(process, 1)
    os.kill(pid(event), signal.SIGKILL)
    events, err = finish(process)
    assert events[-1]["done"] + events[-1]["kept"] == PICTURES and process.returncode == 0, err
    assert events[-1]["kept"] >= 10
    assert "was lost (its process ended); another one takes its place" in err
    assert content(out) == plain


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A folder ``pictures`` with nine of them, one of which cannot be read."""
    folder = tmp_path_factory.mktemp("eval")
    (folder / "pictures").mkdir()
    small_photos(folder / "pictures", 9)
    (folder / "pictures/005.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def evaluated(clean):
    """What one machine tells: the figures, the lines of a CSV file, and messages."""
    code, out, err = finish_eval(start_eval(clean, "--json", "-", "--csv", "plain.csv"))
    assert code == 1, err
    return figures(out), measured(clean / "plain.csv"), told(err)


class TestEval:
    """``magn eval --cluster``: the figures of one machine, to the last digit."""

    @pytest.mark.parametrize("workers", [1, 2])
    def test_figures_reports_and_failures(self, address, clean, evaluated, tmp_path, workers):
        reports = ("--json", "-", "--csv", tmp_path / "all.csv", "--html", tmp_path / "page.html")
        process = start_eval(clean, "--cluster", address, "--workers", workers, *reports)
        code, out, err = finish_eval(process)
        assert code == 1, err
        assert (figures(out), measured(tmp_path / "all.csv"), told(err)) == evaluated
        page = (tmp_path / "page.html").read_text()
        assert f"{workers} worker{'s' if workers > 1 else ''} on a cluster" in page and "001" in page

    def test_a_worker_is_killed(self, address, clean, evaluated):
        process = start_eval(clean, "--cluster", address, "--json", "-", "--csv", "killed.csv")
        until = time.monotonic() + 120
        while not (pids := workers_that_measure()) and time.monotonic() < until:
            time.sleep(0.1)
        os.kill(pids[0], signal.SIGKILL)
        code, out, err = finish_eval(process)
        assert code == 1, err
        assert (figures(out), measured(clean / "killed.csv")) == evaluated[:2]


def start_eval(folder, *words):
    return command("eval", "pictures", "-t", "jpeg", "-l", "10,40", *SAME_BYTES, *words, cwd=folder)


def finish_eval(process):
    out, err = process.communicate(timeout=300)
    return process.returncode, out.decode(), err.decode()


def figures(out):
    """The document without its times."""
    document = json.loads(out)
    for result in document["results"]:
        for row in (result, *result["pictures"]):
            del row["seconds"]
    return document


def measured(path):
    """The lines of a CSV file without their times."""
    lines = list(csv.DictReader(path.open()))
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def told(err):
    return sorted(line for line in err.splitlines() if line.startswith("magn: "))


def workers_that_measure():
    """The processes of all such actors on this machine."""
    lines = ((process.pid, process.info["cmdline"]) for process in psutil.process_iter(["cmdline"]))
    return [pid for pid, line in lines if line and line[0].startswith("ray::MeasuringWorker")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(photos, plain, tmp_path, number):
    """A cluster of its own; Ctrl-C in a terminal reaches all processes of the group. None is left."""
    out = tmp_path / "out"
    process = start(photos, out, "--cluster", "local", "--workers", 2, start_new_session=True)
    wait_for(process, 3)
    children = psutil.Process(process.pid).children(recursive=True)
    assert any("raylet" in child.name() for child in children)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    events, err = finish(process)
    assert process.returncode == 130, err
    assert "interrupted after" in err and "run the same command again to resume" in err and "Traceback" not in err
    assert all(ends(child.pid) for child in children)
    made = content(out)
    assert all(data == plain[name] for name, data in made.items())
    assert events[-1]["done"] >= 0 and events[-1]["event"] == "summary" and events[-1]["exit_code"] == 130
    again, _ = finish(start(photos, out, "--dry-run"))
    assert sum(event["event"] == "kept" for event in again) == len(made)
