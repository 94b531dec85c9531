"""Files by which a worker shows that it sees what the driver sees: that they share a file system."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from magn_cli.errors import ClusterError, UsageError
from magn_cli.files import LOCAL, Status, Store, UrlPath


class Landmarks:
    """Files and folders as the driver sees them; those that are not there are left out."""

    def __init__(self, fixed: Iterable[Path], growing: Iterable[Path] = (), store: Store = LOCAL) -> None:
        """Look at inputs and folders (``fixed``), and at files of this run that only grow."""
        self._growing = set(growing)
        seen = {path: store.status(path) for path in (*fixed, *self._growing)}
        self._expected = {path: status for path, status in seen.items() if status is not None}
        self.paths = list(self._expected)

    def difference(self, worker: str, seen: list[Status | str | None]) -> ClusterError | None:
        """Return the error for the first path at which a worker sees something else; None if there is none."""
        for (path, expected), found in zip(self._expected.items(), seen, strict=True):
            if self._is_same(path, expected, found):
                continue
            if isinstance(path, UrlPath):
                reason = found if isinstance(found, str) else "it finds another file there, or none"
                return ClusterError(
                    f"the worker {worker} cannot use {path} as this machine can ({reason}): give its node access, "
                    f"with credentials where the driver of {path.scheme}:// looks for them."
                )
            return ClusterError(
                f"the worker {worker} does not see {path} as this machine does: use a file system that all nodes "
                "share, under the same path."
            )
        return None

    def _is_same(self, path: Path, expected: Status, found: Status | str | None) -> bool:
        if found is None or isinstance(found, str) or found.kind != expected.kind:
            return False
        has_grown = path in self._growing and found.bytes > expected.bytes
        unchanged = (found.bytes, found.changed_ns) == (expected.bytes, expected.changed_ns)
        return found.kind != "file" or unchanged or has_grown


def check_shared(paths: Iterable[Path]) -> None:
    """Raise :class:`UsageError` for what no other process can see."""
    for path in paths:
        if isinstance(path, UrlPath) and path.scheme == "memory":
            raise UsageError(f"{path} is in the memory of this process, which no worker sees: omit --cluster.")
