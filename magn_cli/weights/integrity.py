"""That a file is the one that is meant: its sha256, remembered as long as size and time stay the same."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from magn_cli import atomic
from magn_cli.errors import DamagedError, WeightsError
from magn_cli.weights import places

log = logging.getLogger(__name__)


def check(path: Path, sha256: str, size: int, mend: str, again: bool = False) -> Path:
    """Return ``path`` if the file has that size and hash.

    Args:
        path: the file.
        sha256: what is expected, in hexadecimal digits.
        size: what is expected, in bytes.
        mend: what to do otherwise: the end of a sentence.
        again: read the file even where its hash is remembered.

    Raises:
        WeightsError: it is missing or cannot be read.
        DamagedError: it has another size or hash.
    """
    try:
        bytes_found = path.stat().st_size
        found = of(path, again) if bytes_found == size else ""
    except FileNotFoundError as error:
        raise WeightsError(f"the weights {path} are missing; {mend}.") from error
    except OSError as error:
        raise WeightsError(f"the weights {path} cannot be read ({error.strerror}); {mend}.") from error
    if bytes_found != size:
        raise DamagedError(f"the weights {path} have {bytes_found:,} bytes, not {size:,}; {mend}.")
    if found != sha256.lower():
        raise DamagedError(f"the weights {path} have sha256 {found}, not {sha256}; {mend}.")
    return path


def of(path: Path, again: bool = False) -> str:
    """Return a file's sha256, remembered from before where size and time of change are what they were then.

    Raises OSError.
    """
    about, key = path.stat(), str(path.resolve())
    stamp = [about.st_size, about.st_mtime_ns]
    before = _remembered().get(key)
    if not again and isinstance(before, list) and before[:2] == stamp and len(before) == 3:
        return str(before[2])
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    # Read again: another process may have remembered something meanwhile.
    _remember({**_remembered(), key: [*stamp, found]})
    return found


def _remembered() -> dict[str, Any]:
    try:
        values = json.loads(places.hashes_file().read_text(encoding="utf-8"))
    except (OSError, RuntimeError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _remember(known: dict[str, Any]) -> None:
    try:
        path = places.hashes_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, json.dumps(known, indent=0).encode())
    except (OSError, RuntimeError) as error:
        # A home that cannot be written to is no reason not to restore a photo.
        log.debug("hashes are not remembered: %s", error)
