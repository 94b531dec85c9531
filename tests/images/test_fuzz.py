"""Thousands of small broken pictures of all formats: no traceback, no hang, no flood of memory, not a word.

``--fuzz N`` tries that many. A finding names its seed and keeps the file, for
``python -m tests.support.fuzzing.worker``.
"""

import json
import os
import select
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from magn_cli import images
from tests.support.fuzzing.corpus import corpus
from tests.support.fuzzing.mutations import broken
from tests.support.paths import ROOT

WORKER = "tests.support.fuzzing.worker"
SECONDS = 30
"""That a file may take: far more than any needs, even on a busy machine."""


class Session:
    """Workers, one after the other, until every seed has been tried."""

    def __init__(self, folder: Path, files: int) -> None:
        self.folder, self.files = folder, files
        self.counts: Counter[str] = Counter()
        self.findings: dict[int, str] = {}
        (folder / "files").mkdir()

    def run(self) -> None:
        seed = 0
        while seed < self.files and len(self.findings) < 20:
            seed = self._worker(seed)

    def _worker(self, first: int) -> int:
        """Start one at a seed; the seed to go on with, behind the one at which it died."""
        reading, writing = os.pipe()
        words = [sys.executable, "-m", WORKER, str(first), str(self.files), str(self.folder / "files")]
        path = os.pathsep.join([str(ROOT), *sys.path])
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with (self.folder / "said").open("ab") as said:
            worker = subprocess.Popen(
                [*words, str(writing)], pass_fds=[writing], stdout=said, stderr=said, env=environment
            )
        os.close(writing)
        seed, at_work, rest = first, False, b""
        while True:
            ready, _, _ = select.select([reading], [], [], SECONDS)
            block = os.read(reading, 1 << 16) if ready else b""
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                entry = json.loads(line)
                seed, at_work = entry["seed"], "past" not in entry
                self._note(entry)
            if not block:
                break
        os.close(reading)
        if not ready:
            worker.kill()
        code = worker.wait()
        if code == 0:
            return self.files
        assert at_work, f"the worker ended with {code} between two files: {self.said()}"
        self.findings[seed] = f"no end within {SECONDS} s" if not ready else f"the worker ended with {code}"
        return seed + 1

    def _note(self, entry: dict) -> None:
        if "past" not in entry:
            return
        self.counts["tried"] += 1
        self.counts["past"] += entry["past"]
        self.counts["read"] += entry["read"]
        self.counts[entry["name"].rpartition(".")[2]] += 1
        if "finding" in entry:
            self.findings[entry["seed"]] = entry["finding"]

    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")

    def report(self) -> str:
        """The findings, each with the seed and the file that was kept."""
        files, parts = corpus(), []
        for seed, what in self.findings.items():
            name, data = broken(seed, files)
            (self.folder / f"{seed}-{name}").write_bytes(data)
            parts.append(f"seed {seed}, kept as {self.folder / f'{seed}-{name}'}:\n{what}")
        return "\n\n".join(parts)


@pytest.mark.skipif(os.name == "nt", reason="limits of memory are set as Unix does")
def test_broken_pictures_of_all_formats(tmp_path, request, record_property):
    session = Session(tmp_path, request.config.getoption("--fuzz"))
    session.run()
    assert not session.findings, session.report()
    assert session.said() == ""
    counts = session.counts
    for name in ("tried", "past", "read"):
        record_property(name, counts[name])
    assert counts["tried"] == session.files >= 5000
    assert counts["past"] >= 0.3 * counts["tried"], counts
    assert counts["read"] >= 0.1 * counts["tried"], counts
    formats = {name.rpartition(".")[2] for name in corpus()}
    assert all(counts[name] >= 50 for name in formats), counts


def test_the_intact_files_are_all_read(tmp_path):
    for name, data in corpus().items():
        (tmp_path / name).write_bytes(data)
        assert images.read(tmp_path / name, mosaics=True).pixels.size


def test_a_seed_gives_the_same_file_again():
    files, again = corpus(), corpus()
    assert files == again
    assert all(broken(seed, files) == broken(seed, again) for seed in range(100))
