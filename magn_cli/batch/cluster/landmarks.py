"""Files by which a worker shows that it sees what the driver sees: that they share a file system."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from magn_cli.files import LOCAL, Status, Store


class Landmarks:
    """Files and folders as the driver sees them; those that are not there are left out."""

    def __init__(self, fixed: Iterable[Path], growing: Iterable[Path] = (), store: Store = LOCAL) -> None:
        """Look at inputs and folders (``fixed``), and at files of this run that only grow."""
        self._growing = set(growing)
        seen = {path: store.status(path) for path in (*fixed, *self._growing)}
        self._expected = {path: status for path, status in seen.items() if status is not None}
        self.paths = list(self._expected)

    def difference(self, seen: list[Status | None]) -> str | None:
        """Return the first path at which a worker sees something else; None if there is none."""
        for (path, expected), found in zip(self._expected.items(), seen, strict=True):
            if found is None or found.kind != expected.kind:
                return str(path)
            has_grown = path in self._growing and found.bytes > expected.bytes
            is_same = (found.bytes, found.changed_ns) == (expected.bytes, expected.changed_ns)
            if found.kind == "file" and not is_same and not has_grown:
                return str(path)
        return None
