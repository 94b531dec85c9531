"""A run on two real nodes of Ray: the same files as on one machine, one journal, and failures told alike."""

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from magn_cli import batch, degrade
from magn_cli.batch.cluster import ClusterSettings, degrading
from magn_cli.errors import ClusterError, ImageError
from magn_cli.files.local import LocalDisk
from tests.support.cluster import DEADLY, SLOW, FakeLoader, planned, running, two_nodes
from tests.support.folders import content, picture, restore, tree

pytest.importorskip("ray")
# To start two nodes takes ten seconds or more.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Ray calls its clusters on Windows a beta"),
]

DRIVER = os.getpid()


@pytest.fixture(scope="module")
def address():
    with two_nodes() as address:
        yield address


def photos(folder: Path, shades) -> Path:
    """Pictures of these shades, every third of them in a sub-folder."""
    for number, shade in enumerate(shades):
        picture(folder / ("sub" if number % 3 == 0 else "") / f"{number:03}.png", shade)
    return folder


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_faults_of_pictures_and_of_workers(address, tmp_path):
    """One picture kills its workers, one is broken: both are named, the others are as on one machine."""
    source = photos(tmp_path / "photos", range(20, 50))
    picture(source / "deadly.png", DEADLY)
    (source / "broken.png").write_bytes(b"x")
    good = photos(tmp_path / "good", range(20, 50))
    restore(good, tmp_path / "plain", recursive=True)
    plan = planned(batch, source, tmp_path / "out", recursive=True)
    with running(plan, address) as run:
        events, untried = run()
    assert untried == 0 and len(of(batch.Done, events)) == 30
    assert content(tmp_path / "out") == content(tmp_path / "plain")
    failures = {event.source.name: event for event in of(batch.Failed, events)}
    assert set(failures) == {"deadly.png", "broken.png"}
    deadly = str(failures["deadly.png"].error)
    assert deadly.startswith(f"{source / 'deadly.png'} was set aside after 3 workers died with it")
    assert "contains no" in str(failures["broken.png"].error)
    # No other picture got the blame, and each was done once.
    assert len({event.job for event in of(batch.Done, events)}) == 30
    assert all(event.worker for event in of((batch.Done, batch.Failed), events))
    # The same command on one machine finds all of it in the journal.
    again = batch.plan([source], tmp_path / "out", settings=plan.settings, recursive=True)
    assert len(again.kept) == 30 and len(again.jobs) == 2 and not again.refusals


def test_a_slow_picture_holds_up_no_other(address, tmp_path):
    """Two workers: the one that is free does all others meanwhile, but for one that is read ahead."""
    source = photos(tmp_path / "photos", [SLOW, *range(20, 40)])
    plan = planned(batch, source, tmp_path / "out", recursive=True)
    done = []

    def open_gate(event):
        if isinstance(event, batch.Done):
            done.append(event.job.source.name)
        if len(done) == 19:
            (tmp_path / "gate").touch()

    with running(plan, address, loader=partial(FakeLoader, tmp_path / "gate")) as run:
        run(open_gate)
    assert len(done) == 21 and "000.png" in done[19:]


def test_stops_at_the_first_failure(address, tmp_path):
    source = photos(tmp_path / "photos", range(20, 40))
    (source / "000.png").write_bytes(b"x")
    plan = planned(batch, source, tmp_path / "out", recursive=True)
    with running(plan, address) as run:
        events, untried = run(stop_on_error=True)
    assert len(of(batch.Failed, events)) == 1
    assert len(of(batch.Done, events)) + 1 + untried == plan.total == 21
    assert len(tree(tmp_path / "out")) == len(of(batch.Done, events)) < 19


def test_an_output_that_appears_meanwhile_is_not_replaced(address, tmp_path):
    source = photos(tmp_path / "photos", [30])
    plan = planned(batch, source, tmp_path / "out", recursive=True)
    target = plan.jobs[0].target
    with running(plan, address) as run:
        target.parent.mkdir(parents=True)
        target.write_bytes(b"mine")
        events, _ = run()
    (failed,) = of(batch.Failed, events)
    assert "exists already" in str(failed.error) and target.read_bytes() == b"mine"


