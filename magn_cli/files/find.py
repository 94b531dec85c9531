"""Which pictures lie in a folder: the one walk that every command uses."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Hashable, Iterable
from pathlib import Path

from magn_cli.files.local import LOCAL
from magn_cli.files.store import Listed, Lists, NotOrdinaryError, Store, StoreError
from magn_cli.files.urls import UrlPath

OF_THE_SYSTEM = frozenset(
    {"@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "__macosx", "$recycle.bin"}
    | {"system volume information", "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini"}
)
"""Names, in lower case, under which systems and network disks keep thumbnails, parts of files and deleted ones."""


def is_left_alone(name: str) -> bool:
    """Whether a file or folder of this name is the system's and none of the user's: hidden, or kept by a NAS.

    >>> [is_left_alone(name) for name in (".thumbnails", "._photo.jpg", "@eaDir", "photo.jpg")]
    [True, True, True, False]
    """
    return name.startswith(".") or name.casefold() in OF_THE_SYSTEM


def find(
    folder: Path,
    suffixes: Collection[str],
    *,
    recursive: bool = True,
    leave_out: Path | None = None,
    failed: Callable[[Path, OSError], None] | None = None,
    store: Store = LOCAL,
) -> list[Path]:
    """Return the files of a folder that have one of some suffixes, sorted by path.

    What :func:`is_left_alone` is left alone; the folder itself may have any name. Links are followed, each folder
    is visited once, and links in circles end.

    Args:
        folder: where to look.
        suffixes: in lower case, with their dot.
        recursive: sub-folders, too.
        leave_out: a folder that is not entered, unless it is ``folder`` itself.
        failed: is told of each file or folder that cannot be looked at, and of pictures that are none: links that
            lead nowhere, devices, named pipes. None: that raises OSError.
        store: where the folder is.
    """
    walk = _Walk(folder, frozenset(suffixes), recursive, leave_out, failed, store)
    linked = [folder]
    # Links come last: a file that lies in the folder has its own path.
    while linked:
        linked += walk.visit(linked.pop(0))
    return sorted(walk.found)


def listed(folder: UrlPath, suffixes: Collection[str], recursive: bool, store: Store) -> list[Listed]:
    """Return what :func:`find` would return for a folder of a store, from its listing: sorted, with sizes.

    Raises :class:`StoreError` for a name that cannot be a path: to leave it out would go unnoticed.
    """
    assert isinstance(store, Lists)
    found, depth = [], len(folder.parts)
    for one in store.listing(folder, recursive):
        if one.problem is not None:
            raise StoreError(errno.EINVAL, f"the name {one.problem}, so rename it", str(folder))
        names = one.path.parts[depth:]
        if one.path.suffix.lower() in suffixes and not any(is_left_alone(name) for name in names):
            found.append(one)
    return sorted(found, key=lambda one: one.path)


def links_to_folders(root: Path, paths: Iterable[Path], store: Store = LOCAL) -> list[Path]:
    """Return, sorted, the folders between ``root`` and paths below it that are links and lead elsewhere."""
    folders = {root / above for path in paths for above in path.relative_to(root).parents} - {root}
    found = []
    for folder in sorted(folders):
        status = store.status(folder)
        if status is not None and status.is_link:
            found.append(folder)
    return found


class _Walk:
    def __init__(
        self,
        root: Path,
        suffixes: frozenset[str],
        recursive: bool,
        leave_out: Path | None,
        failed: Callable[[Path, OSError], None] | None,
        store: Store,
    ) -> None:
        self.root, self.suffixes, self.recursive, self.failed, self.store = (
            root,
            suffixes,
            recursive,
            failed,
            store,
        )
        self.leave_out = None if leave_out is None else store.identity(leave_out)
        self.visited: set[Hashable] = set()
        self.found: list[Path] = []

    def visit(self, folder: Path) -> list[Path]:
        """Look at a folder and those below it; return the links to folders in them."""
        linked, waiting = list[Path](), [folder]
        while waiting:
            current = waiting.pop(0)
            real = self.store.identity(current)
            if real in self.visited or (real == self.leave_out and current != self.root):
                continue
            self.visited.add(real)
            try:
                children = sorted(self.store.children(current))
            except OSError as error:
                self._fail(current, error)
                continue
            for path in children:
                if not is_left_alone(path.name):
                    try:
                        self._take(path, waiting, linked)
                    except OSError as error:
                        self._fail(path, error)
        return linked

    def _take(self, path: Path, waiting: list[Path], linked: list[Path]) -> None:
        status = self.store.status(path)
        kind, is_wanted = status and status.kind, path.suffix.lower() in self.suffixes
        if status is not None and kind == "folder" and self.recursive:
            (linked if status.is_link else waiting).append(path)
        elif is_wanted and kind == "file":
            self.found.append(path)
        elif is_wanted and kind == "other":
            raise NotOrdinaryError(errno.EINVAL, "it is not an ordinary file", str(path))
        elif is_wanted and kind is None and self.store.is_taken(path):
            raise NotOrdinaryError(errno.ENOENT, "it is a link that leads nowhere", str(path))

    def _fail(self, path: Path, error: OSError) -> None:
        if self.failed is None:
            raise error
        self.failed(path, error)
