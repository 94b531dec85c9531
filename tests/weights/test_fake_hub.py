"""The fake Hugging Face Hub, tested with the real client, so that other tests can rely on it."""

import http.client
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_hub import USER, FakeHub, environment, sha256

REPO = f"{USER}/magn"
WEIGHTS = os.urandom(3_000_000)
CARD = b"---\nlicense: apache-2.0\n---\n# A model\n"
# The client keeps what came before a cut in whole pieces of this size only.
PIECE = 10 * 1024 * 1024

DOWNLOAD = """
import sys
from huggingface_hub import hf_hub_download
repo, name, revision = sys.argv[1:]
try:
    print(hf_hub_download(repo, name, revision=revision))
except Exception as error:
    sys.exit(" ".join(kind.__name__ for kind in type(error).__mro__))
"""
UPLOAD = """
import sys
from huggingface_hub import HfApi
repo, folder = sys.argv[1:]
HfApi().create_repo(repo, private=True, exist_ok=True)
print(HfApi().upload_folder(repo_id=repo, folder_path=folder).oid)
"""


@pytest.fixture
def hub():
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def folder(tmp_path):
    """What a user would upload."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "README.md").write_bytes(CARD)
    return folder


def run(script, hub, home, *words, **more):
    command = [sys.executable, "-c", script, *map(str, words)]
    return subprocess.run(command, env=environment(hub, home, **more), capture_output=True, text=True, timeout=60)


def download(hub, home, name="model.safetensors", revision="main", repo=REPO, **more):
    """The bytes that the client hands out."""
    result = run(DOWNLOAD, hub, home, repo, name, revision, **more)
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip()).read_bytes()


def failure(hub, home, name="model.safetensors", revision="main", repo=REPO, **more):
    """The names of the classes of the exception that the client raises."""
    result = run(DOWNLOAD, hub, home, repo, name, revision, **more)
    assert result.returncode == 1, result.stdout
    return result.stderr.splitlines()[-1].split()


@pytest.mark.parametrize(
    ("name", "content", "place"), [("a.safetensors", WEIGHTS, "/cdn/"), ("b.md", CARD, "/resolve/")]
)
def test_a_file_comes_as_it_was_put(hub, tmp_path, name, content, place):
    hub.add(REPO, name, content)
    assert download(hub, tmp_path, name, HF_TOKEN="hf_secret") == content
    [request] = hub.seen("GET", name)
    assert place in request.path
    assert ("authorization" in request.headers) == (place == "/resolve/")  # no token for the CDN


def test_a_pinned_commit_stays_what_it_was(hub, tmp_path):
    first = hub.add(REPO, "model.safetensors", WEIGHTS)
    second = hub.add(REPO, "model.safetensors", WEIGHTS[::-1])
    assert len(first) == 40 and first != second
    assert download(hub, tmp_path, revision=first) == WEIGHTS
    assert download(hub, tmp_path) == WEIGHTS[::-1]
    hub.requests.clear()
    assert download(hub, tmp_path, revision=first) == WEIGHTS
    assert not hub.requests  # from the cache


def test_what_does_not_exist_is_told_apart(hub, tmp_path):
    hub.add(REPO, "model.safetensors", WEIGHTS)
    assert failure(hub, tmp_path, revision="v9")[0] == "RevisionNotFoundError"
    assert failure(hub, tmp_path, name="other.bin")[0] == "RemoteEntryNotFoundError"
    assert failure(hub, tmp_path, repo="nobody/nothing")[0] == "RepositoryNotFoundError"
    assert failure(hub, tmp_path, repo="nobody/nothing", HF_TOKEN="hf_x")[0] == "RepositoryNotFoundError"


def test_a_private_repository_wants_the_token(hub, tmp_path):
    hub.token = "hf_right"
    hub.create(REPO, private=True)
    hub.add(REPO, "model.safetensors", WEIGHTS)
    assert failure(hub, tmp_path)[0] == "RepositoryNotFoundError"
    assert failure(hub, tmp_path, HF_TOKEN="hf_wrong")[0] == "HfHubHTTPError"
    assert download(hub, tmp_path, HF_TOKEN="hf_right") == WEIGHTS


def test_a_download_that_is_cut_goes_on_where_it_stopped(hub, tmp_path):
    content = WEIGHTS * 4
    hub.add(REPO, "model.safetensors", content)
    hub.cut_next(1, PIECE + 1000)
    assert download(hub, tmp_path) == content
    assert [get.headers.get("range") for get in hub.seen("GET", "/cdn/")] == [None, f"bytes={PIECE}-"]


def test_a_small_download_that_is_cut_starts_again(hub, tmp_path):
    hub.add(REPO, "model.safetensors", WEIGHTS)
    hub.cut_next(1, 1_000_000)
    assert download(hub, tmp_path) == WEIGHTS
    assert [get.headers.get("range") for get in hub.seen("GET", "/cdn/")] == [None, None]


def test_a_reset_connection_ends_the_download(hub, tmp_path):
    hub.add(REPO, "model.safetensors", WEIGHTS)
    hub.cut_next(1, 1_000_000, reset=True)
    assert failure(hub, tmp_path)[0] == "ReadError"
    assert not list(tmp_path.rglob("*.incomplete"))
    assert download(hub, tmp_path) == WEIGHTS


@pytest.mark.parametrize("status", [429, 503])
def test_the_client_tries_again_by_itself(hub, tmp_path, status):
    hub.add(REPO, "model.safetensors", WEIGHTS)
    hub.fail_next(1, status, "/resolve/")
    assert download(hub, tmp_path) == WEIGHTS
    assert len(hub.seen("HEAD")) == 2


def test_a_503_from_the_cdn_is_final(hub, tmp_path):
    hub.add(REPO, "model.safetensors", WEIGHTS)
    hub.fail_next(1, 503, "/cdn/")
    assert failure(hub, tmp_path)[0] == "HfHubHTTPError"


def test_the_client_does_not_notice_a_wrong_byte(hub, tmp_path):
    hub.add(REPO, "model.safetensors", WEIGHTS)
    hub.corrupt(REPO, "model.safetensors")
    got = download(hub, tmp_path)
    assert len(got) == len(WEIGHTS) and sha256(got) != sha256(WEIGHTS)


def test_an_upload_comes_back_the_same(hub, tmp_path, folder):
    hub.token = "hf_right"
    result = run(UPLOAD, hub, tmp_path, REPO, folder, HF_TOKEN="hf_right")
    assert result.returncode == 0, result.stderr
    assert hub.files(REPO) == {"README.md": CARD, "model.safetensors": WEIGHTS}
    assert len(hub.seen("PUT", "/upload/")) == 1
    assert not [request for request in hub.requests if "xet" in request.path]
    commit = result.stdout.split("/")[-1].strip()
    assert download(hub, tmp_path, revision=commit, HF_TOKEN="hf_right") == WEIGHTS
    assert download(hub, tmp_path, "README.md", HF_TOKEN="hf_right") == CARD


@pytest.mark.parametrize("more", [{}, {"HF_TOKEN": "hf_wrong"}])
def test_an_upload_without_the_token_is_refused(hub, tmp_path, folder, more):
    hub.token = "hf_right"
    result = run(UPLOAD, hub, tmp_path, REPO, folder, **more)
    assert result.returncode == 1 and "401" in result.stderr
    assert not hub.repos and not hub.seen("PUT")


@pytest.mark.parametrize(
    ("wanted", "status", "got"),
    [("bytes=2-4", 206, b"234"), ("bytes=7-", 206, b"789"), ("bytes=-2", 206, b"89"), ("bytes=10-", 416, None)],
)
def test_pieces_of_a_file(hub, wanted, status, got):
    oid = hub.add(REPO, "a.bin", b"0123456789")
    connection = http.client.HTTPConnection(hub.cdn.removeprefix("http://"), timeout=10)
    connection.request("GET", f"/cdn/{REPO}/{oid}/a.bin", headers={"Range": wanted})
    answer = connection.getresponse()
    assert answer.status == status and answer.headers["Content-Range"].endswith("/10")
    assert got is None or answer.read() == got
    connection.close()


def test_the_environment_keeps_the_users_own_set_up_out(hub, tmp_path, monkeypatch):
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "https_proxy"):
        monkeypatch.setenv(name, "1")
    made = environment(hub, tmp_path, HF_HUB_OFFLINE="0")
    assert made["HF_HUB_OFFLINE"] == "0" and made["HF_ENDPOINT"] == hub.endpoint and made["HOME"] == str(tmp_path)
    assert not {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "https_proxy"} & set(made)
