"""A secret of the user's: magn knows by it what it has written into folders that may come from strangers."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from platformdirs import user_state_path

from magn_cli.files import atomic
from magn_cli.files.access import Access

BYTES = 32
DIGITS = 64
"""Of a signature."""


def signature(key: bytes, data: bytes) -> bytes:
    """Return the HMAC-SHA256 of ``data`` in hexadecimal digits.

    >>> len(signature(b"key", b"data")) == DIGITS
    True
    """
    return hmac.new(key, data, hashlib.sha256).hexdigest().encode("ascii")


def is_signed(key: bytes, data: bytes, claimed: bytes) -> bool:
    """Whether ``claimed`` is the signature of ``data``."""
    return hmac.compare_digest(signature(key, data), claimed)


def user_key() -> bytes | None:
    """Return the user's key, made where there is none yet; None where it cannot be kept or read."""
    try:
        path = key_file()
        found = _read(path)
        if found is None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Another process may be making one: the first stays.
            with suppress(FileExistsError):
                atomic.write_bytes(path, secrets.token_bytes(BYTES), overwrite=False, access=Access(0o600))
            found = _read(path)
    except (OSError, RuntimeError):
        return None
    return found


def key_file() -> Path:
    """Return where the key is kept."""
    return user_state_path("magn", appauthor=False) / "journal.key"


def _read(path: Path) -> bytes | None:
    """Return the key; None where there is none. Raises OSError where something else has its name."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is not an ordinary file")
        data = file.read(BYTES + 1)
    if len(data) != BYTES:
        raise OSError(f"{path} is no key")
    return data
