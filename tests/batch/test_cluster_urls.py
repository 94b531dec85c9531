"""Two real nodes of Ray and a real S3 server: what a run on the local disk makes, and no secret in any log."""

import json
import os
import signal
from pathlib import Path

import pytest

from magn_cli import batch, degrade
from magn_cli.batch.cluster import ClusterSettings, degrading, measuring
from magn_cli.evaluation import Request, evaluate
from magn_cli.evaluation.report import as_document
from magn_cli.files import named
from tests.support.cluster import planned, running, two_nodes
from tests.support.folders import command, content, picture, restore, small_photos

pytest.importorskip("ray")
pytest.importorskip("s3fs")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Ray calls its clusters on Windows a beta"),
]

SECRETS = (b"testing-key-id", b"testing-secret-key", b"testing-token-123", b"ignature=")


@pytest.fixture(scope="module")
def address(object_store):
    """Nodes with the credentials in their environment, where the driver of s3:// looks for them."""
    with two_nodes() as address:
        yield address


@pytest.fixture
def photos(tmp_path, bucket):
    """Thirty pictures, here and in the bucket below ``in``."""
    for number in range(30):
        name = f"{'sub/' if number % 3 == 0 else ''}{number:03}.png"
        bucket.put(f"in/{name}", picture(tmp_path / "photos" / name, 20 + number).read_bytes())
    return tmp_path / "photos"


def logs_of_ray():
    """Everything that Ray has written to the logs of the running cluster."""
    import ray

    folder = Path(ray._private.worker._global_node.get_session_dir_path()) / "logs"
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def all_of(bucket, prefix):
    return {name: bucket.get(f"{prefix}/{name}") for name in bucket.keys(prefix)}


def test_restored_although_a_worker_is_killed(address, bucket, photos, tmp_path, caplog):
    """From a bucket to a bucket; the same command then finds all of it."""
    restore(photos, tmp_path / "plain", recursive=True)
    plan = planned(batch, bucket.url("in"), named(bucket.url("out")), recursive=True)
    killed = []

    def kill(event):
        if isinstance(event, batch.Done) and not killed:
            killed.append(event.worker)
            os.kill(int(event.worker.partition("/")[2]), signal.SIGKILL)

    with running(plan, address) as run:
        events, untried = run(kill)
        logs = logs_of_ray()
    done = [event for event in events if isinstance(event, batch.Done)]
    assert killed and untried == 0 and len(done) == 30 and len({event.worker for event in done}) >= 2
    assert all_of(bucket, "out") == content(tmp_path / "plain")
    assert logs and not any(secret in logs + caplog.text.encode() for secret in SECRETS)
    again = batch.plan([bucket.url("in")], named(bucket.url("out")), settings=plan.settings, recursive=True)
    assert len(again.kept) == 30 and not again.jobs and not again.refusals


def test_a_signed_address_reaches_the_workers_and_no_log(address, bucket, photos, tmp_path):
    signed = bucket.fs.sign(f"{bucket.name}/in/001.png", expiration=600)
    assert "ignature=" in signed
    plan = planned(batch, signed, named(bucket.url("one.png")))
    with running(plan, address) as run:
        (event,) = [event for event in run()[0] if not isinstance(event, batch.Working)]
        logs = logs_of_ray()
    assert isinstance(event, batch.Done)
    restore(photos / "001.png", tmp_path / "one.png")
    assert bucket.get("one.png") == (tmp_path / "one.png").read_bytes()
    assert logs and not any(secret in logs for secret in SECRETS)


def test_a_degraded_set(address, bucket, photos, tmp_path):
    recipe = degrade.DegradeRecipe("jpeg")
    degrade.run(degrade.plan(photos, tmp_path / "plain", recipe, (10, 40)))
    plan = degrade.plan(named(bucket.url("in")), named(bucket.url("set")), recipe, (10, 40))
    done = []
    assert degrading.run(plan, ClusterSettings(address, 2, device="cpu"), done.append) == 0
    assert len(done) == 30 and not any(outcome.error for outcome in done)
    assert all_of(bucket, "set") == content(tmp_path / "plain")


def test_figures(address, bucket, photos):
    """Those of the disk, without a network."""
    asked = {"task": "jpeg", "levels": (10, 40), "network": None}
    here = evaluate(Request(clean=photos, **asked))
    with measuring.OnCluster(ClusterSettings(address, 2, device="cpu")) as place:
        there = evaluate(Request(clean=named(bucket.url("in")), **asked), place)
        for one, other in zip(here, there, strict=True):
            assert (one.name, one.failures) == (other.name, other.failures) and not other.pixels
    documents = [as_document(found.results) for found in (here, there)]
    for document in documents:
        for result in document["results"]:
            assert result.pop("set") in ("photos", "in")
            for row in (result, *result["pictures"]):
                del row["seconds"]
    assert documents[0] == documents[1]


def test_the_command(bucket, tmp_path):
    """From a bucket to a bucket on ``--cluster local``: bytes of a plain run, and nothing secret is said."""
    (tmp_path / "photos").mkdir()
    small_photos(tmp_path / "photos", 8)
    for name, data in content(tmp_path / "photos").items():
        bucket.put(f"in/{name}", data)
    line = (
        "-r",
        "-t",
        "jpeg",
        "--tile",
        64,
        "--threads",
        1,
        "--precision",
        "fp32",
        "--device",
        "cpu",
        "--log-json",
    )
    there = ("--out", bucket.url("out"), "--cluster", "local", "--workers", 2, "--verbose")
    out, err = command("restore", bucket.url("in"), *line, *there).communicate(timeout=500)
    events = [json.loads(text) for text in out.splitlines()]
    assert events[-1]["done"] == 8 and events[-1]["exit_code"] == 0, err
    assert not any(secret in out + err for secret in SECRETS)
    assert command("restore", tmp_path / "photos", "--out", tmp_path / "plain", *line).wait(500) == 0
    assert all_of(bucket, "out") == content(tmp_path / "plain")
