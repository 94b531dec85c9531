"""Writing a file whole or not at all."""

import errno
import os
import re
import secrets
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from magn_cli.files.access import Access, narrowest
from magn_cli.files.data import Data, blocks
from magn_cli.files.store import NotOrdinaryError

if sys.platform != "win32":
    import fcntl

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)
_TEMPORARY = re.compile(r"\.(.{1,50})\.[0-9a-f]{12}\.tmp", re.DOTALL)


@contextmanager
def writing(path: Path, *, overwrite: bool = True, access: Access | None = None) -> Iterator[BinaryIO]:
    """Give a file under another name in the same folder; at the end it is moved to ``path``.

    Whatever goes wrong, an interruption included, ``path`` stays as it was and the other file is removed.
    A symbolic link at ``path`` is replaced, not followed; devices and named pipes never are. ``access``: that of
    the file whose content is written, for the new one to have from the first byte on; None: as usual. Who may not
    read a file that is replaced may not read the new one either. Raises OSError; without ``overwrite``
    FileExistsError where ``path`` exists, even if it has come into being meanwhile.
    """
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        # A device or a pipe, perhaps behind a link: an administrator would replace /dev/null for everybody.
        raise NotOrdinaryError(errno.EINVAL, "it is not an ordinary file", str(path))
    # Cut, since the name itself may be as long as a file system allows.
    temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(6)}.tmp")
    try:
        made = None if access is None else access.of_what_is_made()
        given = narrowest((made, _access_of_replaced(path)))
        with _created(temporary, 0o666 if given is None else 0o600) as file:
            _hold(file)
            if given is not None:
                given.give(file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            temporary.replace(path)
        else:
            _move_to_free_name(temporary, path)
    except BaseException:
        # The first error is the one to tell.
        with suppress(OSError):
            temporary.unlink()
        raise


def write_bytes(path: Path, data: Data, *, overwrite: bool = True, access: Access | None = None) -> None:
    """Write ``data`` to ``path``, as :func:`writing` does."""
    with writing(path, overwrite=overwrite, access=access) as file:
        for block in blocks(data):
            file.write(block)


def check_writable(path: Path) -> None:
    """Raise OSError where :func:`writing` could not write a file of this name, found out by beginning to.

    Removes what killed processes have left of writing it.
    """
    with suppress(FileNotFoundError):
        path.lstat()
    with suppress(_NothingToWriteError), writing(path):
        raise _NothingToWriteError
    with suppress(OSError):
        remove_leftovers(path.parent, [path.name])


class _NothingToWriteError(Exception):
    pass


def remove_leftovers(folder: Path, names: Collection[str]) -> list[Path]:
    """Remove, and return, the other files of :func:`writing` to ``names`` that a killed process has left."""
    started = {name[:50] for name in names}
    removed = []
    for path in folder.iterdir():
        match = _TEMPORARY.fullmatch(path.name)
        if match and match[1] in started and path.is_file() and not path.is_symlink():
            # What cannot be removed harms nobody.
            with suppress(OSError):
                if _is_abandoned(path):
                    path.unlink()
                    removed.append(path)
    return removed


def _move_to_free_name(temporary: Path, path: Path) -> None:
    """Give a file its name only if nothing has that name, decided by the file system in one step."""
    if sys.platform == "win32":
        temporary.rename(path)
        return
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT and some network disks have no hard links: the name is taken by an empty file first.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        try:
            temporary.replace(path)
        except BaseException:
            path.unlink()
            raise
    else:
        temporary.unlink()


def _access_of_replaced(path: Path) -> Access | None:
    with suppress(OSError):
        if not path.is_symlink():
            return Access.of(path.stat())
    return None


def _created(path: Path, mode: int) -> BinaryIO:
    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, mode)

    return open(path, "xb", opener=opener)


def _hold(file: BinaryIO) -> None:
    """Mark a file as in use for as long as this process has it open; Windows removes no open files anyway."""
    if sys.platform != "win32":
        # Not every file system can.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_abandoned(path: Path) -> bool:
    if sys.platform != "win32":
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
    return True
