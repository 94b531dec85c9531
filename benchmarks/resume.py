"""Measure time and memory of planning to resume a run in an object store, all of whose results are there.

    python benchmarks/resume.py 1000000

The store is synthetic: it costs no requests, and the time is that of magn alone.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()

from magn_cli import batch
from magn_cli.batch import journal
from magn_cli.batch.journal import Journal, JournalEntry, Origin
from magn_cli.files import Status, UrlPath, named
from magn_cli.files.remote import drives
from magn_cli.files.store import Listed

SETTINGS = {
    "magn": "0",
    "task": "auto",
    "weights": "0" * 64,
    "level": "auto",
    "strength": 1.0,
    "precision": "auto",
}
LINES_A_PART = 8000


class Synthetic(drives.Drive):
    """``count`` pictures, their results, and the parts of a journal that knows them."""

    keeps_notes = True
    count = 0

    def status(self, path: UrlPath) -> Status | None:
        return Status("folder", 0, 0) if path.key in ("", "in", "out") else None

    def listing(self, folder: UrlPath, recursive: bool) -> Iterator[Listed]:
        kept = named(f"memory://store/out/{journal.NAME}.parts")
        if folder == kept:
            for part in range(self.count // LINES_A_PART + 1):
                yield Listed(kept / f"{part + 1:010}-{0:012x}", Status("file", 1, 0))
            return
        suffix = {"in": ".jpg", "out": ".png"}[folder.key]
        for number in range(1, self.count + 1):
            path = folder / f"{number // 1000:05}" / f"scan-{number:08}{suffix}"
            yield Listed(path, Status("file", 1000, 1, tag=f"{number:032x}"))

    def get(self, path: UrlPath, start: int | None = None, end: int | None = None) -> bytes:
        part = int(path.name[:10]) - 1
        first, last = part * LINES_A_PART, min((part + 1) * LINES_A_PART, self.count + 1)
        return b"\n".join(map(line, range(first, last)))


def line(number: int) -> bytes:
    if number == 0:
        return WRITER._signed({"schema": journal.REFERRING, "settings": SETTINGS})
    origin = Origin(1000, 1, f"{number:064x}", f"{number:032x}")
    entry = JournalEntry(f"{number // 1000:05}/scan-{number:08}.png", 1000, f"{number:064x}", origin, SETTINGS)
    return WRITER._signed({"schema": journal.REFERRING, "made": WRITER._referring(entry)})


def main(count: int) -> None:
    Synthetic.count = count
    drives._CLASSES["memory"] = Synthetic
    began = time.process_time()
    for number in range(0, count, 100):
        line(number)
    making = (time.process_time() - began) * 100
    began = time.process_time()
    plan = batch.plan(["memory://store/in"], named("memory://store/out"), settings=SETTINGS, recursive=True)
    seconds = time.process_time() - began - making
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(plan.kept):,} kept, {len(plan.jobs):,} to do: {seconds:.0f} s of one core, {peak:.0f} MB at most")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="number of pictures")
    given = parser.parse_args()
    WRITER = Journal(Path(tempfile.mkdtemp()))
    WRITER._key_of_user()
    main(given.count)
