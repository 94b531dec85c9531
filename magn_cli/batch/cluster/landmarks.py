"""Files by which a worker shows that it sees what the driver sees: that they share a file system."""

from __future__ import annotations

from magn_cli.batch import journal
from magn_cli.batch.planning import BatchPlan
from magn_cli.files import Status


class Landmarks:
    """The first picture, and the journals of the folders of results, which only this run writes to."""

    def __init__(self, plan: BatchPlan) -> None:
        """Look at the files of a plan whose folders are open."""
        folders = {job.folder for job in plan.jobs if job.folder is not None}
        paths = [plan.jobs[0].source, *(folder / journal.NAME for folder in folders)]
        seen = {path: plan.store.status(path) for path in paths}
        self._expected = {path: status for path, status in seen.items() if status is not None}
        self.paths = list(self._expected)

    def difference(self, seen: list[Status | None]) -> str | None:
        """Return the first path at which a worker sees something else; None if there is none.

        A journal may have grown since.
        """
        for (path, expected), found in zip(self._expected.items(), seen, strict=True):
            grows = path.name == journal.NAME
            if found is None or found.kind != expected.kind or found.bytes < expected.bytes:
                return str(path)
            is_same = (found.bytes, found.changed_ns) == (expected.bytes, expected.changed_ns)
            if not is_same and not (grows and found.bytes > expected.bytes):
                return str(path)
        return None
