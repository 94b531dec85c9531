"""Names of files elsewhere, and what of them must never be shown."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magn_cli.errors import UsageError
from magn_cli.files import UrlPath, named, urls, without_secrets


@pytest.fixture(autouse=True)
def nothing_put_aside(monkeypatch):
    monkeypatch.setattr(urls, "_aside", {})
    monkeypatch.setattr(urls, "_known_secrets", set())


def test_a_url_is_cut_and_joined_as_a_path():
    photo = named("s3://bucket/photos/2020/a.b.jpg")
    assert (photo.scheme, photo.place, photo.key) == ("s3", "bucket", "photos/2020/a.b.jpg")
    assert (photo.name, photo.stem, photo.suffix) == ("a.b.jpg", "a.b", ".jpg")
    assert str(photo.with_name("c.png")) == "s3://bucket/photos/2020/c.png"
    assert str(photo.parent.parent.parent) == "s3://bucket"
    assert photo.relative_to(named("s3://bucket/photos")).as_posix() == "2020/a.b.jpg"
    assert str(named("s3://bucket") / "x" / photo.relative_to(photo.parent)) == "s3://bucket/x/a.b.jpg"
    assert pickle.loads(pickle.dumps(photo)) == photo and hash(photo) == hash(UrlPath(str(photo)))  # noqa: S301
    assert sorted([photo, photo.parent]) == [photo.parent, photo]
    # A folder that is called as a scheme is.
    assert named("s3://bucket/s3:/a.jpg").relative_to(named("s3://bucket")).as_posix() == "s3:/a.jpg"


@pytest.mark.parametrize(
    "text", ["photos/a.jpg", "/a.jpg", "C:/a.jpg", "s3:/bucket/a.jpg", "-", "*.jpg", "a:b.jpg"]
)
def test_other_words_are_local_paths(text):
    assert type(named(text)) is type(Path()) and named(text) == Path(text)


@pytest.mark.parametrize(
    "text, words",
    [
        ("ftp://host/a.jpg", "no way to reach ftp://"),
        ("file:///a.jpg", "use a local path"),
        ("s3://", "names no bucket"),
        ("s3:///a.jpg", "names no bucket"),
        ("sftp:///a.jpg", "names no host"),
        ("s3://bucket/a/../b.jpg", "'..'"),
        ("s3://bucket/a//b.jpg", "empty segment"),
        ("s3://KEYKEYKEY:SECRETSECRET@bucket/a.jpg", "takes no user or key"),
        ("https://host/../../a.jpg", "not the address of one file"),
        ("https://host", "not the address of one file"),
        ("https://[host/a.jpg", "not the address of one file"),
        ("ftp://me:SECRETSECRET@host/a.jpg?sig=SECRETSECRET", "no way to reach"),
    ],
)
def test_what_is_no_usable_url(text, words):
    with pytest.raises(UsageError) as caught:
        named(text)
    assert words in str(caught.value) and str(caught.value).endswith(".")
    assert "SECRET" not in str(caught.value) and "KEYKEY" not in str(caught.value)


def test_secrets_are_put_aside_for_the_store():
    signed = "https://host/photos/a.jpg?X-Amz-Signature=0123456789abcdef&X-Amz-Credential=AKIA"
    web, ssh = named(signed), named("sftp://me:hunter2hunter2@host:2222/photos/a.jpg")
    assert str(web) == "https://host/photos/a.jpg" and urls.secret_of(web) == signed
    assert str(ssh) == "sftp://me@host:2222/photos/a.jpg" and urls.secret_of(ssh) == "hunter2hunter2"
    assert urls.secret_of(ssh.with_name("b.png")) == "hunter2hunter2", "the host's, not the file's"
    assert urls.secret_of(named("https://host/photos/b.jpg")) is None
    for path in (web, ssh):
        for text in (str(path), repr(path), pickle.dumps(path).decode("latin-1")):
            assert "0123456789abcdef" not in text and "hunter2" not in text


def test_addresses_that_differ_in_their_secret_only():
    named("https://host/photo?id=1")
    assert named("https://host/photo?id=1")
    with pytest.raises(UsageError, match="one after the other"):
        named("https://host/photo?id=2")


@pytest.mark.parametrize(
    "text",
    [
        "GET https://me:S3CRET@host/a.jpg failed",
        "403, message='Forbidden', url=URL('https://host/a.jpg?X-Amz-Signature=S3CRET&X-Amz-Date=1')",
        "https://S3CRET@host/a.jpg",
        "https://host/a.jpg?sv=2020&sig=S3CRET",
        "sftp://me:S3CRET@host",
        "{'Authorization': 'AWS4-HMAC-SHA256 Credential=S3CRET/2026/us/s3/aws4_request, Signature=S3CRET'}",
        "Authorization: Bearer S3CRET",
        "aws_secret_access_key=S3CRET",
        "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=S3CRET;EndpointSuffix=core.windows.net",
        "the token S3CRETS3CRET expired",
    ],
)
def test_nothing_secret_is_left(text, monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "S3CRETS3CRET")
    shown = without_secrets(text)
    assert "S3CRET" not in shown and "***" in shown


@pytest.mark.parametrize("text", ["photos/a@b.jpg: 5 MB", "s3://bucket/a.jpg is taken", "level=40", "why? a=b"])
def test_other_texts_stay(text):
    assert without_secrets(text) == text


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=80))
def test_any_word_is_a_path_or_refused(text):
    try:
        path = named(text)
    except UsageError as error:
        assert str(error).endswith(".")
    else:
        assert not isinstance(path, UrlPath) or (path.place and ".." not in path.parts)
