"""Writing a file whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Give a file under another name in the same folder; at the end it is moved to ``path``.

    Whatever goes wrong, an interruption included, ``path`` stays as it was and the other file is removed.
    A symbolic link at ``path`` is replaced, not followed. Raises OSError.
    """
    # Cut, since the name itself may be as long as a file system allows.
    temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        # The first error is the one to tell.
        with suppress(OSError):
            temporary.unlink()
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, as :func:`writing` does."""
    with writing(path) as file:
        file.write(data)
