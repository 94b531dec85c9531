"""``magn degrade`` and ``magn eval`` on URLs: the bytes and figures of the local disk."""

import csv
import io
import json

import pytest
from PIL import Image

from magn_cli import degrade
from tests.support.commands import magn, refused
from tests.support.folders import content, picture
from tests.support.object_store import png

LEVELS = ("--task", "jpeg", "--level", "10,40")


@pytest.fixture
def photos(tmp_path, otter):
    """Two clean photos, one of them in a sub-folder."""
    for name, part in (("a.png", otter[:48, :64]), ("sub/b.png", otter[40:88, 60:124])):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(part).save(path)
    return tmp_path / "photos"


@pytest.fixture
def plain(photos, tmp_path):
    """The set that is made of them on the disk."""
    degrade.run(degrade.plan(photos, tmp_path / "plain", degrade.DegradeRecipe("jpeg"), (10, 40)))
    return content(tmp_path / "plain")


class Memory:
    """The same as a bucket, in the memory of this process."""

    def __init__(self, name):
        import fsspec

        self.fs, self.name = fsspec.filesystem("memory"), name
        self.fs.mkdir(f"/{name}")

    def url(self, key=""):
        return f"memory://{self.name}/{key}"

    def put(self, key, data):
        self.fs.pipe_file(f"/{self.name}/{key}", data)

    def get(self, key):
        return self.fs.cat_file(f"/{self.name}/{key}")

    def keys(self, prefix):
        root = f"/{self.name}/{prefix}/"
        return sorted(name.removeprefix(root) for name in self.fs.find(root))


@pytest.fixture(params=["s3", "memory"])
def place(request, tmp_path):
    """A bucket, or the memory of this process."""
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    pytest.importorskip("fsspec")
    return Memory(tmp_path.name)


def put_all(place, folder, prefix):
    for name, data in content(folder).items():
        place.put(f"{prefix}/{name}", data)


def all_of(place, prefix):
    return {name: place.get(f"{prefix}/{name}") for name in place.keys(prefix)}


def test_a_set_is_made_kept_and_completed(place, photos, plain):
    put_all(place, photos, "photos")
    line = ("degrade", place.url("photos"), *LEVELS, "--out", place.url("set"))
    done = magn(*line)
    assert done.exit_code == 0 and "4 made" in done.stderr, done.output
    assert all_of(place, "set") == plain
    assert "4 already there" in magn(*line).stderr
    place.fs.rm_file(f"{'/' if isinstance(place, Memory) else ''}{place.name}/set/jpeg-10/a.jpg")
    assert "1 made, 3 already there" in magn(*line).stderr
    assert all_of(place, "set") == plain
    place.put("set/jpeg-10/a.jpg", b"of somebody else")
    refused(magn(*line), 2, "jpeg-10/a.jpg exists and is not what magn would write")
    assert place.get("set/jpeg-10/a.jpg") == b"of somebody else"
    refused(magn(*line, "--gray", "luma"), 2, "contains a set made with")
    assert magn(*line, "--overwrite").exit_code == 0 and all_of(place, "set") == plain


def test_a_run_that_was_killed_before_its_manifest(place, photos, plain):
    """Its results are recognized by making them once more."""
    put_all(place, photos, "photos")
    place.put("set/jpeg-10/a.jpg", plain["jpeg-10/a.jpg"])
    done = magn("degrade", place.url("photos"), *LEVELS, "--out", place.url("set"))
    assert done.exit_code == 0 and "3 made, 1 already there" in done.stderr, done.output
    assert all_of(place, "set") == plain


def test_from_here_to_there_and_back(place, photos, plain, tmp_path):
    assert magn("degrade", photos, *LEVELS, "--out", place.url("set")).exit_code == 0
    assert all_of(place, "set") == plain
    put_all(place, photos, "photos")
    assert magn("degrade", place.url("photos"), *LEVELS, "--out", tmp_path / "here").exit_code == 0
    assert content(tmp_path / "here") == plain
    one = ("degrade", place.url("photos/a.png"), *LEVELS, "--out", place.url("one"))
    assert magn(*one).exit_code == 0 and place.get("one/jpeg-40/a.jpg") == plain["jpeg-40/a.jpg"]


def figures(result):
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    for found in document["results"]:
        for row in (found, *found["pictures"]):
            del row["seconds"]
    return document


def test_the_figures_of_the_disk(place, photos, plain, tmp_path):
    """On the fly, of a set with a manifest, and of two folders."""
    put_all(place, photos, "photos")
    put_all(place, tmp_path / "plain", "set")
    put_all(place, tmp_path / "plain/jpeg-10", "bad")
    for here, there in (
        (LEVELS, LEVELS),
        (("--degraded", tmp_path / "plain"), ("--degraded", place.url("set"))),
        (
            ("--degraded", tmp_path / "plain/jpeg-10", "--task", "jpeg"),
            ("--degraded", place.url("bad"), "--task", "jpeg"),
        ),
    ):
        more = ("--baselines-only", "--json", "-")
        assert figures(magn("eval", place.url("photos"), *there, *more)) == figures(
            magn("eval", photos, *here, *more)
        )


def test_reports_are_written_to_the_store(place, photos, tmp_path):
    put_all(place, photos, "photos")
    kinds = {"json": "r.json", "csv": "r.csv", "markdown": "r.md", "html": "r.html"}
    words = [word for kind, name in kinds.items() for word in (f"--{kind}", place.url(f"reports/{name}"))]
    line = ("eval", place.url("photos"), *LEVELS, "--baselines-only", *words)
    done = magn(*line)
    assert done.exit_code == 0, done.output
    assert len(json.loads(place.get("reports/r.json"))["results"]) == 2
    assert len(list(csv.reader(io.StringIO(place.get("reports/r.csv").decode())))) == 5
    assert b"protocol paper" in place.get("reports/r.md") and b"<html" in place.get("reports/r.html")
    refused(magn(*line), 2, "r.json already exists")
    assert magn(*line, "--overwrite").exit_code == 0


