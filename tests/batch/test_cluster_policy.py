"""How the driver hands out pictures: a real worker in this process, in front of a pool without Ray."""

from collections import deque

import pytest

from magn_cli import batch
from magn_cli.batch.cluster import pipeline
from magn_cli.batch.cluster.landmarks import Landmarks
from magn_cli.batch.cluster.messages import Refused, RestoreSetup
from magn_cli.batch.cluster.pool import Answered, Lost, PoolWorker
from magn_cli.batch.cluster.worker import Worker
from magn_cli.batch.files import Folders
from magn_cli.files import LOCAL, named, store_of
from magn_cli.images import WriteOptions
from tests.support.cluster import FakeLoader, planned
from tests.support.folders import content, picture, restore, tree


class Actor:
    """Calls to its worker are dropped, as those of ``drop`` are not waited for."""

    def __init__(self, worker):
        self.drop = self
        self.remote = worker.drop


class FakePool:
    """Does one call at a time, the oldest first. ``kill`` is asked before each, and may kill the worker."""

    def __init__(self, plan, workers=2, kill=lambda method, task: False):
        setup = RestoreSetup(loader=FakeLoader, level="auto", options=WriteOptions())
        self.real = Worker(setup)
        self.real._network = FakeLoader().load()
        self.kill, self.calls, self.seen = kill, deque(), []
        self.workers = [self.hire(n) for n in range(workers)]

    def hire(self, number):
        return PoolWorker(Actor(self.real), f"worker/{number}", is_ready=True)

    def expect(self, landmarks):
        assert landmarks.difference("worker", self.real.see(landmarks.paths)) is None

    def call(self, worker, method, task, *args):
        self.calls.append((worker, method, task, args))
        self.seen.append([[p.job.source.name for p in w.tasks] for w in self.workers])

    def wait(self):
        worker, method, task, args = self.calls.popleft()
        if self.kill(method, task):
            self.workers.remove(worker)
            self.workers.append(self.hire(len(self.seen)))
            self.calls = deque(call for call in self.calls if call[0] is not worker)
            yield Lost(worker, "its process ended")
        else:
            yield Answered(worker, task, getattr(self.real, method)(*args))


@pytest.fixture
def photos(tmp_path):
    for number in range(12):
        picture(tmp_path / f"photos/{number:02}.png", 20 + number)
    return tmp_path / "photos"


def run(plan, pool, **options):
    events = []
    with Folders(plan) as folders:
        untried = pipeline._Run(plan, pool, events.append, folders, options.get("stop_on_error", False)).go()
    return [event for event in events if not isinstance(event, batch.Working)], untried


def test_two_pictures_at_most(photos, tmp_path):
    plan = planned(batch, photos, tmp_path / "out")
    pool = FakePool(plan)
    events, untried = run(plan, pool)
    assert untried == 0 and len(events) == 12
    assert max(len(tasks) for seen in pool.seen for tasks in seen) == 2
    # The first two go to one worker each.
    assert pool.seen[1] == [["00.png"], ["01.png"]]
    restore(photos, tmp_path / "plain")
    assert content(tmp_path / "out") == content(tmp_path / "plain")


def test_large_pictures_go_alone(photos, tmp_path):
    plan = planned(batch, photos, tmp_path / "out")
    plan.megapixels = [50.0 if number == 4 else 1.0 for number in range(12)]
    pool = FakePool(plan)
    run(plan, pool)
    with_it = [tasks for seen in pool.seen for tasks in seen if "04.png" in tasks]
    assert with_it and all(tasks == ["04.png"] for tasks in with_it)


def test_who_was_in_company_of_a_deadly_picture_is_not_blamed(photos, tmp_path):
    plan = planned(batch, photos, tmp_path / "out")
    pool = FakePool(plan, workers=1, kill=lambda method, task: task.job.source.name == "03.png")
    events, untried = run(plan, pool)
    (failed,) = [event for event in events if isinstance(event, batch.Failed)]
    assert failed.source.name == "03.png" and "set aside after 3 workers died with it" in str(failed.error)
    assert len(events) == 12 and untried == 0 and "03.png" not in tree(tmp_path / "out")


