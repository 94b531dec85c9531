"""The sha256 of bytes and of files; of large files that stay, remembered as long as size and time are the same."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from magn_cli.files import atomic, structured
from magn_cli.files.data import Data, blocks
from magn_cli.files.local import LOCAL
from magn_cli.files.store import Store

MAX_BYTES = 16 << 20
"""Of the file that remembers."""

_SHA256 = re.compile("[0-9a-f]{64}")

log = logging.getLogger(__name__)


def of_bytes(data: Data) -> str:
    """Return the sha256 of bytes, in hexadecimal digits."""
    found = hashlib.sha256()
    for block in blocks(data):
        found.update(block)
    return found.hexdigest()


def of_file(path: Path, store: Store = LOCAL) -> str:
    """Return the sha256 of a file, read block by block. Raises OSError."""
    with store.open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def of(path: Path, again: bool = False) -> str:
    """Return a file's sha256, remembered from before where the system says that it is the same, unchanged file.

    Size and time of change alone do not say that: anybody can set the time. What cannot be set is the time at
    which the system last changed what it knows of the file, its inode's. Raises OSError.
    """
    about, key = path.stat(), str(path.resolve())
    stamp = [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]
    match _remembered().get(key):
        case [*same, str(sha256)] if same == stamp and not again and _SHA256.fullmatch(sha256):
            return sha256
    found = of_file(path)
    # Read again: another process may have remembered something meanwhile.
    _remember({**_remembered(), key: [*stamp, found]})
    return found


def _remembered() -> dict[str, Any]:
    try:
        values = json.loads(structured.read_bytes(hashes_file(), MAX_BYTES))
    except (OSError, RuntimeError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _remember(known: dict[str, Any]) -> None:
    try:
        path = hashes_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, json.dumps(known, indent=0).encode())
    except (OSError, RuntimeError) as error:
        # A home that cannot be written to is no reason not to restore a photo.
        log.debug("hashes are not remembered: %s", error)


def hashes_file() -> Path:
    """Return where the hashes of files that were read before are kept."""
    return user_cache_path("magn", appauthor=False) / "sha256.json"
