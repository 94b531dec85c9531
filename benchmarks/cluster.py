"""Compare two workers of a cluster with two plain processes, each of which restores half of the folder.

    python benchmarks/cluster.py --count 24 --megapixels 0.25
    python benchmarks/cluster.py --count 8 --megapixels 0.5 --repeat 3 --core 1     # on a busy machine

All of them use one thread. Both ways run in turns. The rate is that of the pictures between the moment at which
the networks are loaded and the last result; the time until then, which a long run hardly notices, is printed
beside it. On a machine with fewer than two free cores, the workers share what there is, and so do the plain
processes: the comparison holds, the rate does not. If other programs use the processor, compare the processor
time: that of the command and of all processes that it has started, including those of Ray. ``--core`` keeps all of
them on one core, where a worker that waits leaves it to the other, so that processor time is what the run costs.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measuring
import psutil
from pictures import picture


def start(folder: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "magn_cli", "restore", str(folder), "--task", "jpeg", "--out", str(out)]
    own = ["--threads", "1", "--device", "cpu", "--precision", "fp32", "--log-json", "--quiet"]
    return subprocess.Popen([*line, *own, *words], stdout=subprocess.PIPE, text=True)


@dataclass
class Run:
    """Times in seconds since 1970, and processor time of all processes in seconds."""

    began: float
    ready: float = 0.0
    end: float = 0.0
    used: float = 0.0


class Meter(threading.Thread):
    """Looks again and again at the processor time of a process and of all that it has started.

    Ray's processes are gone when the last event arrives, and nobody waits for them.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._top, self._times, self._end = psutil.Process(pid), dict[int, float](), threading.Event()
        self._mutex = threading.Lock()

    def run(self) -> None:
        while not self._end.wait(0.2):
            self.look()

    def look(self) -> float:
        """Return the seconds so far, of processes that are gone, too."""
        with self._mutex, suppress(psutil.Error):
            for process in (self._top, *self._top.children(recursive=True)):
                with suppress(psutil.Error):
                    used = process.cpu_times()
                    self._times[process.pid] = used.user + used.system
        return sum(self._times.values())

    def stop(self) -> None:
        self._end.set()
        self.join()


def watch(process: subprocess.Popen[str], run: Run) -> None:
    """Read the events of a command until its end."""
    before = done = 0.0
    meter = Meter(process.pid)
    meter.start()
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        match event["event"]:
            case "start":
                run.ready, before = event["time"], meter.look()
            case "done":
                run.end, done = event["time"], done + 1
                run.used = meter.look() - before
            case "summary":
                assert event["done"] == done
    meter.stop()
    assert process.wait() == 0


def two_processes(halves: list[Path], out: Path) -> Run:
    runs = [Run(time.time()) for _ in halves]
    with ThreadPoolExecutor(len(halves)) as threads:
        processes = [start(half, out / half.name) for half in halves]
        list(threads.map(watch, processes, runs))
    return Run(runs[0].began, min(r.ready for r in runs), max(r.end for r in runs), sum(run.used for run in runs))


def two_workers(folder: Path, out: Path) -> Run:
    run = Run(time.time())
    watch(start(folder, out, "--recursive", "--cluster", "local", "--workers", "2"), run)
    return run


def main() -> None:
    parser = measuring.options(__doc__)
    parser.add_argument("--count", type=int, default=24, help="number of pictures in the folder")
    parser.add_argument("--megapixels", type=float, default=0.25, help="size of each picture")
    parser.add_argument("--core", type=int, help="keep all processes on this core")
    parser.set_defaults(repeat=1, threads=1)
    given = parser.parse_args()
    if given.core is not None:
        # Processes inherit it.
        os.sched_setaffinity(0, {given.core})
    device = measuring.prepare(given)
    runs: dict[str, list[Run]] = {"two processes": [], "two workers": []}
    with tempfile.TemporaryDirectory() as name:
        halves = [Path(name) / "photos" / half for half in ("a", "b")]
        first = picture(given.megapixels, Path(name)).read_bytes()
        for half in halves:
            half.mkdir(parents=True)
            for number in range(given.count // 2):
                (half / f"{number:03}.jpg").write_bytes(first)
        for turn in range(given.repeat):
            runs["two processes"].append(two_processes(halves, Path(name) / f"plain{turn}"))
            runs["two workers"].append(two_workers(halves[0].parent, Path(name) / f"cluster{turn}"))
    total = given.megapixels * 2 * (given.count // 2)
    seconds = {what: statistics.median(run.end - run.ready for run in them) for what, them in runs.items()}
    used = {what: statistics.median(run.used for run in them) for what, them in runs.items()}
    rows: list[dict[str, Any]] = [
        {
            "what": what,
            "pictures": 2 * (given.count // 2),
            "megapixels": round(total, 2),
            "seconds": seconds[what],
            "MP/s": total / seconds[what],
            "share": seconds["two processes"] / seconds[what],
            "seconds of the processor": used[what],
            "share of these": used["two processes"] / used[what],
            "seconds to start": statistics.median(run.ready - run.began for run in them),
        }
        for what, them in runs.items()
    ]
    measuring.show(given, device, list(rows[0]), rows)


if __name__ == "__main__":
    main()
