"""Files that are held in memory in front of a store: the ends of a pipe."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from magn_cli.files.access import Access
from magn_cli.files.data import Data, in_memory
from magn_cli.files.local import LocalDisk
from magn_cli.files.store import START, Status


class WithMemory(LocalDisk):
    """The local disk, but for some names whose bytes are held here and never touch it."""

    def __init__(self, held: dict[Path, bytes | None]) -> None:
        """``held``: the bytes by name; None: the file is still to be written."""
        self.held = held

    def status(self, path: Path) -> Status | None:
        """Return what is there."""
        if path not in self.held:
            return super().status(path)
        data = self.held[path]
        return None if data is None else Status("file", len(data), 0)

    def is_taken(self, path: Path) -> bool:
        """Whether something has this name."""
        return self.status(path) is not None if path in self.held else super().is_taken(path)

    def is_writable(self, folder: Path) -> bool:
        """Whether files can be made in a folder; where some are held here, they can."""
        return any(path.parent == folder for path in self.held) or super().is_writable(folder)

    def open(self, path: Path) -> BinaryIO:
        """Open a file."""
        return io.BytesIO(self._bytes(path)) if path in self.held else super().open(path)

    def read(self, path: Path, check: Callable[[bytes], object] | None = None) -> tuple[bytes, Status]:
        """Return bytes and status."""
        if path not in self.held:
            return super().read(path, check)
        data = self._bytes(path)
        if check is not None:
            check(data[:START])
        return data, Status("file", len(data), 0)

    def load(self, path: Path, check: Callable[[bytes], bool]) -> tuple[Data, Status]:
        """Return bytes and status."""
        if path not in self.held:
            return super().load(path, check)
        return self.read(path, check)

    def write(self, path: Path, data: Data, *, overwrite: bool = False, access: Access | None = None) -> None:
        """Hold the bytes of a file."""
        if path not in self.held:
            super().write(path, data, overwrite=overwrite, access=access)
        elif self.held[path] is not None and not overwrite:
            raise FileExistsError(str(path))
        else:
            self.held[path] = in_memory(data)

    def _bytes(self, path: Path) -> bytes:
        data = self.held[path]
        if data is None:
            raise FileNotFoundError(str(path))
        return data
