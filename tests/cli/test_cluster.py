"""What is wrong with ``--cluster``: one sentence, within seconds, before anything is written. Needs no cluster."""

import http.server
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from magn_cli.batch.cluster import address
from tests.support.commands import magn, refused
from tests.support.folders import picture, tree


@pytest.fixture
def line(tmp_path):
    picture(tmp_path / "photos/a.png")
    return "restore", tmp_path / "photos", "--task", "jpeg", "--out", tmp_path / "out"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "head",
        "head:",
        ":6379",
        "head:0",
        "head:65536",
        "head:x",
        "a b:1",
        "http://head:1",
        "::1:6379",
        "head:٣",
    ],
)
def test_no_address(line, given):
    refused(magn(*line, "--cluster", given), 2, "invalid --cluster", "give auto, local, or host:port")


@pytest.mark.parametrize("given", ["auto", "local", "head:6379", "10.0.0.1:1", "[::1]:6379"])
def test_an_address_is_not_used_to_plan(line, given):
    assert magn(*line, "--cluster", given, "--dry-run").exit_code == 0


def test_ray_client(line):
    refused(magn(*line, "--cluster", "ray://head:10001"), 2, "Ray Client", "--cluster auto", "ray job submit")


@pytest.mark.parametrize("words", [("--workers", 0), ("--workers", 10**6)])
def test_workers_out_of_range(line, words):
    refused(magn(*line, "--cluster", "local", *words), 2, "--workers", "out of range")


def test_what_does_not_go_together(line, tmp_path):
    refused(magn(*line, "--workers", 2), 2, "--workers is for --cluster")
    for device in ("cuda:1", "mps"):
        refused(magn(*line, "--cluster", "local", "--device", device), 2, device, "auto, cpu or cuda")
    refused(magn(*line, "--cluster", "local", "--compare", tmp_path / "x.html"), 2, "--compare", "magn compare")
    refused(magn("restore", "-", "--cluster", "local"), 2, "pipe", "omit --cluster")
    assert tree(tmp_path) == ["photos/a.png"]


def test_degrade(tmp_path):
    picture(tmp_path / "photos/a.png")
    line = ("degrade", tmp_path / "photos", "-t", "jpeg", "-l", 10, "-o", tmp_path / "set")
    refused(magn(*line, "--cluster", "head"), 2, "invalid --cluster")
    refused(magn(*line, "--cluster", "local", "--workers", 0), 2, "--workers", "out of range")
    refused(magn(*line, "--workers", 65), 2, "--workers", "out of range")
    pytest.importorskip("ray")
    refused(magn(*line, "--cluster", "127.0.0.1:1"), 3, "127.0.0.1:1 cannot be reached")
    assert tree(tmp_path) == ["photos/a.png"]


def test_eval(tmp_path):
    picture(tmp_path / "photos/a.png")
    line = ("eval", tmp_path / "photos", "-t", "jpeg", "-l", 10)
    refused(magn(*line, "--cluster", "head"), 2, "invalid --cluster")
    refused(magn(*line, "--cluster", "local", "--device", "cuda:1"), 2, "auto, cpu or cuda")
    refused(magn(*line, "--workers", 2), 2, "--workers is for --cluster")
    refused(
        magn("eval", tmp_path / "none", "-t", "jpeg", "-l", 10, "--cluster", "127.0.0.1:1"), 1, "does not exist"
    )
    pytest.importorskip("ray")
    refused(magn(*line, "--cluster", "127.0.0.1:1", "--json", tmp_path / "x.json"), 3, "cannot be reached")
    assert tree(tmp_path) == ["photos/a.png"]


@pytest.mark.parametrize("words", [("restore", "-t", "jpeg"), ("degrade", "-t", "jpeg", "-l", 10)])
def test_the_memory_of_this_process(tmp_path, words):
    """No worker sees it."""
    pytest.importorskip("ray")
    pytest.importorskip("fsspec")
    picture(tmp_path / "photos/a.png")
    name, *more = words
    line = (name, tmp_path / "photos", *more, "--out", f"memory://{tmp_path.name}/out", "--cluster", "local")
    refused(magn(*line), 2, "is in the memory of this process", "omit --cluster")


def test_ray_is_not_installed(line, monkeypatch, tmp_path):
    monkeypatch.setattr("magn_cli.runtime.extras.find_spec", lambda name: None)
    refused(magn(*line, "--cluster", "local"), 2, "ray", "pip install 'magn-cli[cluster]'")
    assert not (tmp_path / "out").exists()


@contextmanager
def listening(answer):
    """A server that answers each connection with these bytes, or with nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.append(connection)
                if answer is not None:
                    connection.sendall(answer)

        kept = []
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        for connection in kept:
            connection.close()


class TestUnreachable:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch):
        pytest.importorskip("ray")
        monkeypatch.setattr(address, "SECONDS", 1.0)

    @pytest.mark.parametrize(
        "answer, says",
        [(None, "no answer"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "something else than a head node answers")],
    )
    def test_something_else_listens(self, line, tmp_path, answer, says):
        with listening(answer) as where:
            refused(magn(*line, "--cluster", where), 3, f"the cluster at {where} cannot be reached", says)
        assert not (tmp_path / "out").exists()

    def test_nothing_listens(self, line, tmp_path):
        began = time.monotonic()
        refused(magn(*line, "--cluster", "127.0.0.1:1"), 3, "127.0.0.1:1 cannot be reached (Connection refused)")
        assert time.monotonic() - began < 30
        assert not (tmp_path / "out").exists()

    def test_no_such_host(self, line):
        refused(magn(*line, "--cluster", "no-such-host.invalid:6379"), 3, "no-such-host.invalid:6379 cannot be")

    def test_no_cluster_on_this_machine(self, line, monkeypatch, tmp_path):
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
        # Ray looks through all processes, and somebody else may run a cluster here.
        monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)
        refused(magn(*line, "--cluster", "auto"), 3, "no cluster runs on this machine", "ray start")

    def test_the_environment_names_a_cluster(self, line, monkeypatch):
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
        refused(magn(*line, "--cluster", "auto"), 3, "127.0.0.1:1 cannot be reached")
        monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
        refused(magn(*line, "--cluster", "auto"), 2, "Ray Client")


def test_a_server_of_grpc_may_be_a_head_node():
    with listening(b"\0\0\x06\4\0\0\0\0\0\0\3\0\0\0\x64") as where:
        address.check_reachable(where, 5)


def test_a_web_server_is_none():
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(address.ClusterError, match="something else"):
            address.check_reachable(f"127.0.0.1:{server.server_port}", 5)
    finally:
        server.shutdown()
        server.server_close()