def test_a_result_that_a_lost_worker_has_written_is_not_made_again(photos, tmp_path):
    """The worker dies after the write, before its answer, and before the file has lost its temporary name."""
    plan = planned(batch, photos, tmp_path / "out")
    died = []

    def kill(method, task):
        if method == "write" and not died:
            died.append(task.job)
            pool.real.write(task.job)
            target = task.job.target
            target.with_name(f".{target.name}.0123456789ab.tmp").hardlink_to(target)
            return True
        return False

    pool = FakePool(plan, kill=kill)
    events, _ = run(plan, pool)
    assert sorted(event.job.source.name for event in events) == [f"{n:02}.png" for n in range(12)]
    assert tree(tmp_path / "out") == [f"{n:02}.png" for n in range(12)]
    restored = [task for call in pool.seen for tasks in call for task in tasks].count(died[0].source.name)
    assert restored and all(isinstance(event, batch.Done) for event in events)
    again = batch.plan([photos], tmp_path / "out", settings=plan.settings)
    assert len(again.kept) == 12


def test_a_worker_that_was_given_up_and_writes_late_harms_nothing(photos, tmp_path):
    """A second worker finds the same bytes under the name."""
    plan = planned(batch, photos, tmp_path / "out")
    (tmp_path / "out").mkdir()
    job = plan.jobs[0]
    pool = FakePool(plan)
    pool.real.restore(job)
    pool.real.write(job)
    pool.real.restore(job)
    assert isinstance(pool.real.write(job), Refused)
    pool.real.restore(job)
    assert not isinstance(pool.real.write(job, again=True), Refused)


def test_a_full_disk_ends_the_run(photos, tmp_path, monkeypatch):
    import errno

    plan = planned(batch, photos, tmp_path / "out")
    pool = FakePool(plan)
    write = LOCAL.write

    def full(path, data, **options):
        if path.name == "05.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data, **options)

    monkeypatch.setattr(type(LOCAL), "write", staticmethod(full))
    events, untried = run(plan, pool)
    failed = [event for event in events if isinstance(event, batch.Failed)]
    assert len(failed) == 1 and "disk is full" in str(failed[0].error)
    assert untried > 0 and len(events) + untried == 12
    assert len(tree(tmp_path / "out")) == len(events) - 1


def test_a_worker_that_cannot_reach_a_store_is_told_apart(tmp_path):
    """Its node has no credentials, or those of somebody else; files of a disk are not shared."""
    pytest.importorskip("fsspec")
    store = store_of([named("memory://x/a.png")])
    store.write(named(f"memory://{tmp_path.name}/a.png"), b"x")
    marks = Landmarks([named(f"memory://{tmp_path.name}/a.png")], store=store)
    assert marks.difference("worker", [store.status(path) for path in marks.paths]) is None
    for found, says in (("memory://x denies access", "denies access"), (None, "another file there, or none")):
        error = str(marks.difference("node/1", [found]))
        assert f"the worker node/1 cannot use memory://{tmp_path.name}/a.png as this machine can" in error
        assert says in error and "credentials" in error and error.endswith(".")
    here = Landmarks([picture(tmp_path / "a.png")])
    assert "all nodes share" in str(here.difference("node/1", ["Permission denied"]))


@pytest.mark.parametrize(
    "sizes, alone",
    [
        # Its worker would have the second large one when the other has nothing left.
        ([8, 1, 8], ["02.png"]),
        ([8, 1, 1, 1, 8], ["04.png"]),
        ([1, 1, 1, 1], []),
    ],
)
def test_no_picture_waits_where_another_worker_would_be_free_sooner(tmp_path, sizes, alone):
    for number in range(len(sizes)):
        picture(tmp_path / f"photos/{number:02}.png", 20 + number)
    plan = planned(batch, tmp_path / "photos", tmp_path / "out")
    plan.megapixels = [float(size) for size in sizes]
    pool = FakePool(plan)
    run(plan, pool)
    behind = {tasks[1] for seen in pool.seen for tasks in seen if len(tasks) == 2 and tasks[0] == "00.png"}
    assert not behind & set(alone)
    if not alone:
        assert behind
