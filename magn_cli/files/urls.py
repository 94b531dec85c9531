"""Names of files that are not on this machine, and URLs without the secrets that may be in them.

Nothing here imports a driver or touches a network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from magn_cli.errors import UsageError, any_of

if TYPE_CHECKING:
    _Name = Path
else:
    # Without the methods that would look for a URL on the local disk.
    _Name = PurePosixPath

OBJECT_STORES = ("s3", "gs", "az")
WEB = ("https", "http")
SCHEMES = (*OBJECT_STORES, "sftp", *WEB, "memory")

HIDDEN = "***"
MIN_SECRET = 4
"""Shortest secret, in characters, that is looked for everywhere in a text."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_USER = re.compile(r"\b(https?://|[A-Za-z][A-Za-z0-9+.-]*://(?=[^\s/@]*:))[^\s/@'\"<>]*@")
_QUERY = re.compile(r"\b(https?://[^\s?#'\"<>]*)[?#][^\s'\"<>]*")
_FIELDS = (
    "X-Amz-[A-Za-z-]+|X-Goog-[A-Za-z-]+|AWSAccessKeyId|aws_access_key_id|aws_secret_access_key|aws_session_token"
    "|GoogleAccessId|AccountKey|SharedAccessSignature|Signature|signature|sig|sas_token|token|access_token"
    "|api_key|key|secret|password|passwd"
)
_FIELD = re.compile(rf"\b({_FIELDS})=[^\s&'\",;<>]+")
_HEADER = re.compile(
    r"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:basic|bearer|aws4-hmac-sha256)\s+)?[^'\"\n]+"
)
_SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_CLIENT_SECRET",
    "FSSPEC_SFTP_PASSWORD",
)

_known_secrets: set[str] = set()


class UrlPath(_Name):
    """A path on another machine: ``s3://bucket/photos/a.jpg``.

    It is cut, joined and compared as other paths are, and shown as a URL without user, password or query. Only a
    store can open it.

    >>> photo = UrlPath("s3://bucket/photos/a.jpg")
    >>> print(photo.parent / "b.png", photo.relative_to(photo.parent.parent))
    s3://bucket/photos/b.png photos/a.jpg
    """

    __slots__ = ()

    def __str__(self) -> str:
        first, *rest = self.parts or (".",)
        return f"{first}//{'/'.join(rest)}" if rest and first[:-1] in SCHEMES else "/".join((first, *rest))

    def __repr__(self) -> str:
        return f"UrlPath({str(self)!r})"

    def as_posix(self) -> str:
        """Return the parts with ``/`` between them, for names that are relative to a folder."""
        return "/".join(self.parts) or "."

    @property
    def scheme(self) -> str:
        """``s3`` of ``s3://bucket/a.jpg``."""
        return self.parts[0].removesuffix(":")

    @property
    def place(self) -> str:
        """What is connected to: the bucket, container or host."""
        return self.parts[1] if len(self.parts) > 1 else ""

    @property
    def key(self) -> str:
        """Name within the place; empty for the place itself."""
        return "/".join(self.parts[2:])


class Address(NamedTuple):
    """A URL, and what of it must not be shown."""

    path: UrlPath
    secret: str | None
    """The password of sftp, or the whole URL of a web address with a user or a query; None: nothing."""


def is_url(text: str) -> bool:
    """Whether a word of the command line is a URL; an unknown scheme counts, a drive of Windows does not.

    >>> [is_url(text) for text in ("s3://bucket/a.jpg", "ftp://host/a.jpg", "photos/a.jpg", "C:/a.jpg")]
    [True, True, False, False]
    """
    return _URL.match(text) is not None


def named(text: str | Path) -> Path:
    """Return the path that a word of the command line means: on the disk, or a :class:`UrlPath`.

    Passwords and signatures are put aside for the store. Raises :class:`UsageError` for what is no usable URL, and
    for an empty word, which would mean the current folder.

    >>> named("s3://bucket/a.jpg")
    UrlPath('s3://bucket/a.jpg')
    """
    if isinstance(text, PurePosixPath | Path):
        return text
    if not text:
        raise UsageError("the name of a file or folder is empty; check the variable that it comes from.")
    if not is_url(text):
        return Path(text)
    path, secret = _address(text)
    if secret is not None:
        _remember(path, secret)
    return path


