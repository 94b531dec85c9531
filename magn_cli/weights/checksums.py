"""Checks that a file has the expected size and sha256."""

from __future__ import annotations

from pathlib import Path

from magn_cli.errors import DamagedError, WeightsError
from magn_cli.files import checksum


def check(path: Path, sha256: str, size: int, mend: str, again: bool = False) -> Path:
    """Return ``path`` if the file has the expected size and hash.

    Args:
        path: the file.
        sha256: expected hash, in hexadecimal digits.
        size: expected size in bytes.
        mend: advice that ends the error message.
        again: hash the file even if its hash is cached.

    Raises:
        WeightsError: the file is missing or cannot be read.
        DamagedError: the file has another size or hash.
    """
    try:
        bytes_found = path.stat().st_size
        found = checksum.of(path, again) if bytes_found == size else ""
    except FileNotFoundError as error:
        raise WeightsError(f"the weights {path} are missing; {mend}.") from error
    except OSError as error:
        raise WeightsError(f"the weights {path} cannot be read ({error.strerror}); {mend}.") from error
    if bytes_found != size:
        raise DamagedError(f"the weights {path} have {bytes_found:,} bytes, not {size:,}; {mend}.")
    if found != sha256.lower():
        raise DamagedError(f"the weights {path} have sha256 {found}, not {sha256}; {mend}.")
    return path