def test_a_picture_without_a_partner_is_named(place, photos, plain, tmp_path):
    put_all(place, tmp_path / "plain", "set")
    place.put("photos/a.png", (photos / "a.png").read_bytes())
    done = magn("eval", place.url("photos"), "--degraded", place.url("set"), "--baselines-only")
    assert done.exit_code == 1 and f"{place.url('photos/sub/b.png')} does not exist" in done.stderr


def test_each_store_is_listed_once(bucket, photos):
    put_all(bucket, photos, "photos")
    bucket.store.requests.clear()
    assert magn("degrade", bucket.url("photos"), *LEVELS, "--out", bucket.url("set")).exit_code == 0
    assert bucket.lists() == {"photos/": 1, "set/": 1}
    gets = [path for method, path, query in bucket.store.requests if method == "GET" and "list-type" not in query]
    assert sum(path.endswith(".png") for path in gets) == 2


def test_names_that_are_no_paths_are_refused(bucket):
    """To leave a picture out would change a mean unnoticed."""
    bucket.put("in/a.png", png(1))
    bucket.put("in/x//b.png", png(1))
    for line in (("degrade", "--out", bucket.url("set")), ("eval",)):
        done = magn(line[0], bucket.url("in"), *LEVELS, *line[1:])
        refused(done, 1, "x//b.png", "cannot be used as a path", "rename it")


@pytest.mark.parametrize(
    "words, code, says",
    [
        (("degrade", "s3://{}-none/in", "--out", "set"), 1, "there is no bucket"),
        (("degrade", "s3://{}/none", "--out", "set"), 1, "does not exist"),
        (("degrade", "s3://{}/in", "--out", "s3://{}-none/set"), 1, "there is no bucket"),
        (("degrade", "s3://{}/in", "--out", "s3://{}/in/set"), 2, "is inside"),
        (("degrade", "s3://{}/in", "--out", "https://host/set"), 2, "read-only"),
        (("degrade", "s3://{}/in", "--out", "s3://{}/in/a.png"), 2, "is a file"),
        (("eval", "s3://{}-none/in"), 1, "there is no bucket"),
        (("eval", "s3://{}/none"), 1, "does not exist"),
        (("eval", "s3://{}/in", "--degraded", "s3://{}/none"), 1, "does not exist"),
        (("eval", "s3://{}/in", "--json", "s3://{}-none/x.json"), 1, "there is no bucket"),
        (("eval", "s3://{}/in", "--csv", "https://host/x.csv"), 2, "read-only"),
        (("eval", "s3://{}/in", "--html", "s3://{}/x.html", "--link-images"), 2, "omit --link-images"),
        (("eval", "--set", "Set12", "--data", "s3://{}/data"), 2, "is a URL"),
    ],
)
def test_what_cannot_be_reached_is_told_before_any_work(bucket, words, code, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bucket.put("in/a.png", png(1))
    given = [word.replace("{}", bucket.name) for word in words]
    given += [] if "--set" in given else ["--task", "jpeg", "--level", "10"]
    refused(magn(*given), code, says)


def test_no_permission_and_a_store_that_does_not_answer(bucket, hurry, tmp_path):
    picture(tmp_path / "photos/a.png")
    line = ("degrade", tmp_path / "photos", "--task", "jpeg", "--level", "10", "--out", bucket.url("set"))
    for fault, says in (("denied", "denies access"), ("cut", "does not answer"), ("expired", "have expired")):
        bucket.store.fault = lambda method, path, fault=fault: fault if method == "PUT" else None
        done = magn(*line)
        assert done.exit_code == 1 and says in done.stderr and "testing-" not in done.output, done.output
        bucket.store.fault = lambda method, path, fault=fault: fault
        refused(magn("eval", bucket.url("in"), *LEVELS), 1, says)
    bucket.store.fault = lambda method, path: None
    assert magn(*line).exit_code == 0


def test_a_store_that_is_lost_ends_the_run(bucket, hurry, photos):
    """Each further picture would take a minute; the same command goes on."""
    put_all(bucket, photos, "photos")
    for number in range(3):
        bucket.put(f"photos/z{number}.png", png(number, (48, 64)))
    bucket.store.fault = lambda method, path: "cut" if method == "GET" and path.endswith("b.png") else None
    line = ("degrade", bucket.url("photos"), *LEVELS, "--out", bucket.url("set"))
    done = magn(*line)
    assert done.exit_code == 1 and "does not answer" in done.stderr, done.output
    assert "3 pictures were not tried" in done.stderr
    # Whatever was made is in the manifest.
    made = [name for name in bucket.keys("set") if name != "manifest.json"]
    listed = json.loads(bucket.get("set/manifest.json"))["pictures"]
    assert "jpeg-10/a.jpg" in made and sorted(one["result"] for one in listed) == made
    line = ("eval", bucket.url("photos"), *LEVELS, "--baselines-only", "--json", "-")
    done = magn(*line)
    assert done.exit_code == 1 and "8 pictures were not tried" in done.stderr
    assert [len(found["pictures"]) for found in json.loads(done.stdout)["results"]] == [1]
    bucket.store.fault = lambda method, path: None
    assert magn(*line).exit_code == 0
