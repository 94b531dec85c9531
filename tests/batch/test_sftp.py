"""Runs over SFTP, on a real server of the protocol on loopback."""

import pytest

from magn_cli.errors import ImageError, UsageError
from magn_cli.files import named, urls
from tests.support.folders import Inverse, picture, restore, tree

pytest.importorskip("paramiko")
pytest.importorskip("fsspec")
from tests.support.ssh_server import SshServer


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(urls, "_aside", {})
    monkeypatch.setattr(urls, "_known_secrets", set())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # No key of whoever runs the tests.
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    server = SshServer(tmp_path / "served", tmp_path / "home")
    for name in ("a", "b", "sub/c"):
        picture(tmp_path / f"served/photos/{name}.png", 40)
    yield server
    server.close()


def run(server, out="clean", **options):
    out = named(f"sftp://{server.place}/{out}")
    return [type(e).__name__ for e in restore(f"sftp://{server.place}/photos", out, recursive=True, **options)]


def test_a_tree_is_restored_and_kept(server, tmp_path):
    assert run(server) == ["Done"] * 3
    found = [name for name in tree(tmp_path / "served/clean") if ".magn" not in name]
    assert found == ["a.png", "b.png", "sub/c.png"]
    assert not list((tmp_path / "served").rglob("*.tmp")) and not list((tmp_path / "served").rglob("*.lock"))
    assert run(server) == ["Kept"] * 3
    for kept in (tmp_path / "served/clean").rglob(".magn*/*"):
        assert b"pass-of-mine" not in kept.read_bytes()


def test_what_appears_meanwhile_stays(server, tmp_path):
    mine = tmp_path / "served/clean/b.png"
    network = Inverse(lambda photo: mine.exists() or mine.write_bytes(b"of somebody else"))
    assert sorted(run(server, network=network)) == ["Done", "Done", "Failed"]
    assert mine.read_bytes() == b"of somebody else"
    with pytest.raises(UsageError, match="not made by a run"):
        run(server)
    assert run(server, overwrite=True) == ["Done"] * 3


def test_an_unknown_host(server):
    server.known_hosts.write_text("")
    with pytest.raises(ImageError, match=r"not in ~/\.ssh/known_hosts") as caught:
        run(server)
    assert "pass-of-mine" not in str(caught.value)


def test_a_wrong_password(server):
    server.place = server.place.replace("pass-of-mine", "another-word")
    with pytest.raises(ImageError, match="no credentials") as caught:
        run(server)
    assert "another-word" not in str(caught.value)
