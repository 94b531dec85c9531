"""Which store opens the paths of a command, and what of them cannot be used as an output."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from magn_cli.errors import UsageError
from magn_cli.files.local import LOCAL
from magn_cli.files.store import Store
from magn_cli.files.urls import WEB, UrlPath
from magn_cli.runtime.extras import check_extra


def store_of(paths: Iterable[Path], here: Store = LOCAL) -> Store:
    """Return ``here``, or a store of all places where one of the paths is a URL.

    Raises :class:`UsageError` where an extra or a driver is missing.
    """
    paths = list(paths)
    if not any(isinstance(path, UrlPath) for path in paths):
        return here
    check_extra("a URL as input or output", "remote", "fsspec")
    # The only place that imports a driver.
    from magn_cli.files.remote import store_for

    return store_for(paths, here)


def check_output(path: Path, store: Store, what: str = "--out") -> None:
    """Raise :class:`UsageError` for a URL that can only be read, OSError for one in a bucket that is not there.

    ``what``: what the user can give instead.
    """
    if not isinstance(path, UrlPath):
        return
    if path.scheme in WEB:
        raise UsageError(f"{path.scheme}:// URLs are read-only; give another {what}.")
    try:
        # A bucket that is not there is told before any work.
        store.status(UrlPath(*path.parts[:2]))
    except PermissionError:
        # To write needs no permission to list.
        return
