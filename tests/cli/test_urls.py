"""URLs on the command line: what works, and the one sentence for what does not."""

import json
import logging

import pytest

from magn_cli import images
from magn_cli.files import urls
from magn_cli.runtime import extras
from tests.support.commands import magn, refused
from tests.support.folders import picture
from tests.support.object_store import png


@pytest.fixture(autouse=True)
def nothing_put_aside(monkeypatch):
    monkeypatch.setattr(urls, "_aside", {})
    monkeypatch.setattr(urls, "_known_secrets", set())


def test_a_picture_in_a_bucket(bucket, otter_jpeg, caplog):
    """With a signed address as input; no secret is in what is shown, logged or kept."""
    bucket.put("in/a.jpg", otter_jpeg.read_bytes())
    signed = bucket.fs.sign(f"{bucket.name}/in/a.jpg", expiration=600)
    assert "ignature=" in signed
    with caplog.at_level(logging.DEBUG, "magn_cli"):
        done = magn("restore", signed, "--out", bucket.url("out/a.png"), "--log-json", "--verbose")
        assert done.exit_code == 0, done.output
        done = magn("restore", bucket.url("in"), "--out", bucket.url("clean"), "--log-json", "--verbose")
        assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["source"] for e in events if e["event"] == "done"] == [bucket.url("in/a.jpg")]
    assert bucket.get("out/a.png") == bucket.get("clean/a.png")
    kept = b"".join(bucket.fs.cat_file(f"{bucket.name}/{key}") for key in bucket.journal("clean")).decode()
    note = bucket.fs.call_s3("head_object", Bucket=bucket.name, Key="clean/a.png")["Metadata"]["magn"]
    for text in (done.output, caplog.text, kept, note):
        for secret in ("ignature=", "testing-key-id", "testing-secret-key", "testing-token-123"):
            assert secret not in text
    assert bucket.url("clean") not in kept, "a journal can be moved"


def test_signed_addresses_that_fail(bucket, hurry, tmp_path, monkeypatch):
    bucket.put("a.jpg", png(1))
    signed = bucket.fs.sign(f"{bucket.name}/a.jpg", expiration=600)
    for fault, words in (("denied", "denies access"), ("slow-down", "fewer requests"), ("cut", "does not answer")):
        bucket.store.fault = lambda method, path, fault=fault: fault if path.endswith("a.jpg") else None
        for debug in ("0", "1"):
            monkeypatch.setenv("MAGN_DEBUG", debug)
            done = magn("restore", signed, "--out", tmp_path / "a.png", "--log-json", "--verbose")
            shown = f"{done.output}{done.exception!r}{getattr(done.exception, '__notes__', '')}"
            assert "ignature=" not in shown and "testing-" not in shown, shown
            assert words in shown
        assert done.exit_code == 1


def test_a_pipe_to_a_bucket(bucket, tmp_path, otter_jpeg):
    bucket.put("in/a.jpg", otter_jpeg.read_bytes())
    done = magn("restore", bucket.url("in/a.jpg"), "--task", "jpeg", "--out", "-")
    assert done.exit_code == 0, done.output
    assert images.decode(done.stdout_bytes).pixels.shape == (144, 200, 3)


def test_a_preview_writes_nothing(bucket):
    bucket.put("in/a.jpg", png(1))
    done = magn("restore", bucket.url("in"), "--out", bucket.url("out"), "--dry-run")
    assert done.exit_code == 0 and f"{bucket.url('in/a.jpg')} -> {bucket.url('out/a.png')}" in done.stdout
    assert not any(method == "PUT" for method, path, _ in bucket.store.requests if "out" in path)


@pytest.mark.parametrize(
    "words, code, says",
    [
        (["ftp://host/a.jpg", "--out", "a.png"], 2, "no way to reach ftp://"),
        (["s3://{}/a.jpg", "--out", "https://host/a.png"], 2, "read-only"),
        (["https://127.0.0.1:9/a.jpg"], 2, "read-only"),
        (["s3://{}-none/in", "--out", "s3://{}/out"], 1, "there is no bucket"),
        (["s3://{}/in", "--out", "s3://{}-none/out"], 1, "there is no bucket"),
        (["s3://{}/none", "--out", "s3://{}/out"], 1, "there is no file or folder"),
        (["s3://{}/in/*.tif", "--out", "s3://{}/out"], 1, "no picture matches"),
        (["s3://{}/in", "--out", "s3://{}/out.png"], 2, "several results need a folder"),
        (["s3://{}/in", "--out", "s3://{}/out", "--compare", "s3://{}/page.html"], 2, "is a URL"),
    ],
)
def test_what_cannot_be_reached_is_told_before_any_work(bucket, words, code, says):
    bucket.put("in/a.jpg", png(1))
    bucket.put("in/b.jpg", png(1))
    refused(magn("restore", *(word.replace("{}", bucket.name) for word in words)), code, says)


def test_no_permission(bucket):
    bucket.put("in/a.jpg", png(1))
    bucket.store.fault = lambda method, path: "denied"
    refused(magn("restore", bucket.url("in"), "--out", bucket.url("out")), 1, "denies access")
    # To read is allowed, to write is not: found out by the lock, before the network is needed.
    bucket.store.fault = lambda method, path: "denied" if method == "PUT" else None
    done = magn("restore", bucket.url("in"), "--out", bucket.url("out"), "--task", "jpeg")
    refused(done, 1, "denies access")


def test_no_credentials(bucket, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    refused(magn("restore", f"s3://{bucket.name}-x/in", "--out", "out"), 1, "no credentials", "set them up")


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    done = magn("restore", "s3://bucket/a.jpg", "--out", tmp_path / "a.png")
    refused(done, 2, "needs fsspec", "pip install 'magn-cli[remote]'")


def test_a_missing_driver_is_named(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    from magn_cli.files.remote import drives

    monkeypatch.setattr(drives, "find_spec", lambda name: None)
    for url, package in (("gs://x-driver/a.jpg", "gcsfs"), ("az://x-driver/a.jpg", "adlfs")):
        refused(magn("restore", url, "--out", tmp_path / "a.png"), 2, f"run pip install {package}")


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "photos", "s3://bucket/in"),
        ("eval", "--set", "Set12", "--data", "s3://bucket/sets"),
        ("inspect", "https://host/a.jpg?X-Amz-Signature=SECRET"),
    ],
)
def test_commands_that_take_no_urls_say_so(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "photos/a.png")
    done = magn(*words)
    refused(done, 2, "is a URL", "magn restore")
    assert "SECRET" not in done.output