def secret_of(path: UrlPath) -> str | None:
    """Return what :func:`named` has put aside for a web address, or for the host of an sftp URL."""
    return _aside.get(_whose(path))


def remember_secrets(known: dict[str, str]) -> None:
    """Put aside what another process did: see :func:`secrets_put_aside`."""
    _aside.update(known)
    for secret in known.values():
        _know(secret)


def secrets_put_aside() -> dict[str, str]:
    """Return all that :func:`named` has put aside, for a process that is to open the same names."""
    return dict(_aside)


def without_secrets(text: str) -> str:
    """Return a text without passwords, signatures, tokens and keys: the one way to show what a driver says.

    >>> without_secrets("GET https://user:pass@host/a.jpg?X-Amz-Signature=0f failed")
    'GET https://***@host/a.jpg?*** failed'
    >>> without_secrets("sftp://me:pass@host/a.jpg")
    'sftp://***@host/a.jpg'
    """
    text = _QUERY.sub(rf"\1?{HIDDEN}", _USER.sub(rf"\1{HIDDEN}@", text))
    text = _FIELD.sub(rf"\1={HIDDEN}", _HEADER.sub(rf"\1{HIDDEN}", text))
    for secret in _secrets():
        text = text.replace(secret, HIDDEN)
    return text


def check_segments(key: str) -> str | None:
    """Return why a name that a store gives cannot be used as a path; None: it can.

    >>> [check_segments(key) for key in ("a/b.jpg", "a/../b.jpg", "a//b.jpg")]
    [None, "it has '..' in it", 'it has an empty segment']
    """
    for segment in key.split("/"):
        if segment in (".", ".."):
            return f"it has {segment!r} in it"
        if not segment:
            return "it has an empty segment"
    if "\0" in key:
        return "it has a null character in it"
    return None


_aside: dict[str, str] = {}


def _address(text: str) -> Address:
    match = _URL.match(text)
    assert match is not None
    scheme, rest = match[1].lower(), match[2]
    shown = without_secrets(text)
    if scheme not in SCHEMES:
        known = any_of(f"{one}://" for one in SCHEMES)
        raise UsageError(f"{shown}: there is no way to reach {scheme}://; use a local path, {known}.")
    if scheme in WEB:
        return _web_address(text, scheme, shown)
    place, _, key = rest.partition("/")
    user, at, place = place.rpartition("@")
    if at and scheme != "sftp":
        raise UsageError(f"{shown}: {scheme}:// takes no user or key; put them where its driver looks for them.")
    user, _, password = user.partition(":")
    if not place:
        raise UsageError(
            f"{shown} names no {'host' if scheme == 'sftp' else 'bucket'}; write {scheme}://NAME/path."
        )
    key = key.rstrip("/")
    problem = check_segments(key) if key else None
    if problem is not None:
        raise UsageError(f"{shown} cannot be used as a path ({problem}); write it out.")
    return Address(UrlPath(f"{scheme}:/{f'{user}@' if user else ''}{place}/{key}"), password or None)


def _web_address(text: str, scheme: str, shown: str) -> Address:
    try:
        parts = urlsplit(text)
        host, path = parts.netloc.rpartition("@")[2], parts.path.lstrip("/")
    except ValueError:
        host = path = ""
    problem = check_segments(path)
    if not host or problem is not None:
        raise UsageError(f"{shown} is not the address of one file; write {scheme}://HOST/path/photo.jpg.")
    bare = UrlPath(f"{scheme}:/{host}/{path}")
    return Address(bare, None if str(bare) == text else text)


def _remember(path: UrlPath, secret: str) -> None:
    if path.scheme in WEB and _aside.get(_whose(path), secret) != secret:
        raise UsageError(
            f"two addresses of {path} differ only in what is not shown; restore them one after the other."
        )
    _aside[_whose(path)] = secret
    _know(secret)


def _know(secret: str) -> None:
    if is_url(secret):
        parts = urlsplit(secret)
        _known_secrets.update(filter(None, (parts.username, parts.password, parts.query)))
    else:
        _known_secrets.add(secret)


def _whose(path: UrlPath) -> str:
    return str(path) if path.scheme in WEB else f"{path.scheme}://{path.place}"


def _secrets() -> Iterable[str]:
    found = {os.environ.get(name, "") for name in _SECRETS} | _known_secrets
    # The longest first: one may be the start of another.
    return sorted((secret for secret in found if len(secret) >= MIN_SECRET), key=len, reverse=True)