def test_a_degraded_set(address, tmp_path):
    """The bytes and the manifest of a plain run, although a worker is killed."""
    source, recipe = photos(tmp_path / "photos", range(20, 40)), degrade.DegradeRecipe("jpeg")
    degrade.run(degrade.plan(source, tmp_path / "plain", recipe, (10, 40)))
    pids, done = [], []

    def report(outcome):
        done.append(outcome)
        if len(done) == 5:
            pids.extend(workers_that_degrade())
            os.kill(pids[0], signal.SIGKILL)

    plan = degrade.plan(source, tmp_path / "out", recipe, (10, 40))
    degrading.run(plan, ClusterSettings(address, 2, device="cpu"), report)
    assert len(done) == 20 and not any(outcome.error for outcome in done) and pids
    assert content(tmp_path / "out") == content(tmp_path / "plain")


def workers_that_degrade():
    """The processes of all such actors on this machine."""
    lines = ((process.pid, process.info["cmdline"]) for process in psutil.process_iter(["cmdline"]))
    return [pid for pid, line in lines if line and line[0].startswith("ray::DegradingWorker")]


class TestDifferentWorkers:
    """What differs between the machines is told before anything is written."""

    @pytest.fixture
    def plan(self, tmp_path):
        return planned(batch, photos(tmp_path / "photos", [30, 31]), tmp_path / "out", recursive=True)

    def test_another_version(self, address, plan, tmp_path, monkeypatch):
        monkeypatch.setattr("magn_cli.batch.cluster.pool.__version__", "9.9.9")
        with pytest.raises(ClusterError, match=r"the worker \S+/\d+ has magn 0\.\S+, and this machine 9\.9\.9"):
            running(plan, address).__enter__()
        assert not (tmp_path / "out").exists()

    def test_other_weights(self, address, plan, tmp_path):
        with pytest.raises(ClusterError, match=r"other weights for jpeg \(sha256 none\) than"):
            running(plan, address, weights={"jpeg": "a" * 64}).__enter__()
        assert not (tmp_path / "out").exists()

    def test_another_disk(self, address, tmp_path):
        source = photos(tmp_path / "photos", [30, 31])
        plan = planned(batch, source, tmp_path / "out", recursive=True, store=DriversDisk())
        with (
            running(plan, address) as run,
            pytest.raises(ClusterError, match="use a file system that all nodes share"),
        ):
            run()
        assert tree(tmp_path / "out") == []

    def test_a_network_that_cannot_be_loaded(self, address, plan):
        with pytest.raises(ImageError, match=r"on the worker \S+/\d+: no network today"):
            running(plan, address, loader=_broken).__enter__()

    def test_no_room(self, address, plan):
        with pytest.raises(ClusterError, match="no node of the cluster has 2 cores"):
            running(plan, address, threads=2).__enter__()

    def test_no_gpu(self, address, plan):
        with pytest.raises(ClusterError, match="the cluster has no GPU"):
            running(plan, address, device="cuda").__enter__()


class DriversDisk(LocalDisk):
    """Shows its files to one process only."""

    def __init__(self):
        self.owner = DRIVER

    def status(self, path):
        return super().status(path) if os.getpid() == self.owner else None


def _broken(**settings):
    raise ImageError("no network today.")


def test_workers_killed_at_random(address, tmp_path):
    """Each of 300 results is there once, with the bytes of a plain run."""
    chance = random.Random(0)
    source = photos(tmp_path / "photos", [20 + number % 50 for number in range(300)])
    restore(source, tmp_path / "plain", recursive=True)
    plan = planned(batch, source, tmp_path / "out", recursive=True)
    killed = set()

    def kill(event):
        is_done = isinstance(event, batch.Done) and event.worker not in killed and len(killed) < 6
        if is_done and chance.random() < 0.05:
            killed.add(event.worker)
            time.sleep(chance.random() * 0.05)
            os.kill(int(event.worker.partition("/")[2]), signal.SIGKILL)

    with running(plan, address) as run:
        events, untried = run(kill)
    assert len(killed) >= 3 and untried == 0 and not of(batch.Failed, events)
    assert len(of(batch.Done, events)) == len({event.job for event in of(batch.Done, events)}) == 300
    assert content(tmp_path / "out") == content(tmp_path / "plain")
