"""`magn weights` and the Hub: the real client, in processes of its own, at a stand-in for the Hub on loopback."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from magn_cli.weights import registry
from tests.support.fake_hub import USER, FakeHub, environment, sha256

REPO = f"{USER}/magn-weights"
JPEG = registry.find("jpeg", "magn-s").path.read_bytes()
FILE = "mine.safetensors"


@pytest.fixture
def hub():
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


class User:
    """A user with a separate home folder and access to a hub."""

    def __init__(self, hub, home):
        self.hub, self.home = hub, home
        self.registry = home / "weights" / "weights.toml"
        self.registry.parent.mkdir(parents=True)

    def knows(self, commit, content=JPEG, **more):
        """Write a registry of one checkpoint on the Hub."""
        values = {
            "task": "jpeg", "preset": "mine", "repo_id": REPO, "revision": commit, "filename": FILE,
            "sha256": sha256(content), "size": len(content), **more,
        }  # fmt: skip
        self.registry.write_text(registry.as_toml(values))

    def begins(self, *words, **more):
        env = environment(self.hub, self.home, **{"MAGN_WEIGHTS": str(self.registry.parent), **more})
        command = [sys.executable, "-m", "magn_cli", *map(str, words)]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def runs(self, *words, **more):
        process = self.begins(*words, **more)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def pulls(self, **more):
        return self.runs("weights", "pull", "--task", "jpeg", "--preset", "mine", **more)


@pytest.fixture
def user(hub, home):
    return User(hub, home)


def got(result):
    """The bytes of the file whose path a command printed."""
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip()).read_bytes()


def refused(result, *words):
    assert result.returncode == 3, (result.returncode, result.stderr)
    assert not result.stdout and "Traceback" not in result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("magn: ") and last.endswith(".")
    for word in words:
        assert str(word) in last, last


def test_a_pinned_commit_is_downloaded_once_and_then_found_offline(user, hub):
    user.knows(hub.add(REPO, FILE, JPEG))
    hub.add(REPO, FILE, b"something newer")
    refused(user.runs("weights", "path", "--task", "jpeg", "--preset", "mine"), "magn weights pull")
    assert got(user.pulls()) == JPEG
    asked = len(hub.requests)
    assert got(user.pulls()) == JPEG and len(hub.requests) == asked
    offline = {"HF_HUB_OFFLINE": "1"}
    assert got(user.runs("weights", "path", "--task", "jpeg", "--preset", "mine", **offline)) == JPEG
    listed = user.runs("weights", "list", **offline)
    assert "cached" in listed.stdout and len(hub.requests) == asked


def test_restore_downloads_what_it_needs_and_tells_where_from(user, hub, otter, tmp_path):
    commit = hub.add(REPO, FILE, JPEG)
    user.knows(commit)
    Image.fromarray(otter[:40, :48]).save(tmp_path / "a.jpg", quality=20)
    results = []
    for words, where in (
        (("--preset", "mine"), "from the Hub"),
        (("--weights", f"hf://{REPO}/{FILE}@{commit}"), "cached"),
        (("--preset", "magn-s"), "bundled"),
    ):
        out = tmp_path / f"{len(results)}.png"
        done = user.runs("restore", tmp_path / "a.jpg", "--task", "jpeg", *words, "--out", out, "--verbose")
        assert done.returncode == 0, done.stderr
        assert where in done.stderr
        results.append(out.read_bytes())
    assert results[0] == results[1] == results[2]


def test_the_bundled_weights_need_neither_network_nor_home(user, hub, otter, tmp_path):
    Image.fromarray(otter[:40, :48]).save(tmp_path / "a.jpg", quality=20)
    (tmp_path / "file").write_text("")
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HOME"), str(tmp_path / "file" / "x"))
    words = ("restore", tmp_path / "a.jpg", "--task", "jpeg")
    done = user.runs(*words, HF_HUB_OFFLINE="1", MAGN_WEIGHTS="", **nowhere)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a_restored.png").exists() and not hub.requests


def test_offline_without_a_cache(user, hub):
    user.knows(hub.add(REPO, FILE, JPEG))
    refused(user.pulls(HF_HUB_OFFLINE="1"), "HF_HUB_OFFLINE", "--weights")
    assert not hub.requests


def test_a_file_put_beside_the_registry_is_used(user, hub):
    user.knows(hub.add(REPO, FILE, JPEG))
    (user.registry.parent / FILE).write_bytes(JPEG)
    assert got(user.pulls(HF_HUB_OFFLINE="1")) == JPEG
    (user.registry.parent / FILE).write_bytes(JPEG[:-1])
    told = user.pulls()
    assert got(told) == JPEG and "looking for another file" in told.stderr


def test_another_content_than_registered_is_refused_and_mended_by_a_second_pull(user, hub):
    user.knows(hub.add(REPO, FILE, JPEG))
    hub.corrupt(REPO, FILE)
    refused(user.pulls(), sha256(JPEG), "do not use the repository")
    refused(user.pulls(HF_HUB_OFFLINE="1"), "is damaged", "HF_HUB_OFFLINE")
    refused(user.runs("weights", "path", "--task", "jpeg", "--preset", "mine"), "magn weights pull")
    user.knows(hub.add(REPO, "other.safetensors", JPEG), filename="other.safetensors")
    assert got(user.pulls()) == JPEG
    cached = user.runs("weights", "path", "--task", "jpeg", "--preset", "mine").stdout.strip()
    Path(cached).write_bytes(JPEG[:-1] + bytes([JPEG[-1] ^ 1]))
    assert got(user.pulls()) == JPEG


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"revision": "f" * 40}, ["the revision does not exist"]),
        ({"repo_id": f"{USER}/nothing"}, ["the repository", "does not exist", "HF_TOKEN"]),
        ({"filename": "nothing.safetensors"}, ["the repository has no such file"]),
    ],
)
def test_what_is_not_there(user, hub, change, words):
    user.knows(hub.add(REPO, FILE, JPEG), **change)
    refused(user.pulls(), *words)


@pytest.mark.parametrize(
    ("status", "where", "words"),
    [(403, "", ["log in", "HF_TOKEN"]), (503, "/cdn/", ["has a problem", "503"])],
)
def test_a_hub_that_refuses(user, hub, status, where, words):
    user.knows(hub.add(REPO, FILE, JPEG))
    hub.fail_next(99, status, where)
    refused(user.pulls(), *words)


def test_a_hub_in_trouble_for_a_moment(user, hub):
    user.knows(hub.add(REPO, FILE, JPEG))
    hub.fail_next(1, 503)
    hub.fail_next(1, 429, "/cdn/")
    assert got(user.pulls()) == JPEG


def test_a_connection_that_breaks_is_taken_up_again(user, hub):
    user.knows(hub.add(REPO, FILE, JPEG))
    hub.cut_next(2, 1_000_000)
    assert got(user.pulls()) == JPEG
    # The client keeps what came in whole pieces of 10 MiB; the paper's network is about as large.
    large = bytes(25 << 20)
    user.knows(hub.add(REPO, "large.safetensors", large), large, filename="large.safetensors")
    hub.cut_next(1, 12 << 20)
    assert got(user.pulls()) == large
    assert any("range" in request.headers for request in hub.requests)


def test_a_connection_that_always_breaks(user, hub):
    user.knows(hub.add(REPO, FILE, JPEG))
    hub.cut_next(99, 100_000, reset=True)
    refused(user.pulls(), "check the connection")
    assert not list(user.home.rglob(FILE))


def test_a_mirror_that_is_not_there(user, hub):
    user.knows(hub.add(REPO, FILE, JPEG))
    words = ("weights", "pull", "--task", "jpeg", "--preset", "mine")
    refused(user.runs(*words, HF_ENDPOINT="http://127.0.0.1:1", HF_HUB_ETAG_TIMEOUT="1"), "cannot be reached")


def test_two_at_once(user, hub):
    user.knows(hub.add(REPO, FILE, JPEG))
    words = ("weights", "pull", "--task", "jpeg", "--preset", "mine")
    both = [user.begins(*words) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert got(subprocess.CompletedProcess(words, process.returncode, out, err)) == JPEG


def test_what_one_pushes_another_pulls(user, hub, tmp_path):
    hub.token = "hf_right"
    path = tmp_path / FILE
    path.write_bytes(JPEG)
    refused(user.runs("weights", "push", path, REPO), "log in")
    pushed = user.runs("weights", "push", path, REPO, HF_TOKEN="hf_right")
    assert pushed.returncode == 0, pushed.stderr
    assert 'preset = "magn-weights"' in pushed.stdout
    files = hub.files(REPO)
    assert files[FILE] == JPEG
    card = files["README.md"].decode()
    assert card.startswith("---\n") and "license: cc-by-sa-4.0" in card and "--weights mine.safetensors" in card
    entry = tomllib.loads(pushed.stdout)["checkpoint"][0]
    assert entry["sha256"] == sha256(JPEG) and len(entry["revision"]) == 40
    other = User(hub, tmp_path / "other")
    other.registry.write_text(pushed.stdout)
    assert got(other.runs("weights", "pull", "--task", "jpeg", "--preset", "magn-weights")) == JPEG
    # What somebody wrote there stays, unless they say otherwise.
    hub.add(REPO, "README.md", b"mine")
    again = user.runs("weights", "push", path, REPO, HF_TOKEN="hf_right")
    assert again.returncode == 0 and "is kept" in again.stderr and hub.files(REPO)["README.md"] == b"mine"
    (tmp_path / "card.md").write_text("# Another")
    assert (
        user.runs("weights", "push", path, REPO, "--card", tmp_path / "card.md", HF_TOKEN="hf_right").returncode
        == 0
    )
    assert hub.files(REPO)["README.md"] == b"# Another"


def test_only_checkpoints_are_pushed(user, hub, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"no checkpoint")
    refused(user.runs("weights", "push", tmp_path / "a.safetensors", REPO, HF_TOKEN="any"), "a.safetensors")
    (tmp_path / FILE).write_bytes(JPEG)
    (tmp_path / "mine.bin").write_bytes(JPEG)
    refused(user.runs("weights", "push", tmp_path / "mine.bin", REPO, HF_TOKEN="any"), "mine.bin", "safetensors")
    refused(user.runs("weights", "push", tmp_path / FILE, "bare", HF_TOKEN="any"), "'bare'", "user/name")
    refused(
        user.runs("weights", "push", tmp_path / FILE, REPO, HF_TOKEN="any", HF_HUB_OFFLINE="1"), "HF_HUB_OFFLINE"
    )
    done = user.runs("weights", "push", tmp_path / FILE, REPO, "--card", tmp_path / "no.md", HF_TOKEN="any")
    assert done.returncode == 2 and "no.md" in done.stderr
    assert not hub.requests


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://nowhere.invalid", "silent"])
def test_a_hub_that_does_not_answer(user, endpoint):
    """One sentence, soon, and not a word of the client's own."""
    import socket
    import time

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        if endpoint == "silent":
            endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        more = {"HF_ENDPOINT": endpoint, "NO_PROXY": "*", "no_proxy": "*"}
        result = user.runs("restore", "x.png", "-t", "jpeg", "--weights", "hf://a/b/c.safetensors", "-q", **more)
        refused(result, "cannot be reached", "check the connection")
        assert time.monotonic() - began < 15
