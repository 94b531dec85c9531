"""Errors of the operating system as sentences: what is wrong, with which file, what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from magn_cli.errors import ImageError, UsageError
from magn_cli.files.store import NotOrdinaryError, StoreError
from magn_cli.files.urls import UrlPath

_UNWRITABLE = {
    errno.ENOENT: "its folder does not exist, so create that first",
    errno.ENOTDIR: "its folder does not exist, so create that first",
    errno.EACCES: "you may not write to its folder, so choose another one",
    errno.EROFS: "its disk is read-only, so choose another one",
    errno.ENOSPC: "the disk is full, so free some space first",
    errno.EDQUOT: "your share of the disk is used up, so free some space first",
    errno.ENAMETOOLONG: "its name is too long, so choose a shorter one",
}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong in reading a picture file into an :class:`ImageError`."""
    try:
        yield
    except OSError as error:
        raise ImageError(f"{_unreadable(path, error)}.") from error
    except ValueError:
        raise ImageError(f"{path} is not a possible file name: check the name.") from None
    except MemoryError:
        raise ImageError(f"{path} is too large for the memory of this machine: cut it first.") from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong in writing a file into an :class:`ImageError`; a :class:`UsageError` if it exists."""
    try:
        yield
    except FileExistsError:
        raise UsageError(f"{path} exists already: choose another name or allow it to be overwritten.") from None
    except IsADirectoryError:
        raise ImageError(f"{path} is a folder: choose the name of a file.") from None
    except NotOrdinaryError:
        raise ImageError(f"{path} is not an ordinary file: choose another name.") from None
    except StoreError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror}.") from error
    except PermissionError as error:
        if isinstance(path, UrlPath):
            raise ImageError(f"{path} cannot be written: {error.strerror}, so ask for the right to.") from error
        raise ImageError(f"{path} cannot be written: {_UNWRITABLE[errno.EACCES]}.") from error
    except OSError as error:
        other = f"{error.strerror or error}, so check the disk or choose another folder"
        raise ImageError(f"{path} cannot be written: {_UNWRITABLE.get(error.errno or 0, other)}.") from error


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Turn what goes wrong in looking at a file or folder into an :class:`ImageError`."""
    try:
        yield
    except OSError as error:
        raise unusable(error, path) from error


def unusable(error: OSError, otherwise: Path | None) -> ImageError:
    """Return the sentence for what went wrong in looking at inputs and outputs.

    ``otherwise``: where, if the error does not say.
    """
    where = error.filename or otherwise
    if isinstance(error, StoreError):
        return ImageError(f"{where} cannot be used: {error.strerror}.")
    return ImageError(f"{where} cannot be used ({error.strerror}); check the path.")


def _unreadable(path: Path, error: OSError) -> str:
    match error:
        case FileNotFoundError() if not isinstance(path, UrlPath) and path.is_symlink():
            return f"{path} is a link that leads nowhere: mend or remove it"
        case FileNotFoundError():
            return f"{path} does not exist: check the name"
        case PermissionError():
            return f"you have no permission to read {path}: change its permissions"
        case IsADirectoryError():
            return f"{path} is a folder: name a picture file in it"
        case NotOrdinaryError():
            return f"{path} is not an ordinary file: name a picture file"
        case StoreError():
            return f"{path} cannot be read: {error.strerror}"
    reason = "its name is too long" if error.errno == errno.ENAMETOOLONG else error.strerror
    return f"{path} cannot be read ({reason}): check the name and the disk"
